/**
 * The whole pipeline behind the model, top to bottom: gradients, passes, kernels, memory, plan.
 */
import { differentiate, type GradientScale, type Variable, variableName } from './autodiff/differentiate.ts';
import { rematerialize } from './autodiff/rematerialize.ts';
import { builderFrom, stepOf } from './graph/create-builder.ts';
import { mergedOrigin } from './graph/sources.ts';
import {
  type Graph,
  gradientPrefix,
  movedPrefix,
  nodeAt,
  numericShape,
  type VerifiedGraph,
} from './graph/types.ts';
import { planJoins } from './joins/plan.ts';
import type { VerifiedJoins } from './joins/types.ts';
import { type Lowered, lowerGraph, type OutputPlace } from './kernels/lowering/lower.ts';
import { Storages } from './kernels/text/view.ts';
import { constantScale, lossScaleInput } from './kernels/update/loss-scale.ts';
import { blocksMatching } from './model/values/globs.ts';
import { Expressions } from './ops/expressions.ts';
import { runForwardPasses, runPasses } from './passes/index.ts';
import type { Precision } from './passes/pass.ts';
import { checkInputsAndResults } from './plan/fit.ts';
import { makePlan, type ResultPlace } from './plan/make-plan.ts';
import { lengthSections } from './plan/sections.ts';
import type { PlanTexts, VerifiedPlan } from './plan/types.ts';
import type { UpdateOptions } from './plan/update.ts';
import type { DeviceProfile } from './profile.ts';

export type { Precision } from './passes/pass.ts';
export { outlookOf, planFitting } from './plan/fit.ts';
export type { UpdateOptions } from './plan/update.ts';

export type Observer = (stage: string, graph: VerifiedGraph, joins?: VerifiedJoins) => void;

/** The traced graph for shorter texts. */
export interface TextLengths {
  /** What a plan says of them; the traced graph is for the last one. */
  readonly texts: PlanTexts;
  /** The graphs for the other lengths. */
  readonly shorter: readonly Graph[];
}

/** The lengths of its graphs: the traced one, the others. */
export function lengthsOf({ texts: { lengths } }: TextLengths): number[] {
  return [lengths.at(-1)!, ...lengths.slice(0, -1)];
}

export interface CompileOptions {
  readonly model: string;
  readonly entry: string;
  readonly batch: number;
  readonly mode: 'eval' | 'train';
  readonly profile: DeviceProfile;
  readonly precision?: Precision;
  /**
   * Weights whose gradients of `loss` become outputs `grad.<name>`: zeros where the loss does not read one.
   */
  readonly gradients?: readonly Variable[];
  /** Makes a training plan: every run is one optimizer step on these weights. */
  readonly training?: UpdateOptions;
  /** Patterns of block paths whose activations are computed again in the backward pass. */
  readonly remat?: readonly string[];
  /** Makes a training plan that runs by the length of its texts. */
  readonly texts?: TextLengths;
  /** Sees the graph behind every pass, and in the end (stage `joins`) with its join plan. */
  readonly observe?: Observer;
  /** Sees the kernels behind the plan's setup and steps, one each, in their order. */
  readonly inspect?: (lowered: Lowered) => void;
}

/**
 * Compiles a traced graph (numeric shapes) for a device. Throws `DiagnosticError` where the device cannot
 * hold it.
 */
