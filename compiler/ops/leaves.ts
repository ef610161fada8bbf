/**
 * Leaves: what a graph starts from. Inputs and weights are fed by name; constants and `iota` are values of
 * their own.
 */

import { leastOf } from '../graph/dims.ts';
import type { Dim, DType, Range } from '../graph/types.ts';
import { formatDim, formatShape } from '../graph/types.ts';
import { free } from './costs.ts';
import { defineOp, type RefTensor } from './op.ts';
import { accept, refuse } from './shapes.ts';
import { samplewise, unsliced } from './slices.ts';
import { filled } from './tensors.ts';

declare module './attributes.ts' {
  interface OpAttributes {
    input: {
      readonly name: string;
      readonly dtype: DType;
      readonly shape: readonly Dim[];
      /** The same for every sample: its first axis is not the batch. */
      readonly table?: boolean;
      /** What integers may be. */
      readonly ids?: Range;
    };
    /** A weight (`role: param`) or a buffer of the model. */
    param: { readonly name: string; readonly shape: readonly Dim[]; readonly role: 'param' | 'buffer' };
    /** Every element is `value`. */
    constant: { readonly value: number; readonly dtype: DType; readonly shape: readonly Dim[] };
    /** i32 `[length]`: 0, 1, 2, ... */
    iota: { readonly length: Dim };
  }
  interface OpArities {
    input: 0;
    param: 0;
    constant: 0;
    iota: 0;
  }
}

const exact = { rtol: 0, atol: 0 };

function leaf(what: string, shape: readonly Dim[], dtype: 'f32' | 'f16' | 'i32') {
  const bad = shape.find((d) => !Number.isInteger(leastOf(d)) || leastOf(d) < 1);
  if (bad !== undefined)
    return refuse(
      `${what} cannot have the shape ${formatShape(shape)}: every axis needs a size of at least 1`,
    );
  return accept({ dtype, shape });
}

function fed(op: string, name: string): RefTensor {
  throw new Error(`the value of ${op} ${name} is fed by the executor`);
}

export const input = defineOp<'input', 'leaf'>({
  name: 'input',
  arity: 0,
  shape: (_inputs, { name, shape, dtype }) => leaf(`input ${name}`, shape, dtype),
  gradient: () => [],
  reference: (_inputs, { name }) => fed('input', name),
  traits: { role: 'leaf' },
  language: 'none',
  examples: [{ name: 'a picture', inputs: [], attrs: { name: 'x', dtype: 'f32', shape: [2, 3, 5] } }],
  cost: free,
  tolerance: exact,
});

export const param = defineOp<'param', 'leaf'>({
  name: 'param',
  arity: 0,
  shape: (_inputs, { name, shape }) => leaf(`weight ${name}`, shape, 'f32'),
  gradient: () => [],
  reference: (_inputs, { name }) => fed('param', name),
  traits: { role: 'leaf' },
  language: 'none',
  examples: [{ name: 'a weight', inputs: [], attrs: { name: 'w', shape: [2, 3, 5], role: 'param' } }],
  cost: free,
  tolerance: exact,
});

export const constant = defineOp<'constant'>({
  name: 'constant',
  arity: 0,
  shape: (_inputs, { shape, dtype }) => leaf('a constant', shape, dtype),
  gradient: () => [],
  reference: (_inputs, { value }, shape) => filled(shape, value),
  traits: {
    role: 'kernel',
    slices: samplewise(),
    half: 'full',
    layout: 'dense',
    behind: false,
    strips: 'none',
  },
  language: { written: (_operands, { value, shape }) => (shape.length === 0 ? String(value) : undefined) },
  examples: [
    { name: 'one number', inputs: [], attrs: { value: 0.5, dtype: 'f32', shape: [] } },
    { name: 'one number everywhere', inputs: [], attrs: { value: -1.5, dtype: 'f32', shape: [2, 3, 5] } },
  ],
  cost: free,
  tolerance: exact,
});

export const iota = defineOp<'iota'>({
  name: 'iota',
  arity: 0,
  shape: (_inputs, { length }) => leaf('iota', [length], 'i32'),
  gradient: () => [],
  reference: (_inputs, _attrs, shape) => ({
    shape,
    data: Float64Array.from({ length: shape[0]! }, (_, i) => i),
  }),
  traits: {
    role: 'kernel',
    slices: unsliced,
    half: 'full',
    layout: 'dense',
    behind: false,
    strips: 'none',
  },
  language: { written: (_operands, { length }) => `iota(${formatDim(length)})` },
  examples: [{ name: 'five', inputs: [], attrs: { length: 5 } }],
  cost: free,
  tolerance: exact,
});
