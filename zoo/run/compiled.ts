/**
 * One entry of a model on a device, ready to run: traced, compiled, weights in place. Nothing here is Node's; `entry.ts` adds
 * the reference.
 */
import { reachedNames, type Variable } from '../../compiler/autodiff/differentiate.ts';
import {
  type CompileOptions,
  compileGraph,
  outlookOf,
  type Precision,
  planFitting,
} from '../../compiler/compile.ts';
import { type Graph, movedPrefix } from '../../compiler/graph/types.ts';
import { type TraceOptions, traceEntry } from '../../compiler/model/index.ts';
import type { EntryName, Model, ObjectiveChoice, Weight } from '../../compiler/model/types.ts';
import type { VerifiedPlan } from '../../compiler/plan/types.ts';
import { DiagnosticError } from '../../grammar/diagnostics.ts';
import { batchCounters } from '../../runtime/train/counters.ts';
import type { CompileFor } from '../../runtime/tune/contest.ts';
import type { Device } from '../../runtime/types.ts';
import type { WeightSource } from '../weights/source.ts';
import { type NamedTensor, openPlan, type ReadyPlan } from './plan-entry.ts';

export interface EntryRequest {
  readonly entry: EntryName;
  /** Of the entry `loss`: the model's own by default. */
  readonly objective?: ObjectiveChoice;
  /** Samples per run: rows of every input but tables. */
  readonly batch: number;
  readonly mode: 'eval' | 'train';
  /** Also `grad.<weight>` for every trainable weight; only for entry `loss`. */
  readonly gradients: boolean;
  readonly precision?: Precision;
  /** Adds outputs to the graph, or changes what it computes. */
  readonly extend?: (graph: Graph) => Graph;
  readonly gives?: TraceOptions['gives'];
}

/** Who looks at what a compiler makes on its way. */
export type Watch = Pick<CompileOptions, 'observe' | 'inspect'>;

export interface ReadyEntry extends Pick<ReadyPlan, 'run' | 'close'>, Partial<Pick<ReadyPlan, 'session'>> {
  /** Trainable weights that the loss does not read, where gradients were asked for: theirs are zero. */
  readonly unread: readonly string[];
}

/** A device, and what measures schedules for it where that was asked for. */
export interface DeviceExecutor {
  readonly device: Device;
  readonly tune?: (compile: CompileFor) => Promise<void>;
}

/** Names of the weights that have a gradient, in state_dict order. */
function trainableNames(model: Model): string[] {
  return model.weights.filter((w) => w.kind === 'param').map((w) => w.name);
}

/** The same with their shapes, which say what gradient a weight has that the loss does not read. */
export function trainableVariables(model: Model): Variable[] {
  return model.weights.filter((w) => w.kind === 'param').map(({ name, shape }) => ({ name, shape }));
}

/** Trainable weights that a request for gradients gets zeros for. */
export function unreadNames(model: Model, graph: Graph, { gradients }: EntryRequest): string[] {
  if (!gradients) return [];
  const names = trainableNames(model);
  const reached = reachedNames(graph, 'loss', names);
  return names.filter((name) => !reached.has(name));
}

/** The weights of a model that a graph reads. */
export function weightsRead(model: Model, { nodes }: Graph): Weight[] {
  const names = new Set(nodes.flatMap((node) => (node.op === 'param' ? [node.attrs.name] : [])));
  return model.weights.filter(({ name }) => names.has(name));
}

/** The graph of one entry with numeric shapes. */
export function traceGraph(model: Model, request: EntryRequest): Graph {
  const traced = traceEntry(model, request.entry, {
    batch: request.batch,
    training: request.mode === 'train',
    ...(request.objective === undefined ? {} : { objective: request.objective }),
    ...(request.gives === undefined ? {} : { gives: request.gives }),
  });
  if (!traced.ok) throw new DiagnosticError(traced.diagnostics);
  return request.extend?.(traced.value) ?? traced.value;
}

/** The plan of one entry for a device with this profile. */
export function compileEntry(
  model: Model,
  request: EntryRequest,
  profile: Device['profile'],
  watch?: Watch,
): VerifiedPlan {
  return compileTraced(model, traceGraph(model, request), request, profile, watch);
}

