/** Maximum over axes. Equal largest values share the gradient evenly, as PyTorch's `amax`. */

import { perInputElement } from './costs.ts';
import { floats } from './examples.ts';
import { Expressions } from './expressions.ts';
import { defineOp } from './op.ts';
import {
  type Reduction,
  reduceAxes,
  reductionShape,
  reductionSlices,
  reductionStrips,
} from './reductions.ts';

declare module './attributes.ts' {
  interface OpAttributes {
    max: Reduction;
  }
}

export const max = defineOp<'max'>({
  name: 'max',
  arity: 1,
  shape: (inputs, attrs) => reductionShape('take the maximum over', inputs, attrs),
  gradient(b, node, dy, wanted) {
    if (!wanted[0]) return [null];
    const e = new Expressions(b);
    const x = node.inputs[0]!;
    const { axes } = node.attrs;
    const kept = e.shape(x).map((d, i) => (axes.includes(i) ? 1 : d));
    const largest = e.binary('equal', x, e.reshape(node.id, kept));
    const share = e.div(e.reshape(dy, kept), e.sum(largest, axes, true));
    return [e.mul(largest, share)];
  },
  reference: ([x], { axes }, shape) => reduceAxes(x!, axes, shape, Number.NEGATIVE_INFINITY, Math.max),
  traits: {
    role: 'kernel',
    slices: reductionSlices,
    half: 'full',
    layout: 'dense',
    behind: false,
    strips: reductionStrips,
  },
  language: {
    written: ([x], { axes, keep }) => `max(${x}, axis = [${axes.join(', ')}]${keep ? ', keep = true' : ''})`,
  },
  examples: [
    { name: 'last axis', inputs: [floats([2, 3, 7])], attrs: { axes: [2], keep: false } },
    { name: 'middle axis kept', inputs: [floats([2, 3, 7])], attrs: { axes: [1], keep: true } },
    { name: 'outer axes', inputs: [floats([2, 3, 7])], attrs: { axes: [0, 1], keep: false } },
    { name: 'everything', inputs: [floats([2, 3, 7])], attrs: { axes: [0, 1, 2], keep: false } },
  ],
  cost: perInputElement(1),
  tolerance: { rtol: 0, atol: 0 },
});
