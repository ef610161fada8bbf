/** Sum over axes; of i32 it wraps around, as their sums do everywhere. */

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
    sum: Reduction;
  }
  interface OpArities {
    sum: 1;
  }
}

export const sum = defineOp<'sum'>({
  name: 'sum',
  arity: 1,
  shape: (inputs, attrs) => reductionShape('sum', inputs, attrs),
  gradient(b, node, dy, wanted) {
    if (!wanted[0]) return [null];
    const e = new Expressions(b);
    return [e.unreduce(dy, node.attrs.axes, e.shape(node.inputs[0]))];
  },
  reference: ([x], { axes }, shape, dtype) =>
    reduceAxes(x, axes, shape, 0, dtype === 'i32' ? (a, v) => (a + v) | 0 : (a, v) => a + v),
  traits: reductionTraits,
  language: writtenReduction('sum'),
  examples: reductionExamples,
  cost: perInputElement(1),
  tolerance: { rtol: 1e-6, atol: 2e-6, perSqrtK: true },
});
