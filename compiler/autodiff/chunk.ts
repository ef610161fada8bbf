/**
 * Training on batches larger than memory: the cut of a loss at `gather(...)` (Gao et al. 2021, "GradCache").
 *
 * Encoders run chunk by chunk without keeping activations; the loss runs once over the features of all chunks and gives their
 * gradients; then each chunk is encoded again and the gradients of its features go on into the weights. Gradients of
 * weights are linear in those of the features, so this is the gradient of the whole batch, up to the order of sums.
 * Everything before the cut is traced for one chunk, everything behind it for the whole batch.
 */
import { fail } from '../../grammar/diagnostics.ts';
import { builderFrom, createBuilder } from '../graph/create-builder.ts';
import { type Graph, gradientPrefix, movedPrefix, type NodeOf, type Output } from '../graph/types.ts';
import { Expressions } from '../ops/expressions.ts';
import { differentiate, type GradientScale } from './differentiate.ts';
import { type RegionOf, rematerialize } from './rematerialize.ts';
import { stripElements, stripOf, tileRows } from './tile-rows.ts';

/** Names of the tensors at the cut: one feature of a chunk, the same of all chunks, and their gradients. */
export const cutNames = {
  feature: (i: number) => `feature ${i}`,
  gathered: (i: number) => `gathered ${i}`,
  gatheredGradient: (i: number) => `${gradientPrefix}gathered ${i}`,
  seed: (i: number) => `seed ${i}`,
} as const;

/** One training step as three graphs; all their gradients of weights are to be summed. */
export interface ChunkedGraphs {
  /** How many tensors cross the cut. */
  readonly cuts: number;
  /** A chunk's inputs to its features. */
  readonly encode: Graph;
  /** All features to `loss`, their gradients, and gradients of weights behind the cut. */
  readonly loss: Graph;
  /**
   * A chunk's inputs and its features' gradients to gradients of weights before the cut and moved buffers. Absent where
   * nothing before the cut is trained or moves.
   */
  readonly backward?: Graph;
}

export interface ChunkOptions {
  readonly trainable: readonly string[];
  /** Blocks whose activations are computed again within the second pass. */
  readonly remat?: RegionOf;
  /** Elements from which the loss is computed in strips. */
  readonly strips?: number;
  /** What all gradients are multiplied by. */
  readonly scale?: GradientScale;
}

/**
 * Cuts a step.
 * @param whole the loss of the whole batch
 * @param chunk the same loss traced for one chunk
 * @throws DiagnosticError Z614 where features reach the loss past `gather`
 */
export function cutAtGather(whole: Graph, chunk: Graph, options: ChunkOptions): ChunkedGraphs {
  const features = gathersOf(chunk).map((n) => n.inputs[0]!);
  const encode = builderFrom(chunk).finish(
    features.map((node, i): Output => ({ name: cutNames.feature(i), node })),
  );
  if (features.length === 0 || encode.nodes.some((n) => n.op === 'all_gather')) ungathered();
  const loss = lossOf(whole, features.length, options);
  const backward = backwardOf(chunk, features, options);
  return {
    cuts: features.length,
    encode,
    loss,
    ...(backward === undefined ? {} : { backward }),
  };
}

function gathersOf(graph: Graph): NodeOf<'all_gather'>[] {
  return graph.nodes.filter((n): n is NodeOf<'all_gather'> => n.op === 'all_gather');
}

function ungathered(): never {
  fail(
    'Z614',
    'the objective cannot be computed in chunks: it uses features of the batch before they are gathered',
    'write gather(out.image) wherever the objective uses a feature, or leave chunk out',
  );
}

/** Everything behind the cut, over inputs that hold the features of all chunks, with gradients. */
function lossOf(
  whole: Graph,
  cuts: number,
  { trainable, strips = stripElements, scale = 1 }: ChunkOptions,
): Graph {
  const b = createBuilder();
  const renamed: number[] = [];
  let found = 0;
  for (const node of whole.nodes) {
    if (node.op === 'all_gather') {
      const { dtype, shape } = node.type;
      renamed.push(b.add('input', [], { name: cutNames.gathered(found++), dtype, shape }, node.origin));
    } else {
      const inputs = node.inputs.map((id) => renamed[id]!);
      renamed.push(b.add(node.op, inputs, node.attrs, node.origin));
    }
  }
  const loss = whole.outputs.filter((o) => o.name === 'loss');
  const forward = tileRows(b.finish(loss.map(({ name, node }) => ({ name, node: renamed[node]! }))), strips);
  const gathered = Array.from({ length: cuts }, (_, i) => cutNames.gathered(i));
  const fed = forward.nodes.flatMap((n) => (n.op === 'input' ? [n.attrs.name] : []));
  if (fed.some((name) => !gathered.includes(name))) ungathered();
  const wrt = [...weightsIn(forward, trainable), ...gathered.filter((name) => fed.includes(name))];
  const graph = differentiate(forward, { loss: 'loss', wrt, scale });
  return rematerialize(graph, forward.nodes.length, stripOf);
}

/**
 * The vector-Jacobian product of the encoders: the gradient of sum(features * seeds), whose own value nobody wants.
 */
function backwardOf(
  chunk: Graph,
  features: readonly number[],
  { trainable, remat }: ChunkOptions,
): Graph | undefined {
  const b = builderFrom(chunk);
  const e = new Expressions(b);
  const products = features.map((feature, i) => {
    const { dtype, shape } = b.type(feature);
    const seed = b.add('input', [], { name: cutNames.seed(i), dtype, shape });
    return e.sum(
      e.mul(feature, seed),
      shape.map((_, axis) => axis),
    );
  });
  const moves = chunk.outputs.filter((o) => o.name.startsWith(movedPrefix));
  const node = products.reduce((sum, product) => e.add(sum, product));
  const forward = b.finish([{ name: 'loss', node }, ...moves]);
  const wrt = weightsIn(forward, trainable);
  if (wrt.length === 0 && moves.length === 0) return undefined;
  const graph = differentiate(forward, { loss: 'loss', wrt });
  const again = remat === undefined ? graph : rematerialize(graph, forward.nodes.length, remat);
  return builderFrom(again).finish(again.outputs.filter((o) => o.name !== 'loss'));
}

/** The trained weights that a graph reads. */
function weightsIn(graph: Graph, trainable: readonly string[]): string[] {
  const read = new Set(graph.nodes.flatMap((n) => (n.op === 'param' ? [n.attrs.name] : [])));
  return trainable.filter((name) => read.has(name));
}
