/**
 * Random numbers, uniform in [0, 1), one for each element of the result; see philox.ts.
 *
 * They are arithmetic on the keys and the element's number, so the fusion pass computes them again wherever
 * they are read, in the backward pass too, instead of storing them.
 */
import { type Dim, sameShape } from '../graph/types.ts';
import { perElement } from './costs.ts';
import { refuseIndex } from './embedding.ts';
import { integers } from './examples.ts';
import { defineOp } from './op.ts';
import { evaluateProgram } from './scalar.ts';
import { accept, broadcastShapes, firstOf, refuseShape } from './shapes.ts';
import { samplewise } from './slices.ts';

declare module './attributes.ts' {
  interface OpAttributes {
    /**
     * (key0, key1, row, all i32, broadcasting to `shape`). An element's number under its key is row · inner +
     * (its own number in the result) mod inner; `place` tells one use in a model from the others.
     */
    uniform: { readonly shape: readonly Dim[]; readonly place: number; readonly inner: number };
  }
  interface OpArities {
    uniform: 3;
  }
}

export const uniform = defineOp<'uniform'>({
  name: 'uniform',
  arity: 3,
  shape(inputs, { shape }) {
    const names = ['the first key', 'the second key', 'the row'];
    const refusal = firstOf(...names.map((name, i) => refuseIndex(`${name} of random numbers`, inputs, i)));
    if (refusal) return refusal;
    const joint = broadcastShapes('draw random numbers by', [...inputs, { dtype: 'i32', shape }]);
    if ('refusal' in joint) return joint.refusal;
    if (!sameShape(joint.shape, shape))
      return refuseShape('the keys of random numbers', [{ dtype: 'i32', shape: joint.shape }], 0, shape)!;
    return accept({ dtype: 'f32', shape });
  },
  gradient: () => [null, null, null],
  reference: (inputs, { place, inner }, shape) => {
    const instruction = { op: 'uniform', args: [0, 1, 2], place, inner } as const;
    return evaluateProgram({ inputs: 3, instructions: [instruction] }, inputs, shape);
  },
  cost: perElement(40),
  tolerance: { rtol: 0, atol: 0 },
  traits: {
    role: 'kernel',
    slices: samplewise(),
    half: 'full',
    layout: 'dense',
    behind: false,
    strips: 'none',
  },
  language: 'none',
  examples: [
    {
      name: 'rows of an odd length',
      inputs: [integers([5, 1, 1], 1000), integers([5, 1, 1], 1000), integers([], 3)],
      attrs: { shape: [5, 3, 7], place: 3, inner: 21 },
    },
    {
      name: 'rows of vec4s',
      inputs: [integers([3, 1, 1], 1000), integers([3, 1, 1], 1000), integers([3, 1, 1], 3)],
      attrs: { shape: [3, 5, 8], place: 0, inner: 40 },
    },
    {
      name: 'one for each row',
      inputs: [integers([8], 1000), integers([8], 1000), integers([], 1)],
      attrs: { shape: [8], place: 1, inner: 1 },
    },
  ],
});