/** The same with its graph; where the batch is too large for the device, the message names one that fits. */
export function compileFitting(
  model: Model,
  request: EntryRequest,
  profile: Device['profile'],
  watch?: Watch,
): { graph: Graph; plan: VerifiedPlan } {
  const asked = traceGraph(model, request);
  const compiled = (batch: number) => {
    const graph = batch === request.batch ? asked : traceGraph(model, { ...request, batch });
    return { graph, plan: compileTraced(model, graph, { ...request, batch }, profile, watch) };
  };
  const total = ({ plan }: ReturnType<typeof compiled>) => plan.memory.total;
  const about = { ...request, model: model.name };
  const outlook = outlookOf(asked, about, profile, total);
  return planFitting(request.batch, compiled, { noun: 'batch', outlook });
}

function compileTraced(
  model: Model,
  graph: Graph,
  request: EntryRequest,
  profile: Device['profile'],
  watch?: Watch,
): VerifiedPlan {
  return compileGraph(graph, {
    model: model.name,
    entry: request.entry,
    batch: request.batch,
    mode: request.mode,
    profile,
    ...(request.precision === undefined ? {} : { precision: request.precision }),
    ...watch,
    ...(request.gradients ? { gradients: trainableVariables(model) } : {}),
  });
}

/** The optimizer of a training step without a recipe: AdamW with the defaults of open_clip. */
export const stepOptimizer = {
  rule: { kind: 'adamw', beta1: 0.9, beta2: 0.98, eps: 1e-6 },
  weightDecay: 0.2,
  decayMinDims: 2,
} as const;
/** Where it keeps the logarithm of the logits' scale. */
export const stepScaleBounds = { min: 0, max: Math.log(100) } as const;

/**
 * The plan of one AdamW step of the contrastive loss with the usual settings, where no recipe says others.
 */
export function compileTrainingStep(
  model: Model,
  batch: number,
  profile: Device['profile'],
  precision: Precision = 'f32',
): VerifiedPlan {
  const request = { entry: 'loss', batch, mode: 'train', gradients: false } as const;
  const graph = traceGraph(model, request);
  const reached = reachedNames(graph, 'loss', trainableNames(model));
  return compileGraph(graph, {
    model: model.name,
    entry: request.entry,
    batch,
    mode: request.mode,
    profile,
    precision,
    training: {
      trainable: trainableNames(model).filter((name) => reached.has(name)),
      ...stepOptimizer,
      ...(precision === 'mixed' ? { lossScale: 'dynamic' as const } : {}),
      clamps: reached.has('logit_scale') ? [{ weight: 'logit_scale', ...stepScaleBounds }] : [],
    },
  });
}

/** Adds the counters of batches beside the statistics that `graph` moves, one more than stored. */
export async function counted(
  graph: Graph,
  model: Model,
  weights: WeightSource,
): Promise<(results: Map<string, NamedTensor>) => Map<string, NamedTensor>> {
  const names = batchCounters(graph, model.weights);
  const counters = new Map<string, NamedTensor>();
  for (const weight of model.weights.filter((w) => names.has(w.name)))
    counters.set(movedPrefix + weight.name, {
      shape: weight.shape,
      data: (await weights.read(weight)).map((count) => count + 1),
    });
  return (results) => new Map([...results, ...counters]);
}

/** Compiles one entry for a device and writes the weights. Close it when done. */
export async function openOnDevice(
  { device, tune }: DeviceExecutor,
  model: Model,
  weights: WeightSource,
  request: EntryRequest,
): Promise<ReadyEntry> {
  await tune?.((profile) => compileFitting(model, request, profile).plan);
  const { graph, plan } = compileFitting(model, request, device.profile);
  const withCounters = await counted(graph, model, weights);
  const byName = new Map(model.weights.map((w) => [w.name, w]));
  const ready = await openPlan(device, plan, (name) => weights.read(byName.get(name)!));
  return {
    ...ready,
    unread: unreadNames(model, graph, request),
    run: async (inputs) => withCounters(await ready.run(inputs)),
  };
}
