/**
 * Conversion between element types. The reference computes in f64 throughout: only conversion to integers
 * changes a value (truncation towards zero, as WGSL converts).
 */

import type { DType } from '../graph/types.ts';
import { perElement } from './costs.ts';
import { floats, integers } from './examples.ts';
import { defineOp } from './op.ts';
import { accept, isFloat } from './shapes.ts';
import { samplewise } from './slices.ts';
import { elementwiseStrips } from './strips.ts';

declare module './attributes.ts' {
  interface OpAttributes {
    cast: { readonly to: DType };
  }
  interface OpArities {
    cast: 1;
  }
}

export const cast = defineOp<'cast'>({
  name: 'cast',
  arity: 1,
  shape: ([x], { to }) => accept({ dtype: to, shape: x!.shape }),
  gradient(b, node, dy, wanted) {
    const from = b.type(node.inputs[0]);
    if (!wanted[0] || !isFloat(from) || !isFloat(node.type)) return [null];
    return [b.add('cast', [dy], { to: from.dtype })];
  },
  reference: ([x], { to }, shape) => ({ shape, data: to === 'i32' ? x.data.map(Math.trunc) : x.data }),
  traits: {
    role: 'kernel',
    slices: samplewise(),
    // Integers as floats: halves hold no odd one above 2048. What mixed precision reads as f16 it casts itself.
    half: 'full',
    layout: 'dense',
    behind: false,
    strips: elementwiseStrips,
  },
  language: {
    written: ([x], { to }, [from]) => (to === 'f32' && !isFloat(from!) ? `float(${x})` : undefined),
  },
  examples: [
    { name: 'integers to f32', inputs: [integers([2, 3, 5], 9)], attrs: { to: 'f32' } },
    { name: 'f32 to integers', inputs: [floats([7], -4, 4)], attrs: { to: 'i32' } },
    { name: 'nothing to do', inputs: [floats([7])], attrs: { to: 'f32' } },
  ],
  cost: perElement(1),
  // Rounding to f16 storage: half a unit of 11 bits.
  tolerance: { rtol: 5e-4, atol: 6e-8 },
});
