/**
 * What one training step computes before the update, in f64: loss, gradients of weights, moved buffers.
 *
 * Whole batches run one graph; chunked ones run the three graphs of the cut as a device
 * does, chunk after chunk.
 */
import { type ChunkedGraphs, cutNames } from '../../compiler/autodiff/chunk.ts';
import { differentiate } from '../../compiler/autodiff/differentiate.ts';
import { executeReference } from '../../compiler/graph/reference.ts';
import { type Graph, gradientPrefix, movedPrefix, numericShape } from '../../compiler/graph/types.ts';
import type { RefTensor } from '../../compiler/ops/op.ts';
import { randomInput, randomKeys } from '../../compiler/ops/philox.ts';
import type { Batch } from '../data/types.ts';
import { movedBuffers } from '../train/counters.ts';
import { rowsOf } from '../train/session.ts';
import type { RandomStep } from '../train/types.ts';

/** A weight as the reference needs to know it. */
export interface ReferenceWeight {
  readonly name: string;
  readonly kind: 'param' | 'buffer';
  readonly shape: readonly number[];
}

type Tensors = Map<string, RefTensor>;

/** Gives `loss`, `grad.<weight>` and `buffer.<name>` of a batch. */
export type StepComputation = (
  batch: Batch,
  params: ReadonlyMap<string, RefTensor>,
  random: RandomStep,
) => Tensors;

function toReference(shape: readonly number[], data: ArrayLike<number>): RefTensor {
  return { shape, data: Float64Array.from(data) };
}

interface Feed {
  readonly batch: Batch;
  readonly random: RandomStep;
  /** Samples in the whole batch and in what is fed, and the number of the first of these. */
  readonly size: number;
  readonly rows: number;
  readonly first: number;
}

/** What a graph takes of the batch, and its random keys; other inputs come from `more`. */
function feeds(graph: Graph, feed: Feed, more: Tensors = new Map()): Tensors {
  const { batch, random, size, rows, first } = feed;
  const fed: Tensors = new Map();
  for (const { op, attrs, type } of graph.nodes) {
    if (op !== 'input') continue;
    const { name } = attrs;
    const shape = numericShape(type);
    const hostOf = () =>
      name === randomInput
        ? randomKeys(random.seed, random.step, first, shape[0]!)
        : rowsOf(batch.inputs.get(name)!, attrs, { batch: size, rows }, first / rows);
    fed.set(name, more.get(name) ?? toReference(shape, hostOf()));
  }
  return fed;
}

/** @param graph entry `loss` of the whole batch, without gradients */
export function wholeBatch(graph: Graph, trained: readonly ReferenceWeight[]): StepComputation {
  const differentiated = differentiate(graph, { loss: 'loss', wrt: trained });
  const whole = { size: 1, rows: 1, first: 0 };
  return (batch, params, random) =>
    executeReference(differentiated, { inputs: feeds(differentiated, { batch, random, ...whole }), params });
}

/** @param sizes pairs in a batch and in a chunk */
export function chunkByChunk(
  { cuts, encode, loss, backward }: ChunkedGraphs,
  sizes: { readonly batch: number; readonly chunk: number },
  trained: readonly ReferenceWeight[],
): StepComputation {
  const indices = Array.from({ length: cuts }, (_, i) => i);
  return (batch, given, random) => {
    const params = new Map(given);
    const chunks = Array.from({ length: sizes.batch / sizes.chunk }, (_, c): Feed => {
      return { batch, random, size: sizes.batch, rows: sizes.chunk, first: c * sizes.chunk };
    });
    const features = chunks.map((chunk) =>
      executeReference(encode, { inputs: feeds(encode, chunk), params }),
    );
    const gathered: Tensors = new Map(
      indices.map((i) => [cutNames.gathered(i), stacked(features.map((f) => f.get(cutNames.feature(i))!))]),
    );
    const results = executeReference(loss, {
      inputs: feeds(loss, { batch, random, size: sizes.batch, rows: sizes.batch, first: 0 }, gathered),
      params,
    });
    const sums: Tensors = new Map(trained.map(({ name, shape }) => [gradientPrefix + name, zeros(shape)]));
    addAll(sums, results);
    for (const [c, chunk] of backward === undefined ? [] : chunks.entries()) {
      const seeds: Tensors = new Map(
        indices.map((i) => {
          const { shape } = features[c]!.get(cutNames.feature(i))!;
          return [cutNames.seed(i), featureRows(results.get(cutNames.gatheredGradient(i)), shape, c)];
        }),
      );
      const outputs = executeReference(backward!, { inputs: feeds(backward!, chunk, seeds), params });
      addAll(sums, outputs);
      for (const name of movedBuffers(backward!)) {
        params.set(name, outputs.get(movedPrefix + name)!);
        sums.set(movedPrefix + name, outputs.get(movedPrefix + name)!);
      }
    }
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

/** Rows of chunk number `c`; zeros where the loss has no gradient. */
function featureRows(whole: RefTensor | undefined, shape: readonly number[], c: number): RefTensor {
  if (whole === undefined) return zeros(shape);
  const size = shape.reduce((a, b) => a * b, 1);
  return { shape, data: whole.data.slice(c * size, (c + 1) * size) };
}
