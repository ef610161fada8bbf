/** Sum over axes. */

import { perInputElement } from './costs.ts';
import { floats } from './examples.ts';
import { Expressions } from './expressions.ts';
import { defineOp } from './op.ts';
import {
  type Reduction,
  reduceAxes,
  reductionShape,
  reductionSlices,
  reductionSources,
  reductionStrips,
} from './reductions.ts';

declare module './attributes.ts' {
  interface OpAttributes {
    sum: Reduction;
  }
}

export const sum = defineOp<'sum'>({
  name: 'sum',
  arity: 1,
  shape: (inputs, attrs) => reductionShape('sum', inputs, attrs),
  gradient(b, node, dy, wanted) {
    if (!wanted[0]) return [null];
    const e = new Expressions(b);
    return [e.unreduce(dy, node.attrs.axes, e.shape(node.inputs[0]!))];
  },
  reference: ([x], { axes }, shape) => reduceAxes(x!, axes, shape, 0, (a, v) => a + v),
  traits: {
    role: 'kernel',
    slices: reductionSlices,
    half: 'full',
    layout: 'dense',
    behind: false,
    strips: reductionStrips,
  },
  language: {
    word: {
      about: 'sum over axes',
      operands: ['x'],
      settings: { axes: { as: 'axis', kind: 'axes' }, keep: { kind: 'bool', default: false } },
      idle: ({ axes }) => axes.length === 0,
      sources: reductionSources,
    },
  },
  examples: [
    { name: 'last axis', inputs: [floats([2, 3, 7])], attrs: { axes: [2], keep: false } },
    { name: 'middle axis kept', inputs: [floats([2, 3, 7])], attrs: { axes: [1], keep: true } },
    { name: 'outer axes', inputs: [floats([2, 3, 7])], attrs: { axes: [0, 1], keep: false } },
    { name: 'everything', inputs: [floats([2, 3, 7])], attrs: { axes: [0, 1, 2], keep: false } },
  ],
  cost: perInputElement(1),
  tolerance: { rtol: 1e-6, atol: 2e-6, perSqrtK: true },
});
