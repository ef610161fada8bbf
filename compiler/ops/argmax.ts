/**
 * Index of the largest value along one axis, the first of equal ones; works on integers too (the end-of-text
 * token).
 */

import { type NodeOf, sizeOf } from '../graph/types.ts';
import { perInputElement } from './costs.ts';
import { floats } from './examples.ts';
import { axesBut } from './language.ts';
import { defineOp } from './op.ts';
import { accept, reducedShape, refuseAxes } from './shapes.ts';
import { besideAxis } from './slices.ts';
import type { Cut } from './strips.ts';

declare module './attributes.ts' {
  interface OpAttributes {
    /** i32; the first of equal values; the axis is dropped. */
    argmax: { readonly axis: number };
  }
  interface OpArities {
    argmax: 1;
  }
}

function argmaxStrips(cut: Cut, { inputs, attrs }: NodeOf<'argmax'>): number {
  return cut.b.add('argmax', [cut.strip(inputs[0], cut.axis < attrs.axis ? cut.axis : cut.axis + 1)], attrs);
}

export const argmax = defineOp<'argmax'>({
  name: 'argmax',
  arity: 1,
  shape([x], { axis }) {
    const refusal = refuseAxes('take the argmax over', x!, [axis]);
    return refusal ?? accept({ dtype: 'i32', shape: reducedShape(x!.shape, [axis], false) });
  },
  gradient: () => [null],
  reference([x], { axis }, shape) {
    const length = x!.shape[axis]!;
    const inner = sizeOf(x!.shape.slice(axis + 1));
    const data = new Float64Array(sizeOf(shape));
    for (let at = 0; at < data.length; at++) {
      const start = Math.floor(at / inner) * length * inner + (at % inner);
      let best = 0;
      for (let i = 1; i < length; i++) {
        if (x!.data[start + i * inner]! > x!.data[start + best * inner]!) best = i;
      }
      data[at] = best;
    }
    return { shape, data };
  },
  traits: {
    role: 'kernel',
    slices: besideAxis,
    half: 'full',
    layout: 'dense',
    behind: false,
    strips: argmaxStrips,
  },
  language: {
    word: {
      about: 'position of the largest entry',
      shapes: '[...] without the axis, i32',
      gradient: 'none',
      source: 'torch.argmax',
      operands: ['x'],
      settings: { axis: { kind: 'axis', default: -1 } },
      sources: ([x], { axis }) => axesBut(x!, axis),
    },
  },
  examples: [
    { name: 'last axis', inputs: [floats([2, 3, 7])], attrs: { axis: 2 } },
    { name: 'first axis', inputs: [floats([3, 7])], attrs: { axis: 0 } },
  ],
  cost: perInputElement(1),
  tolerance: { rtol: 0, atol: 0 },
});
