/**
 * The whole pipeline behind the model, top to bottom: gradients, passes, kernels, memory, plan.
 */
import { differentiate } from './autodiff/differentiate.ts';
import { rematerialize } from './autodiff/rematerialize.ts';
import { builderFrom } from './graph/create-builder.ts';
import { type Graph, type NodeOf, numericShape, sizeOf, type VerifiedGraph } from './graph/types.ts';
import { lowerGraph, type OutputPlace } from './kernels/lower.ts';
import type { Storage } from './kernels/view.ts';
import { blocksMatching } from './model/globs.ts';
import { runPasses } from './passes/index.ts';
import { type Arenas, type Assembled, assemble } from './plan/assemble.ts';
import { checkMemory } from './plan/fit.ts';
import { type ArenaLayout, arenaOrder, layOut, type WeightInfo, weightBytes } from './plan/layout.ts';
import type { BufferRole, MemoryTable, Plan, Slot, VerifiedPlan, WeightSlot } from './plan/types.ts';
import { appendUpdate, type UpdateOptions } from './plan/update.ts';
import { verifyPlan } from './plan/verify.ts';
import type { DeviceProfile } from './profile.ts';

export { planFitting } from './plan/fit.ts';
export type { UpdateOptions } from './plan/update.ts';

export interface CompileOptions {
  readonly model: string;
  readonly entry: string;
  readonly batch: number;
  readonly mode: 'eval' | 'train';
  readonly profile: DeviceProfile;
  /** Weights whose gradients of `loss` become outputs `grad.<name>`. */
  readonly gradients?: readonly string[];
  /** Makes a training plan: every run is one AdamW step on these weights. */
  readonly training?: UpdateOptions;
  /** Patterns of block paths whose activations are computed again in the backward pass. */
  readonly remat?: readonly string[];
  /** Sees the graph behind differentiation and behind every pass. */
  readonly observe?: (stage: string, graph: VerifiedGraph) => void;
}

/** Compiles a traced graph (numeric shapes) for a device. Throws `DiagnosticError` where the device cannot hold it. */
export function compileGraph(traced: Graph, options: CompileOptions): VerifiedPlan {
  const { profile, training } = options;
  const wrt = training?.trainable ?? options.gradients ?? [];
  const kept = (name: string) => name === 'loss' || name.startsWith(movedPrefix);
  const forward = training ? builderFrom(traced).finish(traced.outputs.filter((o) => kept(o.name))) : traced;
  const graph = wrt.length === 0 ? forward : withGradients(forward, wrt, options.remat ?? []);
  const optimized = runPasses(graph, profile, options.observe);

  const places = new Map(optimized.outputs.map(({ name }) => [name, placeOf(name, training !== undefined)]));
  const lowered = lowerGraph(optimized, profile, places, training === undefined);

  const weights = weightsOf(optimized, new Set(training?.trainable ?? []));
  const arenas = arenasOf(weights, wrt, training, profile);
  const inputs = inputStorages(optimized);
  const complete = training ? appendUpdate(lowered, training, weights, arenas, profile) : lowered;
  const assembled = assemble(complete, profile, arenas, inputs);
  const plan = verifyPlan(planOf(optimized, options, assembled, weights, inputs), profile);
  checkMemory(plan, profile);
  return plan;
}

function withGradients(forward: Graph, wrt: readonly string[], remat: readonly string[]): Graph {
  const graph = differentiate(forward, { loss: 'loss', wrt });
  return remat.length === 0 ? graph : rematerialize(graph, forward.nodes.length, blocksMatching(remat));
}

/** Names of a graph's outputs: gradients, and the moved values of buffers. */
const gradientPrefix = 'grad.';
const movedPrefix = 'buffer.';

/** A training plan moves buffers where they lie; otherwise the host reads the new values. */
function placeOf(name: string, training: boolean): OutputPlace {
  if (name.startsWith(gradientPrefix)) return { name, place: 'gradients' };
  if (training && name.startsWith(movedPrefix))
    return { name: name.slice(movedPrefix.length), place: 'weights' };
  return { name, place: 'output' };
}

function weightsOf(graph: Graph, trainable: ReadonlySet<string>): WeightInfo[] {
  return graph.nodes
    .filter((node): node is NodeOf<'param'> => node.op === 'param')
    .map(({ attrs, type }) => ({
      name: attrs.name,
      shape: numericShape(type),
      kind: attrs.role,
      trainable: trainable.has(attrs.name),
    }));
}

