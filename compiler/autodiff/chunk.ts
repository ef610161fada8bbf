/**
 * Training on batches larger than memory: the cut of a loss at `gather(...)` (Gao et al. 2021, "GradCache").
 *
 * Encoders run chunk by chunk without keeping activations; the loss runs once over the features of all chunks
 * and gives their gradients; then each chunk is encoded again and the gradients of its features go on into
 * the weights. Gradients of weights are linear in those of the features, so this is the gradient of the whole
 * batch, up to the order of sums. Everything before the cut is traced for one chunk, everything behind it for
 * the whole batch.
 */
import { fail } from '../../grammar/diagnostics.ts';
import { builderFrom, createBuilder, stepOf } from '../graph/create-builder.ts';
import {
  type Dim,
  type Graph,
  gradientPrefix,
  isNumber,
  movedPrefix,
  type NodeOf,
  type Output,
  sameShape,
} from '../graph/types.ts';
import { Expressions } from '../ops/expressions.ts';
import { isFloat } from '../ops/shapes.ts';
import type { Share } from '../shards.ts';
import { differentiate, type GradientScale } from './differentiate.ts';
import { type RegionOf, rematerialize } from './rematerialize.ts';
import { largeValues, shareRows, writeOutSoftmax } from './share-rows.ts';
import { stripElements, stripOf, tileRows } from './tile-rows.ts';

const gatheredGradients = `${gradientPrefix}gathered `;

/** Names of the tensors at the cut: one feature of a chunk, the same of all chunks, and their gradients. */
export const cutNames = {
  feature: (i: number) => `feature ${i}`,
  gathered: (i: number) => `gathered ${i}`,
  gatheredGradient: (i: number) => `${gatheredGradients}${i}`,
  seed: (i: number) => `seed ${i}`,
} as const;

/** One training step as three graphs; all their gradients of weights are to be summed. */
export interface ChunkedGraphs {
  /** How many tensors cross the cut. */
  readonly cuts: number;
  /**
   * Which of them have a gradient that goes on: the loss reads them and trained weights stand behind them.
   * The others (features of a frozen encoder, counts of tokens) cross forwards only.
   */
  readonly trained: ReadonlySet<number>;
  /** A chunk's inputs to its features. */
  readonly encode: Graph;
  /** All features to `loss`, their gradients, and gradients of weights behind the cut. */
  readonly loss: Graph;
  /** `loss` gives gradients of a rank's own features, and computes its rows alone of what is large. */
  readonly shared: boolean;
  /**
   * A chunk's inputs and its features' gradients to gradients of weights before the cut and moved buffers.
   * Absent where nothing before the cut is trained or moves.
   */
  readonly backward?: Graph;
  /** `encode` and `backward` of other graphs of a chunk, in their order. */
  readonly others: readonly Encoders[];
}

type Encoders = Pick<ChunkedGraphs, 'encode' | 'backward'>;

interface ChunkOptions {
  readonly trainable: readonly string[];
  /** Blocks whose activations are computed again within the second pass. */
  readonly remat?: RegionOf;
  /** Elements from which the loss is computed in strips. */
  readonly strips?: number;
  /** What all gradients are multiplied by. */
  readonly scale?: GradientScale;
  /** The rank whose rows of the loss are computed, of several. */
  readonly share?: Share;
}

/**
 * Cuts a step.
 * @param wholeLoss that of the whole batch
 * @param chunkLoss the same loss traced for one chunk
 * @param others what gives the same for some chunks: its encoders are in `others` of the result
 * @throws DiagnosticError Z614 where features reach the loss past `gather`
 */
export function cutAtGather(
  wholeLoss: Graph,
  chunkLoss: Graph,
  options: ChunkOptions,
  others: readonly Graph[] = [],
): ChunkedGraphs {
  const [whole, chunk] = [stepOf(wholeLoss), stepOf(chunkLoss)];
  const gathers = gathersOf(chunk);
  const features = gathers.map((n) => n.inputs[0]);
  const encode = encodeOf(chunk);
  if (features.length === 0 || encode.nodes.some((n) => n.op === 'all_gather')) ungathered([]);
  gathersOf(whole).forEach((n, i) => {
    checkRows(n, gathers[i]!, rowsOf(whole) / rowsOf(chunk));
  });
  const forward = lossOf(whole);
  const read = inputsOf(forward);
  // A table is the same in every chunk.
  const tables = new Set(
    forward.nodes.flatMap((n) => (n.op === 'input' && n.attrs.table ? [n.attrs.name] : [])),
  );
  const gathered = new Set(features.map((_, i) => cutNames.gathered(i)));
  const past = [...read].filter((name) => !gathered.has(name) && !tables.has(name));
  if (past.length > 0) ungathered(past);
  const backwards = (graph: Graph): Pick<Encoders, 'backward'> => {
    const gradients = backwardOf(
      graph,
      gathersOf(graph).map(({ inputs: [node] }, i) => (read.has(cutNames.gathered(i)) ? node : undefined)),
      options,
    );
    return gradients === undefined ? {} : { backward: gradients };
  };
  const { backward } = backwards(chunk);
  const seeds = backward === undefined ? new Set() : inputsOf(backward);
  const trained = new Set(features.flatMap((_, i) => (seeds.has(cutNames.seed(i)) ? [i] : [])));
  const wrt = [...weightsIn(forward, options.trainable), ...[...trained].map(cutNames.gathered)];
  const shared = sharedLoss(forward, lossOf(chunk), wrt, { ...options, pairs: rowsOf(whole) });
  return {
    cuts: features.length,
    trained,
    encode,
    loss: shared ?? lossByStrips(forward, wrt, options),
    shared: shared !== undefined,
    ...(backward === undefined ? {} : { backward }),
    others: others.map((graph) => ({ encode: encodeOf(graph), ...backwards(graph) })),
  };
}

