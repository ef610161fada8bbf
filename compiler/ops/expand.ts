/** Explicit broadcasting: axes of length 1 repeat up to `shape`; the number of axes stays. */

import { type Dim, formatShape, type NodeOf, sameDim } from '../graph/types.ts';
import { free } from './costs.ts';
import { floats } from './examples.ts';
import { Expressions } from './expressions.ts';
import { defineOp } from './op.ts';
import { accept, refuse } from './shapes.ts';
import type { Cut } from './strips.ts';
import { broadcastTo } from './tensors.ts';

declare module './attributes.ts' {
  interface OpAttributes {
    /** Broadcast to `shape`: equal rank; axes of 1 grow. */
    expand: { readonly shape: readonly Dim[] };
  }
  interface OpArities {
    expand: 1;
  }
}

function expandStrips(cut: Cut, node: NodeOf<'expand'>): number {
  const shape = node.attrs.shape.map((n, axis) => (axis === cut.axis ? cut.length : n));
  return cut.b.add('expand', [cut.operand(node.inputs[0], shape.length)], { shape });
}

export const expand = defineOp<'expand', 'view'>({
  name: 'expand',
  arity: 1,
  shape([x], { shape }) {
    const whole = `cannot expand ${formatShape(x!.shape)} to ${formatShape(shape)}`;
    if (shape.length !== x!.shape.length)
      return refuse(`${whole}: numbers of axes differ`, { code: 'Z302', blame: [{ input: 0 }] });
    const axis = x!.shape.findIndex((d, i) => d !== 1 && !sameDim(d, shape[i]!));
    if (axis < 0) return accept({ dtype: x!.dtype, shape });
    return refuse(`${whole}: axis ${axis} is not 1`, { blame: [{ input: 0, axis, dim: x!.shape[axis]! }] });
  },
  gradient(b, node, dy, wanted) {
    const e = new Expressions(b);
    return [wanted[0] ? e.sumTo(dy, e.shape(node.inputs[0])) : null];
  },
  reference: ([x], _attrs, shape) => broadcastTo(x, shape),
  traits: { role: 'view', strips: expandStrips },
  language: { written: ([x], { shape }) => `expand(${x}, shape = ${formatShape(shape)})` },
  examples: [{ name: 'two axes', inputs: [floats([1, 3, 1])], attrs: { shape: [2, 3, 5] } }],
  cost: free,
  tolerance: { rtol: 0, atol: 0 },
});
