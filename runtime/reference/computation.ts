/**
 * What one training step computes before the update, in f64: loss, gradients of weights, moved buffers.
 *
 * Whole batches run one graph; chunked ones run the three graphs of the cut as a device
 * does, chunk after chunk.
 */
import { type ChunkedGraphs, cutNames } from '../../compiler/autodiff/chunk.ts';
import { differentiate } from '../../compiler/autodiff/differentiate.ts';
import { lengthsOf, type TextLengths } from '../../compiler/compile.ts';
import { executeAmong, executeReference } from '../../compiler/graph/reference.ts';
import { type Graph, gradientPrefix, movedPrefix, numericShape } from '../../compiler/graph/types.ts';
import type { RefTensor } from '../../compiler/ops/op.ts';
import { randomInput, randomKeys } from '../../compiler/ops/philox.ts';
import type { Batch } from '../data/types.ts';
import { bytesOf, type Collective, single } from '../dist/collective.ts';
import { movedBuffers } from '../train/counters.ts';
import { lengthOf } from '../train/lengths.ts';
import { rowsOf } from '../train/session.ts';
import type { RandomStep } from '../train/types.ts';

/** A weight as the reference needs to know it. */
export interface ReferenceWeight {
  readonly name: string;
  readonly kind: 'param' | 'buffer';
  readonly shape: readonly number[];
}

type Tensors = Map<string, RefTensor>;

/** Gives `loss`, `grad.<weight>` and `buffer.<name>` of a batch, on several ranks of that of all of them. */
export type StepComputation = (
  batch: Batch,
  params: ReadonlyMap<string, RefTensor>,
  random: RandomStep,
) => Promise<Tensors>;

function toReference(shape: readonly number[], data: ArrayLike<number>): RefTensor {
  return { shape, data: Float64Array.from(data) };
}

interface Feed {
  readonly batch: Batch;
  readonly random: RandomStep;
  /** Samples that the batch holds, and the number of the first of these. */
  readonly size: number;
  readonly heldFrom: number;
  /** Samples that are fed, and the number of the first of these. */
  readonly rows: number;
  readonly first: number;
}

/** What a graph takes of the batch, and its random keys; other inputs come from `more`. */
function feeds(graph: Graph, feed: Feed, more: Tensors = new Map()): Tensors {
  const { batch, random, size, heldFrom, rows, first } = feed;
  const fed: Tensors = new Map();
  for (const { op, attrs, type } of graph.nodes) {
    if (op !== 'input') continue;
    const { name } = attrs;
    const shape = numericShape(type);
    const hostOf = () =>
      name === randomInput
        ? randomKeys(random.seed, random.step, first, shape[0]!)
        : rowsOf(batch.inputs.get(name)!, attrs, { batch: size, rows }, (first - heldFrom) / rows);
    fed.set(name, more.get(name) ?? toReference(shape, hostOf()));
  }
  return fed;
}

/**
 * @param graph entry `loss` of the whole batch, without gradients
 * @param texts the same for shorter texts
 */
export function wholeBatch(
  graph: Graph,
  trained: readonly ReferenceWeight[],
  texts?: TextLengths,
): StepComputation {
  const gradientsOf = (loss: Graph) => differentiate(loss, { loss: 'loss', wrt: trained });
  const differentiated = [graph, ...(texts?.shorter ?? [])].map(gradientsOf);
  const whole = { size: 1, heldFrom: 0, rows: 1, first: 0 };
  return async (batch, params, random) => {
    const feed = { batch, random, ...whole };
    const own = differentiated[lengthIndex(texts, feed)]!;
    return executeReference(own, { inputs: feeds(own, feed), params });
  };
}

/** Which graph is for what is fed, in the order of `lengthsOf`. */
function lengthIndex(texts: TextLengths | undefined, feed: Feed): number {
  if (texts === undefined) return 0;
  const { batch, size, rows, first, heldFrom } = feed;
  const part = (first - heldFrom) / rows;
  const length = lengthOf(texts.texts, (name) =>
    rowsOf(batch.inputs.get(name)!, {}, { batch: size, rows }, part),
  );
  return lengthsOf(texts).indexOf(length);
}

/**
 * @param sizes pairs in a batch and in a chunk
 * @param group whose ranks divide the chunks; each is given its own rows of a batch
 */
