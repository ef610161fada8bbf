/**
 * Views: ops whose result is their first input's memory, seen otherwise; and which sum and which product see the same value.
 */

import type { OpName } from '../ops/attributes.ts';
import { opsOf } from '../ops/index.ts';
import { type Graph, type NodeOf, nodeAt, numericShape } from './types.ts';

export const viewOps: ReadonlySet<OpName> = new Set<OpName>(opsOf('view'));

/** The node whose memory a chain of views shows. */
export function rootOf(graph: Graph, id: number): number {
  const { op, inputs } = nodeAt(graph, id);
  return viewOps.has(op) ? rootOf(graph, inputs[0]) : id;
}

/** The value that a chain of reshapes shows, element for element. */
function unshaped(graph: Graph, id: number): number {
  const node = nodeAt(graph, id);
  return node.op === 'reshape' ? unshaped(graph, node.inputs[0]) : id;
}

/** The value whose rows a product sums over, whatever its shape, where there is one for all of the result. */
export function summedOperand(graph: Graph, { inputs, attrs }: NodeOf<'matmul'>): number | undefined {
  const flat = inputs.slice(0, 2).every((id) => nodeAt(graph, id).type.shape.length === 2);
  return attrs.transposeA && !attrs.normalise && flat ? unshaped(graph, inputs[0]!) : undefined;
}

/** The value of which a node is the sum over all axes but the last, where it is one of floats. */
export function summedRows(graph: Graph, { inputs, attrs, type }: NodeOf<'sum'>): number | undefined {
  const { shape } = nodeAt(graph, inputs[0]).type;
  const leading = shape.slice(0, -1).map((_, axis) => axis);
  const rows = leading.length > 0 && !attrs.keep && attrs.axes.join() === leading.join();
  return rows && type.dtype !== 'i32' ? unshaped(graph, inputs[0]) : undefined;
}

/** Whether a sum is that of the columns of a product's transposed left operand. */
export function sumsLeft(graph: Graph, sum: NodeOf<'sum'>, product: NodeOf<'matmul'>): boolean {
  const value = summedOperand(graph, product);
  if (value === undefined || summedRows(graph, sum) !== value) return false;
  const width = (id: number) => numericShape(nodeAt(graph, id).type).at(-1);
  return width(sum.inputs[0]) === width(product.inputs[0]!);
}
