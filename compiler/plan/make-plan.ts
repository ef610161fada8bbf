/**
 * From lowered kernels to a verified plan: arenas of weights, gradients and moments, slots by name, the
 * memory table.
 */
import type { Graph, NodeOf, VerifiedGraph } from '../graph/types.ts';
import { gradientPrefix, numericShape, sizeOf } from '../graph/types.ts';
import type { Lowered } from '../kernels/lowering/lower.ts';
import { extensionFeature } from '../kernels/text/kernel.ts';
import { extensionsOf } from '../kernels/text/memory.ts';
import type { Storage, Storages } from '../kernels/text/view.ts';
import { initialScale, lossScaleInput, scalerElements, scalerName } from '../kernels/update/loss-scale.ts';
import { rateOf } from '../optimizers.ts';
import type { DeviceProfile } from '../profile.ts';
import { scalerSlots } from '../slots.ts';
import { type Arenas, type Assembled, assemble } from './assemble.ts';
import { checkMemory } from './fit.ts';
import { type ArenaLayout, arenaOrder, layOut, type Place, type WeightInfo, weightBytes } from './layout.ts';
import { memoryTable } from './memory.ts';
import { passingWeights, type Staging, stageWeights, stagingLayout } from './staged.ts';
import {
  type BufferRole,
  type Plan,
  type PlanSection,
  type ScalerInfo,
  type Slot,
  sectionsAt,
  type VerifiedPlan,
  type WeightSlot,
} from './types.ts';
import { appendUpdate, keptPlaces, type UpdateOptions, updatedParts } from './update.ts';
import { verifyPlan } from './verify.ts';

/** A result that the host reads, and where it lies. */
export interface ResultPlace {
  readonly name: string;
  readonly role: 'io' | 'gradients';
  readonly dtype: Slot['dtype'];
  readonly shape: readonly number[];
}

interface PlanRequest {
  readonly identity: Pick<Plan, 'model' | 'entry' | 'batch' | 'mode'> & {
    readonly chunk?: number;
    readonly precision?: Plan['precision'];
  };
  readonly share?: Plan['share'];
  readonly profile: DeviceProfile;
  /** All graphs of the plan: weights and host inputs are theirs. */
  readonly graphs: readonly VerifiedGraph[];
  readonly lowered: Lowered;
  /** Where the storages of `lowered` came from. */
  readonly storages: Storages;
  /** Weights with a gradient. */
  readonly wrt: readonly string[];
  readonly training?: UpdateOptions;
  readonly results: readonly ResultPlace[];
  /** Inputs of a graph that the plan itself writes; the host writes the others. */
  readonly inner?: ReadonlySet<string>;
  /** Tensors of the whole batch, among the inner inputs. */
  readonly features?: readonly { readonly name: string; readonly bytes: number }[];
  /** Told what the plan's `setup` and steps are made of, in their order. */
  readonly inspect?: ((lowered: Lowered) => void) | undefined;
  /** Cuts the steps, once everything has its place. */
  readonly sections?: (assembled: Assembled) => readonly PlanSection[];
  /** What some of them are there for. */
  readonly texts?: Plan['texts'];
}

/** @throws DiagnosticError Z604, Z605 where the device cannot hold it */
export function makePlan(request: PlanRequest): VerifiedPlan {
  const { profile, training, lowered, graphs, storages } = request;
  const weights = weightsOf(graphs, new Set(training?.trainable ?? []));
  const fixed = training === undefined;
  const staging = fixed ? stageWeights(lowered, weights) : { weights, setup: lowered.setup, groups: [] };
  const arenas = arenasOf(staging, request);
  const outside = new Set([lossScaleInput, ...(request.features ?? []).map((f) => f.name)]);
  const inputs = inputStorages(graphs, storages).filter((s) => !outside.has(s.name!));
  const complete = training
    ? appendUpdate(lowered, training, weights, arenas, profile, storages)
    : { ...lowered, setup: staging.setup };
  request.inspect?.(complete);
  const assembled = assemble(complete, profile, arenas, inputs);
  const features = featuresOf(complete);
  const plan = verifyPlan(planOf(request, assembled, staging, features), profile);
  checkMemory(plan, profile);
  return plan;
}

/** The weights that graphs read, each once. */
function weightsOf(graphs: readonly Graph[], trainable: ReadonlySet<string>): WeightInfo[] {
  const found = new Map<string, WeightInfo>();
  for (const { attrs, type } of leavesOf(graphs, 'param'))
    found.set(attrs.name, {
      name: attrs.name,
      shape: numericShape(type),
      kind: attrs.role,
      trainable: trainable.has(attrs.name),
    });
  return [...found.values()];
}