export function chunkByChunk(
  { cuts, loss, others, ...longest }: ChunkedGraphs,
  sizes: { readonly batch: number; readonly chunk: number },
  trained: readonly ReferenceWeight[],
  group: Collective = single,
  texts?: TextLengths,
): StepComputation {
  const encoders = [longest, ...others];
  const indices = Array.from({ length: cuts }, (_, i) => i);
  const held = sizes.batch / group.size;
  const ownFirst = held * group.rank;
  return async (batch, given, random) => {
    const params = new Map(given);
    const chunks = Array.from({ length: held / sizes.chunk }, (_, c): Feed => {
      const place = { batch, size: held, heldFrom: ownFirst };
      return { ...place, random, rows: sizes.chunk, first: ownFirst + c * sizes.chunk };
    });
    const own = chunks.map((chunk) => encoders[lengthIndex(texts, chunk)]!);
    const features = chunks.map((chunk, c) => {
      const { encode } = own[c]!;
      return executeReference(encode, { inputs: feeds(encode, chunk), params });
    });
    const gathered: Tensors = new Map();
    for (const i of indices) {
      const stack = stacked(features.map((f) => f.get(cutNames.feature(i))!));
      gathered.set(
        cutNames.gathered(i),
        await ofAllRanks(group, `the features of step ${random.step}`, stack),
      );
    }
    // Behind the cut stand only tables, which are whole everywhere.
    const whole = { size: sizes.batch, rows: sizes.batch, first: 0, heldFrom: 0 };
    const results = await executeAmong(
      loss,
      { inputs: feeds(loss, { ...whole, batch, random }, gathered), params },
      (value) => ofAllRanks(group, `the loss of step ${random.step}`, partOf(value, group)),
    );
    const sums: Tensors = new Map(trained.map(({ name, shape }) => [gradientPrefix + name, zeros(shape)]));
    // Every rank has the gradients of what stands behind the features: they count once.
    if (group.rank === 0) addAll(sums, results);
    for (const [c, chunk] of chunks.entries()) {
      const { backward } = own[c]!;
      if (backward === undefined) continue;
      const seeds: Tensors = new Map(
        indices.map((i) => {
          const { shape } = features[c]!.get(cutNames.feature(i))!;
          return [
            cutNames.seed(i),
            featureRows(results.get(cutNames.gatheredGradient(i)), shape, chunk.first / sizes.chunk),
          ];
        }),
      );
      const outputs = executeReference(backward, { inputs: feeds(backward, chunk, seeds), params });
      addAll(sums, outputs);
      for (const name of movedBuffers(backward)) {
        params.set(name, outputs.get(movedPrefix + name)!);
        sums.set(movedPrefix + name, outputs.get(movedPrefix + name)!);
      }
    }
    await addUp(group, `the gradients of step ${random.step}`, sums);
    // The loss, and what else the objective reports.
    for (const [name, value] of results) if (!name.startsWith(gradientPrefix)) sums.set(name, value);
    return sums;
  };
}

function zeros(shape: readonly number[]): RefTensor {
  return toReference(shape, new Float64Array(shape.reduce((a, b) => a * b, 1)));
}

/** Adds the gradients that `to` knows. */
function addAll(to: ReadonlyMap<string, RefTensor>, from: ReadonlyMap<string, RefTensor>): void {
  for (const [name, { data }] of to) {
    const more = name.startsWith(gradientPrefix) ? from.get(name)?.data : undefined;
    more?.forEach((x, i) => {
      data[i]! += x;
    });
  }
}

/** Tensors of equal shape one below the other. */
function stacked(parts: readonly RefTensor[]): RefTensor {
  const [first, ...rest] = parts[0]!.shape as [number, ...number[]];
  return toReference(
    [first * parts.length, ...rest],
    parts.flatMap((p) => [...p.data]),
  );
}

/** The rows of this rank. */
function partOf({ shape, data }: RefTensor, { rank, size }: Collective): RefTensor {
  const [rows, ...rest] = shape as [number, ...number[]];
  const own = data.length / size;
  return { shape: [rows / size, ...rest], data: data.slice(rank * own, (rank + 1) * own) };
}

/** The rows of all ranks, by rank. */
async function ofAllRanks(group: Collective, what: string, own: RefTensor): Promise<RefTensor> {
  if (group.size === 1) return own;
  const [rows, ...rest] = own.shape as [number, ...number[]];
  const data = new Float64Array(own.data.length * group.size);
  await group.allGather(what, bytesOf(own.data), bytesOf(data));
  return { shape: [rows * group.size, ...rest], data };
}

/** Adds up the gradients of all ranks, in their order. */
async function addUp(group: Collective, what: string, gradients: Tensors): Promise<void> {
  if (group.size === 1) return;
  for (const [name, { data }] of gradients) {
    if (!name.startsWith(gradientPrefix)) continue;
    const all = new Float64Array(data.length * group.size);
    await group.allGather(what, bytesOf(data), bytesOf(all));
    for (let i = 0; i < data.length; i++) {
      data[i] = 0;
      for (let rank = 0; rank < group.size; rank++) data[i]! += all[rank * data.length + i]!;
    }
  }
}

/** Rows of chunk number `c`; zeros where the loss has no gradient. */
function featureRows(whole: RefTensor | undefined, shape: readonly number[], c: number): RefTensor {
  if (whole === undefined) return zeros(shape);
  const size = shape.reduce((a, b) => a * b, 1);
  return { shape, data: whole.data.slice(c * size, (c + 1) * size) };
}
