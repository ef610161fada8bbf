/**
 * One entry of a model, ready to run: traced, compiled for the executor, weights in place.
 *
 * The same call serves the command line, zero-shot evaluation and the benchmark, on a
 * device or on the reference.
 */

import { totalmem } from 'node:os';
import { differentiate, reachedNames, type Variable } from '../../compiler/autodiff/differentiate.ts';
import {
  type CompileOptions,
  compileGraph,
  outlookOf,
  type Precision,
  planFitting,
} from '../../compiler/compile.ts';
import { executeReference } from '../../compiler/graph/reference.ts';
import { type Graph, movedPrefix, nodeAt, numericShape, sizeOf } from '../../compiler/graph/types.ts';
import { inputsOf, outside, traceEntry } from '../../compiler/model/index.ts';
import type { EntryName, Model, ModelInput, ObjectiveChoice } from '../../compiler/model/types.ts';
import type { RefTensor } from '../../compiler/ops/op.ts';
import { keyWords, randomInput, randomKeys } from '../../compiler/ops/philox.ts';
import type { VerifiedPlan } from '../../compiler/plan/types.ts';
import { DiagnosticError, fail } from '../../grammar/diagnostics.ts';
import { batchCounters } from '../../runtime/train/counters.ts';
import type { Device, HostArray, Session } from '../../runtime/types.ts';
import type { WeightSource } from '../weights/source.ts';
import type { Executor } from './devices.ts';

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
  /** Adds outputs to the graph. */
  readonly extend?: (graph: Graph) => Graph;
}

export interface NamedTensor {
  readonly shape: readonly number[];
  readonly data: HostArray;
}

export interface ReadyEntry {
  /** Trainable weights that the loss does not read, where gradients were asked for: theirs are zero. */
  readonly unread: readonly string[];
  /** Absent on the reference. */
  readonly session?: Session;
  /** Runs once. `inputs` has what the entry is fed, by name. */
  run(inputs: ReadonlyMap<string, HostArray>): Promise<Map<string, NamedTensor>>;
  close(): void;
}

/** Names of the weights that have a gradient, in state_dict order. */
function trainableNames(model: Model): string[] {
  return model.weights.filter((w) => w.kind === 'param').map((w) => w.name);
}

/** The same with their shapes, which say what gradient a weight has that the loss does not read. */
function trainableVariables(model: Model): Variable[] {
  return model.weights.filter((w) => w.kind === 'param').map(({ name, shape }) => ({ name, shape }));
}

/** Trainable weights that a request for gradients gets zeros for. */
export function unreadNames(model: Model, graph: Graph, { gradients }: EntryRequest): string[] {
  if (!gradients) return [];
  const names = trainableNames(model);
  const reached = reachedNames(graph, 'loss', names);
  return names.filter((name) => !reached.has(name));
}

/** The graph of one entry with numeric shapes. */
function traceGraph(model: Model, request: EntryRequest): Graph {
  const traced = traceEntry(model, request.entry, {
    batch: request.batch,
    training: request.mode === 'train',
    ...(request.objective === undefined ? {} : { objective: request.objective }),
  });
  if (!traced.ok) throw new DiagnosticError(traced.diagnostics);
  return request.extend?.(traced.value) ?? traced.value;
}

/** The plan of one entry for a device with this profile; `observe` sees the graph behind every pass. */
export function compileEntry(
  model: Model,
  request: EntryRequest,
  profile: Device['profile'],
  observe?: CompileOptions['observe'],
): VerifiedPlan {
  return compileTraced(model, traceGraph(model, request), request, profile, observe);
}

