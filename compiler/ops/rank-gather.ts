/**
 * A value of which each rank of a training run has computed its part of the first axis, with the parts of all: rank r's
 * are the r-th of as many equal parts as there are ranks. On one rank, and so in the reference, the identity.
 *
 * Made behind differentiation alone (autodiff/share-rows.ts).
 */
import { perElement } from './costs.ts';
import { floats } from './examples.ts';
import { defineOp } from './op.ts';
import { accept, refuse } from './shapes.ts';
import { unsliced } from './slices.ts';

declare module './attributes.ts' {
  interface OpAttributes {
    /** Each part of the first axis from the rank that has it; the identity on one. */
    rank_gather: None;
  }
  interface OpArities {
    rank_gather: 1;
  }
}

export const rankGather = defineOp<'rank_gather'>({
  name: 'rank_gather',
  arity: 1,
  shape: ([x]) => (x!.shape.length > 0 ? accept(x!) : refuse('ranks have no parts of one number')),
  gradient: 'made by passes',
  reference: ([x], _attrs, shape) => ({ shape, data: x!.data }),
  traits: {
    role: 'kernel',
    slices: unsliced,
    half: 'full',
    layout: 'dense',
    behind: false,
    strips: 'none',
  },
  language: 'none',
  examples: [{ name: 'rows', inputs: [floats([6, 3])], attrs: {} }],
  cost: perElement(0),
  tolerance: { rtol: 0, atol: 0 },
});
