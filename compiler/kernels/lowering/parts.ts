/**
 * Operations on tensors larger than a binding may be, slice by slice along their first axis as each op's
 * traits say.
 *
 * A slice is bound as a window of its storage, so nothing is copied and the model's text says nothing of it.
 * Partial results of sums over the batch are joined in order at the end.
 */
import { type Node, type NodeOf, numericShape, type TensorType } from '../../graph/types.ts';
import { type KernelNode, type KernelOp, kernelTraits } from '../../ops/index.ts';
import type { Split } from '../../ops/traits.ts';
import type { Slice } from '../text/slices.ts';
import type { View } from '../text/view.ts';

/** How a node can be done in slices, or undefined where it cannot. */
export function splitOf<K extends KernelOp>(
  node: NodeOf<K>,
  inputs: readonly TensorType[],
): Split | undefined {
  return kernelTraits(node.op).slices(node, inputs);
}

/** A product without its epilogue; any other node as it is. */
export function bareOf(node: KernelNode): KernelNode {
  if (node.op !== 'matmul') return node;
  const { epilogue: _, ...attrs } = node.attrs;
  const [a, b] = node.inputs;
  return { ...node, inputs: [a, b], attrs };
}

/** The node as one part sees it: its first axis `length` long, where it makes a slice of the result. */
export function partOf<N extends Node>(node: N, length: number | undefined): N {
  if (length === undefined) return node;
  const shape = [length, ...numericShape(node.type).slice(1)];
  const type = { ...node.type, shape };
  const attrs = 'shape' in node.attrs ? { ...node.attrs, shape } : node.attrs;
  return { ...node, type, attrs };
}

/** One of `count` equal slices along the first axis. */
export interface Part extends Slice {
  /** Nodes of which only the slice is seen. */
  readonly sliced: ReadonlySet<number>;
  /** Numbers of operands that are sliced values needed whole as well, and the nodes that they are. */
  readonly aliases: ReadonlyMap<number, number>;
  /** All inputs of the node, by number. */
  readonly inputs: readonly number[];
  /** Operands needed whole are left to the kernel's own windows. */
  readonly ownWindows: boolean;
  /**
   * The whole result, once the first part has allocated it, or partial results [count, ...] that are joined
   * at the end.
   */
  readonly results: { whole?: View; readonly partial?: View };
}
