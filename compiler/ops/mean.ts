/** Mean over axes; of i32 it is f32. */

import { perInputElement } from './costs.ts';
import { Expressions } from './expressions.ts';
import { defineOp } from './op.ts';
import {
  type Reduction,
  reduceAxes,
  reductionExamples,
  reductionShape,
  reductionTraits,
  reductionWord,
} from './reductions.ts';

declare module './attributes.ts' {
  interface OpAttributes {
    mean: Reduction;
  }
  interface OpArities {
    mean: 1;
  }
}

export const mean = defineOp<'mean'>({
  name: 'mean',
  arity: 1,
  shape([x], attrs) {
    const dtype = x!.dtype === 'i32' ? 'f32' : x!.dtype;
    return reductionShape('average', [{ ...x!, dtype }], attrs);
  },
  gradient(b, node, dy, wanted) {
    if (!wanted[0]) return [null];
    const e = new Expressions(b);
    const [x] = node.inputs;
    const share = e.scale(dy, 1 / e.count(x, node.attrs.axes));
    return [e.unreduce(share, node.attrs.axes, e.shape(x))];
  },
  reference([x], { axes }, shape) {
    const total = reduceAxes(x, axes, shape, 0, (a, v) => a + v);
    const count = x.data.length / total.data.length;
    return { shape, data: total.data.map((v) => v / count) };
  },
  traits: reductionTraits,
  language: {
    word: reductionWord({
      about: 'mean over axes',
      shapes: '[...] without the axes',
      gradient: '1 / count',
      source: 'torch.mean',
    }),
  },
  examples: reductionExamples,
  cost: perInputElement(1),
  tolerance: { rtol: 1e-6, atol: 1e-6, perSqrtK: true },
});
