/** Maximum over axes. Equal largest values share the gradient evenly, as PyTorch's `amax`. */

import type { Builder } from '../graph/builder.ts';
import type { Node, NodeOf } from '../graph/types.ts';
import { perInputElement } from './costs.ts';
import { Expressions } from './expressions.ts';
import { defineOp } from './op.ts';
import {
  type Reduction,
  reduceAxes,
  reductionExamples,
  reductionShape,
  reductionTraits,
  writtenReduction,
} from './reductions.ts';

declare module './attributes.ts' {
  interface OpAttributes {
    max: Reduction;
  }
  interface OpArities {
    max: 1;
  }
}

/** An extreme over axes: its gradient looks for the result among the operand's entries, to the bit. */
export function isExtreme(node: Node): node is NodeOf<'max'> | NodeOf<'min'> {
  return node.op === 'max' || node.op === 'min';
}

/** The gradient of an extreme over axes: dy in equal parts where x is the extreme. */
export function sharedAmongEqual(b: Builder, node: NodeOf<'max' | 'min'>, dy: number): number {
  const e = new Expressions(b);
  const x = node.inputs[0]!;
  const { axes } = node.attrs;
  const kept = e.shape(x).map((d, i) => (axes.includes(i) ? 1 : d));
  const extreme = e.binary('equal', x, e.reshape(node.id, kept));
  const share = e.div(e.reshape(dy, kept), e.sum(extreme, axes, true));
  return e.mul(extreme, share);
}

export const max = defineOp<'max'>({
  name: 'max',
  arity: 1,
  shape: (inputs, attrs) => reductionShape('take the maximum over', inputs, attrs),
  gradient: (b, node, dy, wanted) => [wanted[0] ? sharedAmongEqual(b, node, dy) : null],
  reference: ([x], { axes }, shape) => reduceAxes(x, axes, shape, Number.NEGATIVE_INFINITY, Math.max),
  traits: reductionTraits,
  language: writtenReduction('max'),
  examples: reductionExamples,
  cost: perInputElement(1),
  tolerance: { rtol: 0, atol: 0 },
});
