/**
 * The mean of a value over the ranks of a training run, element by element: what synchronised batch norm makes of each
 * rank's moments. On one rank, and so in the reference, the identity.
 *
 * The loss is a sum over ranks, each of which uses the mean, so the gradient of one rank's value is the mean of all
 * ranks' gradients: the op is its own.
 */
import { perElement } from './costs.ts';
import { floats } from './examples.ts';
import { defineOp } from './op.ts';
import { accept, refuseIntegers } from './shapes.ts';
import { unsliced } from './slices.ts';

declare module './attributes.ts' {
  interface OpAttributes {
    /** Of all ranks; the identity on one. */
    rank_mean: None;
  }
  interface OpArities {
    rank_mean: 1;
  }
}

export const rankMean = defineOp<'rank_mean'>({
  name: 'rank_mean',
  arity: 1,
  shape: (inputs) => refuseIntegers('average', inputs) ?? accept(inputs[0]!),
  gradient: (b, _node, dy, wanted) => [wanted[0] ? b.add('rank_mean', [dy], {}) : null],
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
  examples: [{ name: 'channels', inputs: [floats([6])], attrs: {} }],
  cost: perElement(0),
  tolerance: { rtol: 0, atol: 0 },
});