export function compileGraph(traced: Graph, options: CompileOptions): VerifiedPlan {
  const { profile, training, texts } = options;
  checkInputsAndResults(traced, profile);
  const wrt: readonly Variable[] = training?.trainable ?? options.gradients ?? [];
  const storages = new Storages();
  const lower = (whole: Graph) => {
    const forward = runForwardPasses(training ? stepOf(whole) : whole, options);
    const graph = wrt.length === 0 ? forward : withGradients(forward, wrt, options);
    const optimized = runPasses(graph, profile, { ...options, fixedWeights: training === undefined });
    const joins = planJoins(optimized, profile);
    options.observe?.('joins', optimized, joins);
    const places = new Map(
      optimized.outputs.map(({ name }) => [name, placeOf(name, training !== undefined)]),
    );
    const lowered = lowerGraph(optimized, joins, profile, {
      storages,
      places,
      hoist: training === undefined,
      keepHalves: training?.lossScale !== undefined,
    });
    return { graph: optimized, places, lowered };
  };
  const whole = lower(traced);
  // The whole graph comes first: weights lie as they do without the others.
  const parts = [whole, ...(texts?.shorter ?? []).map(lower)];
  return makePlan({
    identity: options,
    profile,
    graphs: parts.map(({ graph }) => graph),
    storages,
    lowered: {
      setup: parts.flatMap(({ lowered }) => lowered.setup),
      kernels: parts.flatMap(({ lowered }) => lowered.kernels),
    },
    wrt: wrt.map(variableName),
    inspect: options.inspect,
    ...(training ? { training } : {}),
    results: [...resultsOf(whole.graph, whole.places), ...(training ? [gradientNorm] : [])],
    ...(texts === undefined ? {} : byLength(texts, parts)),
  });
}

function byLength(texts: TextLengths, parts: readonly { readonly lowered: Lowered }[]) {
  const steps = lengthsOf(texts).map((length, i) => ({ length, steps: parts[i]!.lowered.kernels.length }));
  return { texts: texts.texts, sections: lengthSections(steps) };
}

function withGradients(
  forward: Graph,
  wrt: readonly Variable[],
  { remat = [], ...options }: CompileOptions,
): Graph {
  const scale = gradientScale(options);
  const scaled = differentiate(forward, { loss: 'loss', wrt, scale });
  const graph = typeof scale === 'number' && scale !== 1 ? unscaled(scaled, scale) : scaled;
  return remat.length === 0 ? graph : rematerialize(graph, forward.nodes.length, blocksMatching(remat));
}

/** Divides gradients by the constant that they carry. */
function unscaled(graph: Graph, scale: number): Graph {
  const b = builderFrom(graph);
  const e = new Expressions(b);
  const divided = (node: number) =>
    b.withOrigin(mergedOrigin(b.origin, [b.node(node).origin]), () => e.scale(node, 1 / scale));
  return b.finish(
    graph.outputs.map(({ name, node }) =>
      name.startsWith(gradientPrefix) ? { name, node: divided(node) } : { name, node },
    ),
  );
}

/**
 * What gradients carry: the scale whose state training keeps, or, computed in mixed precision alone, a
 * constant.
 */
export function gradientScale({
  precision,
  training,
}: Pick<CompileOptions, 'precision' | 'training'>): GradientScale {
  if (training !== undefined) return training.lossScale === undefined ? 1 : { input: lossScaleInput };
  return precision === 'mixed' ? constantScale : 1;
}

/** A training plan moves buffers where they lie; otherwise the host reads the new values. */
export function placeOf(name: string, training: boolean): OutputPlace {
  if (name.startsWith(gradientPrefix)) return { name, place: 'gradients' };
  if (training && name.startsWith(movedPrefix))
    return { name: name.slice(movedPrefix.length), place: 'weights' };
  return { name, place: 'output' };
}

/** The global norm of the gradients, which every training step reports. */
export const gradientNorm: ResultPlace = { name: 'grad_norm', role: 'io', dtype: 'f32', shape: [] };

/** What the host may read of a graph's outputs. */
export function resultsOf(graph: Graph, places: ReadonlyMap<string, OutputPlace>): ResultPlace[] {
  return graph.outputs.flatMap(({ name, node }): ResultPlace[] => {
    const { type } = nodeAt(graph, node);
    const place = places.get(name)?.place;
    if (place !== 'output' && place !== 'gradients') return [];
    const role = place === 'gradients' ? 'gradients' : 'io';
    return [{ name, role, dtype: type.dtype, shape: numericShape(type) }];
  });
}