/** Arenas of everything with a fixed place; gradients and moments mirror the order of the weights. */
function arenasOf(
  weights: readonly WeightInfo[],
  wrt: readonly string[],
  training: UpdateOptions | undefined,
  profile: DeviceProfile,
): Arenas {
  const { minStorageBufferOffsetAlignment: alignment, maxBufferSize: limit } = profile.limits;
  const ordered = arenaOrder(weights, (w) => w.shape.length >= (training?.decayMinDims ?? 0));
  const wanted = new Set(wrt);
  const lay = (list: readonly WeightInfo[], prefix = ''): ArenaLayout =>
    layOut(
      list.map((w) => ({ name: prefix + w.name, bytes: weightBytes(w) })),
      alignment,
      limit,
    );
  const trained = ordered.filter((w) => wanted.has(w.name));
  const arenas = new Map<BufferRole, ArenaLayout>([['weights', lay(ordered)]]);
  if (wrt.length > 0) arenas.set('gradients', lay(trained, 'grad.'));
  if (training) {
    arenas.set('moment1', lay(trained));
    arenas.set('moment2', lay(trained));
    arenas.set('hyper', layOut([{ name: 'hyper', bytes: 256 }], alignment, limit));
  }
  return arenas;
}

function inputStorages(graph: Graph): Storage[] {
  return graph.nodes
    .filter((node): node is NodeOf<'input'> => node.op === 'input')
    .map((node) => ({
      id: -1 - node.id,
      dtype: node.type.dtype,
      elements: sizeOf(numericShape(node.type)),
      label: `input ${node.attrs.name}`,
      place: 'input',
      name: node.attrs.name,
    }));
}

function planOf(
  graph: Graph,
  options: CompileOptions,
  assembled: Assembled,
  weights: readonly WeightInfo[],
  inputs: readonly Storage[],
): Plan {
  const slot = (
    role: BufferRole,
    key: string,
    name: string,
    dtype: Slot['dtype'],
    shape: readonly number[],
  ): Slot => ({
    name,
    dtype,
    shape,
    ...assembled.locate(role, key),
  });
  const { training, profile } = options;
  const read = graph.outputs.filter(({ name }) => placeOf(name, training !== undefined).place !== 'weights');
  const outputs = read.map(({ name, node }): Slot => {
    const { type } = graph.nodes[node]!;
    const gradient = name.startsWith(gradientPrefix);
    return slot(
      gradient ? 'gradients' : 'io',
      gradient ? name : `output ${name}`,
      name,
      type.dtype,
      numericShape(type),
    );
  });
  if (training) outputs.push(slot('io', 'output grad_norm', 'grad_norm', 'f32', []));
  const shapes = new Map(
    graph.nodes.flatMap((n) => (n.op === 'input' ? [[n.attrs.name, numericShape(n.type)]] : [])),
  );
  const steps = [...assembled.setup, ...assembled.steps];
  return {
    version: 1,
    model: options.model,
    entry: options.entry,
    batch: options.batch,
    mode: options.mode,
    precision: 'f32',
    profile: profile.name,
    requires: {
      maxBufferSize: Math.max(0, ...assembled.buffers.map((b) => b.bytes)),
      maxStorageBufferBindingSize: steps.reduce(
        (m, s) => s.bindings.reduce((n, b) => Math.max(n, b.size), m),
        0,
      ),
      maxStorageBuffersPerShaderStage: Math.max(0, ...steps.map((s) => s.bindings.length)),
      features: [],
    },
    buffers: assembled.buffers,
    weights: weights.map(
      (w): WeightSlot => ({
        ...slot('weights', w.name, w.name, 'f32', w.shape),
        kind: w.kind,
        trainable: w.trainable,
        ...(training && w.trainable
          ? { moments: { m: assembled.locate('moment1', w.name), v: assembled.locate('moment2', w.name) } }
          : {}),
      }),
    ),
    inputs: inputs.map((s) => slot('io', `input ${s.name}`, s.name!, s.dtype, shapes.get(s.name!)!)),
    outputs,
    pipelines: assembled.pipelines,
    setup: assembled.setup,
    steps: assembled.steps,
    memory: memoryTable(assembled),
    flops: assembled.steps.reduce((sum, s) => sum + s.flops, 0),
  };
}

function memoryTable({ buffers, workspace }: Assembled): MemoryTable {
  const bytes = (...roles: BufferRole[]) =>
    buffers.filter((b) => roles.includes(b.role)).reduce((sum, b) => sum + b.bytes, 0);
  return {
    weights: bytes('weights'),
    gradients: bytes('gradients'),
    optimizer: bytes('moment1', 'moment2'),
    workspace: bytes('workspace'),
    io: bytes('io', 'hyper'),
    derived: bytes('derived'),
    total: buffers.reduce((sum, b) => sum + b.bytes, 0),
    workspaceLowerBound: workspace.lowerBound,
  };
}
