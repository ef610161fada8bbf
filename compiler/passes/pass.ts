/** What a pass is, and what it is told of the plan. */
import type { Graph } from '../graph/types.ts';
import type { DeviceProfile } from '../profile.ts';

/** Arithmetic of a plan: all in f32, or activations stored as f16 over f32 weights. */
export type Precision = 'f32' | 'mixed';

/** What a pass is told of the plan. */
export interface PassSettings {
  readonly precision: Precision;
  /** Weights stay the same from run to run, so that what depends on them alone is computed once. */
  readonly fixedWeights: boolean;
}

/** In front of differentiation. */
export type ForwardPass = (graph: Graph, settings: Pick<PassSettings, 'precision'>) => Graph;

export type Pass = (graph: Graph, profile: DeviceProfile, settings: PassSettings) => Graph;
