/**
 * The value of its input under another name: what is computed from it is kept apart from what is computed
 * from the input itself, although both are equal. Rematerialisation puts it where a block's forward is done
 * again, so that the builder, which shares equal nodes, does not make one of the two. A view: it costs
 * nothing.
 */

import { free } from './costs.ts';
import { floats } from './examples.ts';
import { defineOp } from './op.ts';
import { accept } from './shapes.ts';

declare module './attributes.ts' {
  interface OpAttributes {
    /** The same value, kept apart: consumers are never shared with those of the input. */
    recompute: None;
  }
  interface OpArities {
    recompute: 1;
  }
}

export const recompute = defineOp<'recompute', 'view'>({
  name: 'recompute',
  arity: 1,
  shape: (inputs) => accept(inputs[0]!),
  gradient: (_b, _node, dy, wanted) => [wanted[0] ? dy : null],
  reference: ([x], _attrs, shape) => ({ shape, data: x.data }),
  traits: { role: 'view', strips: 'none' },
  language: 'none',
  examples: [{ name: 'a value', inputs: [floats([2, 3, 5])], attrs: {} }],
  cost: free,
  tolerance: { rtol: 0, atol: 0 },
});
