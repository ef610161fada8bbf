/** Values that are one number everywhere: what gradients and passes need not compute. */
import type { Node } from './types.ts';

/** The number that a node holds in every element, seen through views; undefined where it is no constant. */
export function constantValue(node: (id: number) => Node, id: number): number | undefined {
  const n = node(id);
  if (n.op === 'constant') return n.attrs.value;
  if (n.op === 'reshape' || n.op === 'expand' || n.op === 'transpose' || n.op === 'slice') {
    return constantValue(node, n.inputs[0]);
  }
  return undefined;
}
