/** What the optimizer's kernels work on: flat memory, settings, and what mixed precision adds. */
import type { Origin } from '../../graph/types.ts';
import type { UpdateRule, WeightRate } from '../../optimizers.ts';
import type { DeviceProfile } from '../../profile.ts';
import type { OwnPart } from '../../shards.ts';
import { type HyperSlot, hyperSlots } from '../../slots.ts';
import type { KernelArg } from '../text/kernel.ts';
import type { Storage } from '../text/view.ts';

export interface UpdateSpec {
  readonly weights: Storage;
  readonly gradients: Storage;
  /** As many as the rule keeps of each weight, each as long as the parts together. */
  readonly moments: readonly Storage[];
  /** Moving averages of the weights; each step leaves `decay` of one. */
  readonly average?: { readonly storage: Storage; readonly decay: number };
  /** f32 scalars in the order of `hyperSlots`. */
  readonly hyper: Storage;
  /**
   * Elements of the arenas that are trained: `[0, elements)`, a multiple of 4. Gaps must hold zero gradients.
   */
  readonly elements: number;
  /** What is updated of them: everything, or what is a rank's. */
  readonly parts: readonly OwnPart[];
  readonly rule: UpdateRule;
  /** Rates along the arenas, in order; the last run ends with the elements. */
  readonly rates: readonly RateRun[];
  /** Scale gradients by min(1, clip_norm / (norm + 1e-6)). */
  readonly clip: boolean;
  /** Weights (by place in the arena) that are kept within bounds after the step. */
  readonly clamps: readonly { readonly index: number; readonly min: number; readonly max: number }[];
  /** Mixed precision: the state of the loss scale, and the weights as f16. */
  readonly mixed?: MixedUpdate;
  /** One f32: the global L2 norm of the gradients before clipping. */
  readonly normOut: Storage;
  readonly profile: DeviceProfile;
  scratch(elements: number, dtype: Storage['dtype'], label: string): Storage;
}

/** Neighbouring weights with the same rates. */
export interface RateRun extends WeightRate {
  /** Where the run ends, in elements, a multiple of 4; it begins where the one before ends. */
  readonly end: number;
}

export interface MixedUpdate {
  readonly scaler: Storage;
  /** Absent where they are made again from weights that came from other ranks. */
  readonly halves?: Storage;
  /** Whether the loss scale follows overflows. */
  readonly dynamic: boolean;
}

export const origin: Origin = { path: 'optimizer' };

export const hyperValue = (slot: HyperSlot) => `hyper_data[${hyperSlots.indexOf(slot)}]`;

export function hyperArg({ hyper }: UpdateSpec): KernelArg {
  return { name: 'hyper_data', width: 1, storage: hyper, access: 'read' };
}

/** WGSL: what bounds gradients of this norm. */
export const clipFactor = (norm: string) => `min(1.0, ${hyperValue('clip_norm')} / (${norm} + 1e-6f))`;
