/**
 * What a fuzzer compiles and compares: a graph with a scalar output `loss`, and how it is to be compiled.
 *
 * Plain data, so that the shrinker can take it apart. Values of leaves follow from their names alone (see `feedsOf`), so a graph keeps
 * its numbers while other nodes are removed.
 */
import type { Precision } from '../../../compiler/compile.ts';
import { builderFrom } from '../../../compiler/graph/create-builder.ts';
import { idRange } from '../../../compiler/graph/index-ranges.ts';
import { type Graph, numericShape, sizeOf } from '../../../compiler/graph/types.ts';
import { hashOf } from '../../../compiler/model/values/randomness.ts';
import type { RefTensor } from '../../../compiler/ops/op.ts';
import { randomInput, randomKeys } from '../../../compiler/ops/philox.ts';
import { randomNumbers } from '../../support/random.ts';

interface Chunk {
  readonly graph: Graph;
  readonly batch: number;
  readonly size: number;
  /** Elements of a matrix of pairs from which the loss is computed in strips. */
  readonly strips?: number;
}

export interface FuzzCase {
  /** `graph 17`: what to ask for to see it again. */
  readonly name: string;
  readonly graph: Graph;
  /** Words of the language that a program says itself. */
  readonly words?: readonly string[];
  /** Weights whose gradients are compared; the others are frozen. */
  readonly wrt: readonly string[];
  readonly precision: Precision;
  /** Patterns of block paths that are computed again in the backward pass. */
  readonly remat: readonly string[];
  /** One run with its results, or a training step, whose gradients are read. */
  readonly training: boolean;
  readonly deviation: Deviation;
  /** Trained chunk by chunk: the same loss for `size` of the `batch` pairs. In precision f32 alone. */
  readonly chunk?: Chunk;
}

/** Weights that a graph reads, or one of its outputs. */
export function weightsOf(graph: Graph, output?: string): string[] {
  const read =
    output === undefined ? graph : builderFrom(graph).finish(graph.outputs.filter((o) => o.name === output));
  return read.nodes.flatMap((n) => (n.op === 'param' && n.attrs.role === 'param' ? [n.attrs.name] : []));
}

/** How a case deviates from the defaults of a kind of schedules. */
export interface Deviation {
  /** Draws a schedule for every kernel that has a choice, as if it had been measured to be the best; by this number. */
  readonly schedules?: number;
  /** Bytes of the largest binding: larger values are done in parts. */
  readonly binding?: number;
}

export interface CaseFeeds {
  readonly inputs: ReadonlyMap<string, RefTensor>;
  readonly params: ReadonlyMap<string, RefTensor>;
}

/** What the values of a float leaf look like: by the first word of its name, or as weights of models are called. */
function rangeOf(name: string, shape: readonly number[]): readonly [low: number, high: number] {
  const word = /^[a-z]*/.exec(name)![0];
  if (word === 'gain') return [0.7, 1.3];
  // As far from 0 as a variance or a divisor should be.
  if (word === 'positive' || name.endsWith('running_var')) return [0.5, 1.5];
  if (word !== 'matrix' && (/^(x|free|bias)/.test(word) || shape.length < 2)) return [-1, 1];
  // Products keep the size of what they multiply.
  const reach = 1.7 * (sizeOf(shape) / shape[0]!) ** -0.5;
  return [-reach, reach];
}

/** Values for every leaf: floats that f32 holds exactly, integers that are rows of every table they are looked up in. */
export function feedsOf(graph: Graph): CaseFeeds {
  const inputs = new Map<string, RefTensor>();
  const params = new Map<string, RefTensor>();
  for (const node of graph.nodes) {
    if (node.op !== 'input' && node.op !== 'param') continue;
    const { name } = node.attrs;
    const shape = numericShape(node.type);
    const size = sizeOf(shape);
    const ids = node.type.dtype === 'i32' ? Math.min(1000, (idRange(graph, name)?.max ?? 999) + 1) : 0;
    const random = randomNumbers(hashOf(name));
    const [low, high] = rangeOf(name, shape);
    if (name === randomInput) {
      // Whatever the chunks, a row is its sample's, and has the step's own key as all others have.
      inputs.set(name, { shape, data: Float64Array.from(randomKeys(hashOf(name), 3, 0, shape[0]!)) });
      continue;
    }
    const data = Float64Array.from({ length: size }, () =>
      node.type.dtype === 'i32' ? Math.floor(random() * ids) : Math.fround(low + (high - low) * random()),
    );
    (node.op === 'input' ? inputs : params).set(name, { shape, data });
  }
  return { inputs, params };
}
