/**
 * The order of the entries of each row: the positions of the smallest, the second smallest, and so on along
 * the last axis, or from the largest on. Equal entries stay in the order of their positions; -0 and 0 are
 * equal, and NaN counts as larger than every number, as in PyTorch.
 */

import { formatShape } from '../graph/types.ts';
import { elements, traffic } from './costs.ts';
import { floats, integers } from './examples.ts';
import { defineOp } from './op.ts';
import { accept, refuse, refuseOpen } from './shapes.ts';
import { besideLastAxis } from './slices.ts';
import { rowStrips } from './strips.ts';
import { rowsOf } from './tensors.ts';

declare module './attributes.ts' {
  interface OpAttributes {
    /** [..., n] -> i32 [..., n] */
    argsort: { readonly descending: boolean };
  }
  interface OpArities {
    argsort: 1;
  }
}

/** -1, 0 or 1; NaN is larger than every number, and equal to itself. */
function compare(a: number, b: number): number {
  if (Number.isNaN(a) || Number.isNaN(b)) return Number(Number.isNaN(a)) - Number(Number.isNaN(b));
  return a < b ? -1 : a > b ? 1 : 0;
}

/** The positions of a row's entries in order. */
function sortedPositions(row: Float64Array, descending: boolean): number[] {
  const sign = descending ? -1 : 1;
  return Array.from(row, (_, i) => i).sort((i, j) => sign * compare(row[i]!, row[j]!));
}

export const argsort = defineOp<'argsort'>({
  name: 'argsort',
  arity: 1,
  shape([x]) {
    const { shape } = x!;
    if (shape.length === 0)
      return refuse(`argsort needs an axis [..., W], got ${formatShape(shape)}`, {
        code: 'Z302',
        blame: [{ input: 0 }],
      });
    return refuseOpen('sort', x!, shape.length - 1) ?? accept({ dtype: 'i32', shape });
  },
  gradient: () => [null],
  reference([x], { descending }, shape) {
    const { rows, width } = rowsOf(shape);
    const data = new Float64Array(rows * width);
    for (let start = 0; start < data.length; start += width)
      data.set(sortedPositions(x!.data.subarray(start, start + width), descending), start);
    return { shape, data };
  },
  traits: {
    role: 'kernel',
    slices: besideLastAxis,
    half: 'full',
    layout: 'dense',
    behind: false,
    strips: rowStrips,
  },
  language: {
    word: {
      about: 'positions of the entries of a row in order',
      shapes: '[..., n], i32',
      gradient: 'none',
      source: 'torch.argsort, stable',
      operands: ['x'],
      settings: { descending: { kind: 'bool', default: false } },
    },
  },
  examples: [
    { name: 'ascending', inputs: [floats([3, 7])], attrs: { descending: false } },
    { name: 'descending', inputs: [floats([2, 3, 7])], attrs: { descending: true } },
    { name: 'integers with ties', inputs: [integers([2, 9], 4)], attrs: { descending: false } },
    { name: 'integers with ties, descending', inputs: [integers([9], 4)], attrs: { descending: true } },
  ],
  // A sort looks at every entry some times.
  cost: (inputs, _attrs, result) => ({ flops: 16 * elements(inputs[0]!), bytes: traffic(inputs, result) }),
  tolerance: { rtol: 0, atol: 0 },
});
