/** The entries of an axis in reverse order, of floats and integers. Its own gradient. */

import { sizeOf } from '../graph/types.ts';
import { perElement } from './costs.ts';
import { floats, integers } from './examples.ts';
import { defineOp } from './op.ts';
import { accept, firstOf, refuseAxes, refuseOpen } from './shapes.ts';
import { besideAxis } from './slices.ts';
import { besideAxisStrips } from './strips.ts';

declare module './attributes.ts' {
  interface OpAttributes {
    flip: { readonly axis: number };
  }
  interface OpArities {
    flip: 1;
  }
}

export const flip = defineOp<'flip'>({
  name: 'flip',
  arity: 1,
  shape(inputs, { axis }) {
    const x = inputs[0]!;
    return firstOf(refuseAxes('flip', x, [axis]), refuseOpen('flip', x, axis)) ?? accept(x);
  },
  gradient: (b, node, dy, wanted) => [wanted[0] ? b.add('flip', [dy], node.attrs) : null],
  reference([x], { axis }, shape) {
    const length = shape[axis]!;
    const inner = sizeOf(shape.slice(axis + 1));
    const data = new Float64Array(sizeOf(shape));
    for (let start = 0; start < data.length; start += inner) {
      const along = (start / inner) % length;
      const from = start + (length - 1 - 2 * along) * inner;
      data.set(x!.data.subarray(from, from + inner), start);
    }
    return { shape, data };
  },
  traits: {
    role: 'kernel',
    slices: besideAxis,
    half: 'activation',
    layout: 'dense',
    behind: false,
    strips: besideAxisStrips,
  },
  language: {
    word: {
      about: 'the entries of an axis in reverse order',
      shapes: '[...]',
      gradient: 'flip',
      source: 'torch.flip',
      operands: ['x'],
      settings: { axis: { kind: 'axis' } },
    },
  },
  examples: [
    { name: 'last axis', inputs: [floats([3, 5])], attrs: { axis: 1 } },
    { name: 'middle axis', inputs: [floats([2, 3, 4])], attrs: { axis: 1 } },
    { name: 'first axis', inputs: [floats([3, 5])], attrs: { axis: 0 } },
    { name: 'integers', inputs: [integers([2, 5], 9)], attrs: { axis: 1 } },
  ],
  cost: perElement(0),
  tolerance: { rtol: 0, atol: 0 },
});
