/** Minimum over axes. Equal smallest values share the gradient evenly, as PyTorch's `amin`. */

import { perInputElement } from './costs.ts';
import { sharedAmongEqual } from './max.ts';
import { defineOp } from './op.ts';
import {
  type Reduction,
  reduceAxes,
  reductionExamples,
  reductionShape,
  reductionTraits,
  writtenReduction,
} from './reductions.ts';

declare module './attributes.ts' {
  interface OpAttributes {
    min: Reduction;
  }
  interface OpArities {
    min: 1;
  }
}

export const min = defineOp<'min'>({
  name: 'min',
  arity: 1,
  shape: (inputs, attrs) => reductionShape('take the minimum over', inputs, attrs),
  gradient: (b, node, dy, wanted) => [wanted[0] ? sharedAmongEqual(b, node, dy) : null],
  reference: ([x], { axes }, shape) => reduceAxes(x!, axes, shape, Number.POSITIVE_INFINITY, Math.min),
  traits: reductionTraits,
  language: writtenReduction('min'),
  examples: reductionExamples,
  cost: perInputElement(1),
  tolerance: { rtol: 0, atol: 0 },
});