function encodeOf(chunk: Graph): Graph {
  const features = gathersOf(chunk).map((n) => n.inputs[0]);
  return builderFrom(chunk).finish(features.map((node, i): Output => ({ name: cutNames.feature(i), node })));
}

function gathersOf(graph: Graph): NodeOf<'all_gather'>[] {
  return graph.nodes.filter((n): n is NodeOf<'all_gather'> => n.op === 'all_gather');
}

/** @param inputs what reaches the loss past `gather`, as far as that is known */
function ungathered(inputs: readonly string[]): never {
  const through = inputs.length === 0 ? '' : ` (what depends on \`${inputs.join('`, `')}\`)`;
  fail(
    'Z614',
    `the objective cannot be computed in chunks: it uses values of the batch before they are gathered${through}`,
    'write gather(...) around each value of the batch that the objective uses (a feature, a label, a term of each sample), or leave chunk out',
  );
}

/** The names of a graph's inputs. */
function inputsOf(graph: Graph): Set<string> {
  return new Set(graph.nodes.flatMap((n) => (n.op === 'input' ? [n.attrs.name] : [])));
}

/** The rows of every input but tables: samples in a batch, or in a chunk. */
function rowsOf(graph: Graph): number {
  return Number(graph.nodes.find((n) => n.op === 'input' && !n.attrs.table)?.type.shape[0]);
}

/** What is gathered has a row for each pair: only then are the chunks, one below the other, the whole. */
function checkRows(whole: NodeOf<'all_gather'>, chunk: NodeOf<'all_gather'>, repeat: number): void {
  const [rows, ...rest] = chunk.type.shape as [Dim, ...Dim[]];
  if (sameShape(whole.type.shape, [Number(rows) * repeat, ...rest])) return;
  fail(
    'Z614',
    'the objective cannot be computed in chunks: it gathers a value whose rows are not those of the batch',
    'gather values [B, E], or leave chunk out',
  );
}

/** Everything behind the cut, over inputs that hold the features of all chunks: their loss and its terms. */
function lossOf(whole: Graph): Graph {
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
  const numbers = whole.outputs.filter((o) => isNumber(whole, o));
  return b.finish(numbers.map(({ name, node }) => ({ name, node: renamed[node]! })));
}

/** The loss with its gradients, large values strip by strip. */
function lossByStrips(
  forward: Graph,
  wrt: readonly string[],
  { strips = stripElements, scale = 1 }: ChunkOptions,
): Graph {
  const tiled = tileRows(forward, strips);
  const graph = differentiate(tiled, { loss: 'loss', wrt, scale });
  return rematerialize(graph, tiled.nodes.length, stripOf);
}

/** The same as one of several ranks computes it, where it can be shared. @param smaller that of a chunk */
function sharedLoss(
  forward: Graph,
  smaller: Graph,
  wrt: readonly string[],
  { pairs, strips = stripElements, scale = 1, share }: ChunkOptions & { readonly pairs: number },
): Graph | undefined {
  if (share === undefined || share.ranks === 1) return undefined;
  for (const strict of [false, true]) {
    const size = { pairs, strict };
    const large = largeValues(forward, smaller, size);
    const differentiated = (loss: Graph) =>
      differentiate(writeOutSoftmax(loss, large), { loss: 'loss', wrt, scale });
    const graph = differentiated(forward);
    const names = graph.outputs.map((o) => o.name);
    const shared = shareRows(graph, {
      ...share,
      large: largeValues(graph, differentiated(smaller), size),
      limit: strips,
      own: new Set(names.filter((name) => name.startsWith(gatheredGradients))),
    });
    if (shared !== undefined) return shared;
  }
  return undefined;
}

/**
 * The vector-Jacobian product of the encoders: the gradient of sum(features * seeds), whose own value nobody
 * wants.
 * @param features undefined where the loss does not read the value
 */
function backwardOf(
  chunk: Graph,
  features: readonly (number | undefined)[],
  { trainable, remat }: ChunkOptions,
): Graph | undefined {
  const b = builderFrom(chunk);
  const e = new Expressions(b);
  const products = features.flatMap((feature, i) => {
    if (feature === undefined || !isFloat(b.type(feature))) return [];
    const { dtype, shape } = b.type(feature);
    const seed = b.add('input', [], { name: cutNames.seed(i), dtype, shape });
    const axes = shape.map((_, axis) => axis);
    return [e.sum(e.mul(feature, seed), axes)];
  });
  const moves = chunk.outputs.filter((o) => o.name.startsWith(movedPrefix));
  const [first, ...others] = products;
  const objective =
    first === undefined
      ? []
      : [{ name: 'loss', node: others.reduce((sum, product) => e.add(sum, product), first) }];
  const forward = b.finish([...objective, ...moves]);
  const wrt = weightsIn(b.finish(objective), trainable);
  if (wrt.length === 0) return moves.length === 0 ? undefined : b.finish(moves);
  const graph = differentiate(forward, { loss: 'loss', wrt });
  const again = remat === undefined ? graph : rematerialize(graph, forward.nodes.length, remat);
  return builderFrom(again).finish(again.outputs.filter((o) => o.name !== 'loss'));
}

/** The trained weights that a graph reads. */
function weightsIn(graph: Graph, trainable: readonly string[]): string[] {
  const read = new Set(graph.nodes.flatMap((n) => (n.op === 'param' ? [n.attrs.name] : [])));
  return trainable.filter((name) => read.has(name));
}
