/**
 * Operations on tensors larger than a binding may be: which can be done slice by slice along their first axis, and how.
 *
 * Most operations treat the samples of a batch alike, so a slice of the result needs the same slice of some inputs. Those
 * that sum over the batch (weights' gradients) give a partial result for each slice, joined in order at the end. A slice
 * is bound as a window of its storage, so nothing is copied and the model's text says nothing of it.
 */
import { type Node, numericShape, type TensorType } from '../graph/types.ts';
import type { OpName } from '../ops/attributes.ts';
import { elementwiseOps } from '../ops/map-program.ts';
import type { View } from './view.ts';

export interface Split {
  /** Inputs (by position) of which a slice along axis 0 is needed; the others are needed whole. */
  readonly sliced: readonly number[];
  /** How partial results are joined, before an epilogue; without it a slice of the result is made. */
  readonly join?: 'sum' | 'mean' | 'max';
}

/** Ops that treat every entry of their result's first axis alike, given inputs of the same rank. */
const samplewise = new Set<OpName>([
  ...elementwiseOps,
  'map',
  'cast',
  'mask_future',
  'softmax',
  'softmax_grad',
  'log_softmax',
  'log_softmax_grad',
  'layer_norm',
  'layer_norm_grad',
  'l2_normalize',
  'l2_normalize_grad',
  'conv2d',
  'conv2d_grad_input',
  'avg_pool',
  'avg_pool_grad',
  'attention',
  'attention_lse',
  'attention_grad_q',
  'attention_grad_k',
  'attention_grad_v',
  'constant',
]);

/** Sums over the samples. */
const summing = new Set<OpName>(['layer_norm_grad_weight', 'conv2d_grad_weight', 'embedding_grad']);

/** Inputs whose first axis is the result's: of its length, and of as many axes (attention's statistics have one less). */
function alike(node: Node, inputs: readonly TensorType[]): number[] {
  const [length] = node.type.shape;
  const filters = node.op === 'conv2d' || node.op === 'conv2d_grad_input' ? [1] : [];
  const least = node.op.startsWith('attention') ? 3 : node.type.shape.length;
  return inputs.flatMap(({ shape }, i) =>
    shape.length >= least && shape[0] === length && length !== 1 && !filters.includes(i) ? [i] : [],
  );
}

function splitMatmul(
  node: Node & { readonly op: 'matmul' },
  inputs: readonly TensorType[],
): Split | undefined {
  const { transposeA } = node.attrs;
  const rank = node.type.shape.length;
  const extras = alike(node, inputs).filter((i) => i >= 2);
  const [a, b] = inputs as [TensorType, TensorType];
  if (rank > 2) {
    const batched = [a, b].flatMap(({ shape }, i) => (shape.length === rank && shape[0] !== 1 ? [i] : []));
    return { sliced: [...batched, ...extras] };
  }
  if (!transposeA) return { sliced: [0, ...extras] };
  // K is the first axis of a; of b too, unless that is transposed.
  return node.attrs.transposeB ? undefined : { sliced: [0, 1], join: 'sum' };
}

/** How a node can be done in slices, or undefined where it cannot. */
export function splitOf(node: Node, inputs: readonly TensorType[]): Split | undefined {
  const all = inputs.map((_, i) => i);
  if (samplewise.has(node.op)) return { sliced: alike(node, inputs) };
  if (summing.has(node.op)) return { sliced: [0, 1], join: 'sum' };
  switch (node.op) {
    case 'matmul':
      return splitMatmul(node, inputs);
    case 'sum':
    case 'mean':
    case 'max':
      return node.attrs.axes.includes(0) ? { sliced: [0], join: node.op } : { sliced: [0] };
    case 'argmax':
    case 'take':
    case 'take_grad':
      return node.attrs.axis === 0 ? undefined : { sliced: all };
    case 'embedding':
      return { sliced: [1] };
    case 'pad':
      return node.attrs.before[0] === 0 && node.attrs.after[0] === 0 ? { sliced: [0] } : undefined;
    default:
      return undefined;
  }
}

/** A product without its epilogue; any other node as it is. */
export function bareOf(node: Node): Node {
  if (node.op !== 'matmul') return node;
  const { epilogue: _, ...attrs } = node.attrs;
  return { ...node, inputs: node.inputs.slice(0, 2), attrs };
}

/** The smallest number of equal parts of `length` that is at least `wanted`. */
export function equalParts(length: number, wanted: number): number {
  let parts = Math.min(length, wanted);
  while (length % parts !== 0) parts++;
  return parts;
}

/** The node as one part sees it: its first axis `length` long, where it makes a slice of the result. */
export function partOf(node: Node, length: number | undefined): Node {
  if (length === undefined) return node;
  const shape = [length, ...numericShape(node.type).slice(1)];
  const type = { ...node.type, shape };
  const attrs = 'shape' in node.attrs ? { ...node.attrs, shape } : node.attrs;
  return { ...node, type, attrs } as Node;
}

/** One of `count` equal slices along the first axis. */
export interface Part {
  readonly index: number;
  readonly count: number;
  /** Nodes of which only the slice is seen. */
  readonly sliced: ReadonlySet<number>;
  /** All inputs of the node. */
  readonly inputs: readonly number[];
  /** Operands needed whole are left to the kernel's own windows. */
  readonly ownWindows: boolean;
  /** The whole result, once the first part has allocated it, or partial results [count, ...] that are joined at the end. */
  readonly results: { whole?: View; readonly partial?: View };
}

/** One of `count` equal slices of a view along an axis. */
export function slicePart(view: View, { index, count }: Pick<Part, 'index' | 'count'>, axis = 0): View {
  const length = view.shape[axis]! / count;
  return {
    ...view,
    shape: view.shape.map((n, a) => (a === axis ? length : n)),
    offset: view.offset + index * length * view.strides[axis]!,
  };
}

/** The axis over which a view's elements lie furthest apart; -1 for a single element. */
export function furthestAxis({ shape, strides }: View): number {
  const reach = shape.map((n, axis) => (n - 1) * strides[axis]!);
  const most = Math.max(0, ...reach);
  return most === 0 ? -1 : reach.indexOf(most);
}