/** Leaves of a kind, each name once, in order of first use. */
function leavesOf<K extends 'param' | 'input'>(graphs: readonly Graph[], op: K): NodeOf<K>[] {
  const found = new Map<string, NodeOf<K>>();
  for (const graph of graphs)
    for (const node of graph.nodes)
      if (node.op === op && !found.has(node.attrs.name)) found.set(node.attrs.name, node as NodeOf<K>);
  return [...found.values()];
}

/** Arenas of everything with a fixed place; gradients and moments mirror the order of the weights. */
function arenasOf(staging: Staging, request: PlanRequest): Arenas {
  const { weights } = staging;
  const { profile, training, wrt, features = [] } = request;
  const { minStorageBufferOffsetAlignment, maxBufferSize: limit } = profile.limits;
  const mixed = training?.lossScale !== undefined;
  // A weight's half lies at half its offset, which has to be aligned as well.
  const alignment = minStorageBufferOffsetAlignment * (mixed ? 2 : 1);
  const ordered = training ? arenaOrder(weights, (w) => rateOf(training, w)) : weights;
  const wanted = new Set(wrt);
  const lay = (list: readonly Pick<WeightInfo, 'name' | 'shape'>[], prefix = ''): ArenaLayout =>
    layOut(
      list.map((w) => ({ name: prefix + w.name, bytes: weightBytes(w) })),
      alignment,
      limit,
    );
  const trained = ordered.filter((w) => wanted.has(w.name));
  const ownArena = (role: BufferRole): ArenaLayout => {
    const all = lay(trained).parts.reduce((a, b) => a + b, 0) / 4;
    const { elements } = updatedParts(training!, all, profile);
    return layOut([{ name: role, bytes: 4 * elements }], alignment, limit);
  };
  const passing = passingWeights(staging);
  const arenas = new Map<BufferRole, ArenaLayout>([
    ['weights', lay(ordered.filter(({ name }) => !passing.has(name)))],
  ]);
  const staged = stagingLayout(staging, alignment, limit);
  if (staged !== undefined) arenas.set('staging', staged);
  if (wrt.length > 0) arenas.set('gradients', lay([...trained, ...unread(weights, request)], gradientPrefix));
  if (training) {
    for (const { role } of keptPlaces(training))
      arenas.set(role, training.shard === undefined ? lay(trained) : ownArena(role));
    arenas.set('hyper', layOut([{ name: 'hyper', bytes: 256 }], alignment, limit));
  }
  if (mixed) {
    arenas.set('halves', halved(arenas.get('weights')!));
    arenas.set('scaler', layOut([{ name: scalerName, bytes: 4 * scalerElements }], alignment, limit));
  }
  if (features.length > 0) arenas.set('features', layOut(features, alignment, limit));
  return arenas;
}

/** Weights with a gradient that no graph reads: zeros that the host may read lie behind the others. */
function unread(
  weights: readonly WeightInfo[],
  { results }: PlanRequest,
): Pick<WeightInfo, 'name' | 'shape'>[] {
  const read = new Set(weights.map((w) => gradientPrefix + w.name));
  return results
    .filter(({ name, role }) => role === 'gradients' && !read.has(name))
    .map(({ name, shape }) => ({ name: name.slice(gradientPrefix.length), shape }));
}

/** The same layout in half the bytes. */
function halved({ places, parts }: ArenaLayout): ArenaLayout {
  const half = ([name, { part, offset, bytes }]: [string, Place]): [string, Place] => [
    name,
    { part, offset: offset / 2, bytes: bytes / 2 },
  ];
  return { places: new Map([...places].map(half)), parts: parts.map((bytes) => bytes / 2) };
}

/**
 * What the optimizer keeps of each trainable weight, weight by weight; where ranks divide it, by its place in the
 * arena.
 */
function keptSlots(training: UpdateOptions, weights: readonly WeightInfo[], { locate }: Assembled): Slot[] {
  const places = keptPlaces(training);
  const place = (role: BufferRole, name: string) =>
    training.shard === undefined
      ? locate(role, name)
      : { buffer: locate(role, role).buffer, offset: locate('gradients', gradientPrefix + name).offset };
  return weights
    .filter((w) => w.trainable)
    .flatMap(({ name, shape }) =>
      places.map(
        ({ prefix, role }): Slot => ({ name: prefix + name, dtype: 'f32', shape, ...place(role, name) }),
      ),
    );
}