/** The same with its graph; where the batch is too large for the device, the message names one that fits. */
export function compileFitting(
  model: Model,
  request: EntryRequest,
  profile: Device['profile'],
  observe?: CompileOptions['observe'],
): { graph: Graph; plan: VerifiedPlan } {
  const asked = traceGraph(model, request);
  const compiled = (batch: number) => {
    const graph = batch === request.batch ? asked : traceGraph(model, { ...request, batch });
    return { graph, plan: compileTraced(model, graph, { ...request, batch }, profile, observe) };
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
  observe?: CompileOptions['observe'],
): VerifiedPlan {
  return compileGraph(graph, {
    model: model.name,
    entry: request.entry,
    batch: request.batch,
    mode: request.mode,
    profile,
    ...(request.precision === undefined ? {} : { precision: request.precision }),
    ...(observe === undefined ? {} : { observe }),
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
async function counted(
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

/**
 * Checks ids before anything runs: a GPU would read another row without a word.
 * @throws DiagnosticError Z404
 */
export function checkIds(
  wanted: readonly Pick<ModelInput, 'name' | 'ids'>[],
  inputs: ReadonlyMap<string, ArrayLike<number>>,
  path?: string,
): void {
  for (const { name, ids } of wanted) {
    const values = inputs.get(name);
    if (ids === undefined || values === undefined) continue;
    const bad = outside(values, ids);
    const place = path === undefined ? '' : `${path}: `;
    if (bad >= 0)
      fail(
        'Z404',
        `${place}${name} has id ${values[bad]} at position ${bad}, it takes ${ids.min} to ${ids.max}`,
      );
  }
}

/** The inputs with what training draws random numbers by: the keys of a run's first step, seed 0. */
function withKeys(inputs: ReadonlyMap<string, HostArray>, batch: number): Map<string, HostArray> {
  return new Map([...inputs, [randomInput, randomKeys(0, 0, 0, batch)]]);
}

async function openOnDevice(
  { device, tune }: Extract<Executor, { kind: 'device' }>,
  model: Model,
  weights: WeightSource,
  request: EntryRequest,
): Promise<ReadyEntry> {
  await tune?.((profile) => compileFitting(model, request, profile).plan);
  const { graph, plan } = compileFitting(model, request, device.profile);
  const withCounters = await counted(graph, model, weights);
  const session = await device.open(plan);
  try {
    const byName = new Map(model.weights.map((w) => [w.name, w]));
    for (const slot of plan.weights)
      session.writeWeight(slot.name, await weights.read(byName.get(slot.name)!));
  } catch (error) {
    session.close();
    throw error;
  }
  return {
    unread: unreadNames(model, graph, request),
    session,
    async run(inputs) {
      checkIds(plan.inputs, inputs);
      const fed = withKeys(inputs, request.batch);
      for (const slot of plan.inputs) session.writeInput(slot.name, fed.get(slot.name)!);
      session.run();
      const results = new Map<string, NamedTensor>();
      for (const { name, shape } of plan.outputs) {
        results.set(name, { shape, data: await session.read(name) });
      }
      return withCounters(results);
    },
    close: () => session.close(),
  };
}

/**
 * Refuses a graph whose inputs, weights and largest value alone, in double precision, are more than the
 * machine has.
 * @throws DiagnosticError Z605
 */
function checkHostMemory({ nodes }: Graph): void {
  const bytes = (node: Graph['nodes'][number]) => 8 * sizeOf(numericShape(node.type));
  const given = nodes.filter((n) => n.inputs.length === 0).reduce((sum, n) => sum + bytes(n), 0);
  const needed = given + nodes.reduce((most, n) => Math.max(most, bytes(n)), 0);
  const gibibytes = (n: number) => `${(n / 2 ** 30).toFixed(1)} GiB`;
  if (needed > totalmem())
    fail(
      'Z605',
      `the reference needs at least ${gibibytes(needed)}, this machine has ${gibibytes(totalmem())}`,
      'use a smaller batch',
    );
}

async function openOnReference(
  model: Model,
  weights: WeightSource,
  request: EntryRequest,
): Promise<ReadyEntry> {
  const traced = planFitting(request.batch, (batch) => {
    const graph = traceGraph(model, { ...request, batch });
    checkHostMemory(graph);
    return graph;
  });
  const withCounters = await counted(traced, model, weights);
  const wanted = inputsOf(traced);
  const graph = request.gradients
    ? differentiate(traced, { loss: 'loss', wrt: trainableVariables(model) })
    : traced;
  const params = new Map<string, RefTensor>();
  for (const weight of model.weights) {
    params.set(weight.name, { shape: weight.shape, data: Float64Array.from(await weights.read(weight)) });
  }
  const shapes = new Map<string, readonly number[]>([
    ...wanted.map(({ name, sizes, table }) => [name, table ? sizes : [request.batch, ...sizes]] as const),
    [randomInput, [request.batch, keyWords]],
  ]);
  const integers = new Set(
    graph.outputs.flatMap(({ name, node }) => (nodeAt(graph, node).type.dtype === 'i32' ? [name] : [])),
  );
  return {
    unread: unreadNames(model, traced, request),
    async run(inputs) {
      checkIds(wanted, inputs);
      const feeds = new Map<string, RefTensor>();
      for (const [name, data] of withKeys(inputs, request.batch)) {
        feeds.set(name, { shape: shapes.get(name)!, data: Float64Array.from(data) });
      }
      const outputs = executeReference(graph, { inputs: feeds, params });
      return withCounters(
        new Map(
          [...outputs].map(([name, { shape, data }]) => [
            name,
            { shape, data: integers.has(name) ? Int32Array.from(data) : Float32Array.from(data) },
          ]),
        ),
      );
    },
    close: () => {},
  };
}

/** Compiles one entry for `executor` and writes the weights. Close it when done. */
export function openEntry(
  executor: Executor,
  model: Model,
  weights: WeightSource,
  request: EntryRequest,
): Promise<ReadyEntry> {
  return executor.kind === 'device'
    ? openOnDevice(executor, model, weights, request)
    : openOnReference(model, weights, request);
}
