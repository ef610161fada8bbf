/**
 * Running sums along an axis, of floats and integers: entry i is the sum of the entries up to and with i, or
 * from i on where `reverse`. The gradient is the sum the other way round; sums of i32 wrap around.
 */

import { sizeOf } from '../graph/types.ts';
import { perElement } from './costs.ts';
import { floats, integers } from './examples.ts';
import { defineOp } from './op.ts';
import { accept, firstOf, refuseAxes, refuseOpen } from './shapes.ts';
import { besideAxis } from './slices.ts';
import { besideAxisStrips } from './strips.ts';

declare module './attributes.ts' {
  interface OpAttributes {
    cumsum: { readonly axis: number; readonly reverse: boolean };
  }
  interface OpArities {
    cumsum: 1;
  }
}

export const cumsum = defineOp<'cumsum'>({
  name: 'cumsum',
  arity: 1,
  shape(inputs, { axis }) {
    const x = inputs[0]!;
    return firstOf(refuseAxes('sum up', x, [axis]), refuseOpen('sum up', x, axis)) ?? accept(x);
  },
  gradient(b, node, dy, wanted) {
    const { axis, reverse } = node.attrs;
    return [wanted[0] ? b.add('cumsum', [dy], { axis, reverse: !reverse }) : null];
  },
  reference([x], { axis, reverse }, shape, dtype) {
    const length = shape[axis]!;
    const inner = sizeOf(shape.slice(axis + 1));
    const data = Float64Array.from(x!.data);
    const step = reverse ? -inner : inner;
    for (let block = 0; block < data.length; block += length * inner)
      for (let lane = 0; lane < inner; lane++) {
        let at = block + lane + (reverse ? (length - 1) * inner : 0);
        for (let i = 1; i < length; i++, at += step) {
          const total = data[at + step]! + data[at]!;
          data[at + step] = dtype === 'i32' ? total | 0 : total;
        }
      }
    return { shape, data };
  },
  traits: {
    role: 'kernel',
    slices: besideAxis,
    half: 'full',
    layout: 'dense',
    behind: false,
    strips: besideAxisStrips,
  },
  language: {
    word: {
      about: 'running sums along an axis',
      shapes: '[...]',
      gradient: 'cumsum from the other end',
      source: 'torch.cumsum',
      operands: ['x'],
      settings: { axis: { kind: 'axis' }, reverse: { kind: 'bool', default: false } },
    },
  },
  examples: [
    { name: 'last axis', inputs: [floats([3, 7])], attrs: { axis: 1, reverse: false } },
    { name: 'middle axis, from the end', inputs: [floats([2, 5, 3])], attrs: { axis: 1, reverse: true } },
    { name: 'first axis', inputs: [floats([5, 3])], attrs: { axis: 0, reverse: false } },
    { name: 'integers', inputs: [integers([2, 5], 9)], attrs: { axis: 1, reverse: false } },
  ],
  cost: perElement(1),
  tolerance: { rtol: 1e-6, atol: 1e-6, perSqrtK: true },
});