function keptOf(
  { profile }: PlanRequest,
  training: UpdateOptions,
  weights: readonly WeightInfo[],
  assembled: Assembled,
): Pick<Plan, 'optimizer' | 'shard'> {
  const kept = keptSlots(training, weights, assembled);
  if (training.shard === undefined) return { optimizer: kept };
  const elements = assembled.buffers.find((b) => b.role === 'gradients')!.bytes / 4;
  return { shard: { part: updatedParts(training, elements, profile).part!, kept } };
}

function scalerOf(lossScale: 'dynamic' | number, { locate }: Assembled): ScalerInfo {
  return {
    name: scalerName,
    dtype: 'f32',
    shape: [scalerSlots.length],
    ...locate('scaler', scalerName),
    initial: lossScale === 'dynamic' ? initialScale : lossScale,
  };
}

function inputStorages(graphs: readonly Graph[], storages: Storages): Storage[] {
  return leavesOf(graphs, 'input').map(({ attrs, type }) =>
    storages.make({
      dtype: type.dtype,
      elements: sizeOf(numericShape(type)),
      label: `input ${attrs.name}`,
      place: 'input',
      name: attrs.name,
    }),
  );
}

function planOf(
  request: PlanRequest,
  assembled: Assembled,
  staging: Staging,
  features: readonly string[],
): Plan {
  const { weights, groups } = staging;
  const passing = passingWeights(staging);
  const { training, profile, graphs, inner, share, texts } = request;
  const { model, entry, batch, mode, chunk, precision = 'f32' } = request.identity;
  const outputs = request.results.map(({ name, role, dtype, shape }): Slot => {
    const key = role === 'gradients' ? name : `output ${name}`;
    return { name, dtype, shape, ...assembled.locate(role, key) };
  });
  const sections = request.sections?.(assembled);
  return {
    version: 1,
    model,
    entry,
    batch,
    ...(chunk === undefined ? {} : { chunk }),
    ...(share === undefined ? {} : { share }),
    mode,
    precision,
    profile: profile.name,
    requires: { ...limitsOf(assembled), features },
    buffers: assembled.buffers,
    weights: weights.map(
      (w): WeightSlot => ({
        name: w.name,
        dtype: 'f32',
        shape: w.shape,
        ...assembled.locate(passing.has(w.name) ? 'staging' : 'weights', w.name),
        kind: w.kind,
        trainable: w.trainable,
      }),
    ),
    ...(training === undefined ? {} : keptOf(request, training, weights, assembled)),
    ...(training?.lossScale === undefined ? {} : { scaler: scalerOf(training.lossScale, assembled) }),
    inputs: leavesOf(graphs, 'input')
      .filter(({ attrs }) => attrs.name !== lossScaleInput && !inner?.has(attrs.name))
      .map(({ attrs, type }) => ({
        name: attrs.name,
        dtype: type.dtype,
        shape: numericShape(type),
        ...assembled.locate('io', `input ${attrs.name}`),
        ...(attrs.table ? { table: true } : {}),
        ...(attrs.ids === undefined ? {} : { ids: attrs.ids }),
      })),
    outputs,
    pipelines: assembled.pipelines,
    setup: assembled.setup,
    ...(groups.length === 0 ? {} : { staged: groups }),
    steps: assembled.steps,
    ...(sections === undefined ? {} : { sections }),
    ...(texts === undefined ? {} : { texts }),
    memory: memoryTable(assembled.buffers, assembled.workspace.lowerBound),
    flops: flopsOf(assembled, sections && sectionsAt({ sections, texts })),
  };
}

function limitsOf({ buffers, setup, steps }: Assembled): Omit<Plan['requires'], 'features'> {
  const all = [...setup, ...steps];
  return {
    maxBufferSize: Math.max(0, ...buffers.map((b) => b.bytes)),
    maxStorageBufferBindingSize: all.reduce((m, s) => s.bindings.reduce((n, b) => Math.max(n, b.size), m), 0),
    maxStorageBuffersPerShaderStage: all.reduce((m, s) => Math.max(m, s.bindings.length), 0),
  };
}

/** What a device must offer for the WGSL extensions of the kernels. */
function featuresOf({ setup, kernels }: Lowered): string[] {
  const extensions = [...setup, ...kernels].flatMap(extensionsOf);
  return [...new Set(extensions)].sort().map(extensionFeature);
}

/** Of one run, or of one training step with all its repetitions and the longest texts. */
function flopsOf({ steps }: Assembled, sections: readonly PlanSection[] | undefined): number {
  const sum = (from: number, to: number) => steps.slice(from, to).reduce((n, s) => n + s.flops, 0);
  if (sections === undefined) return sum(0, steps.length);
  return sections.reduce((n, s) => n + s.repeat * sum(s.first, s.end), 0);
}
