/**
 * A fused elementwise chain. The fusion pass makes these behind differentiation, so there is no gradient
 * rule.
 */

import { type Dim, sameShape } from '../graph/types.ts';
import { elements, traffic } from './costs.ts';
import { elementwiseTraits } from './elementwise.ts';
import { floats } from './examples.ts';
import type { MapProgram } from './map-program.ts';
import { defineOp } from './op.ts';
import { evaluateProgram, programFault, programFlops } from './scalar.ts';
import { accept, broadcastShapes, isFloat, refuse, refuseShape } from './shapes.ts';

declare module './attributes.ts' {
  interface OpAttributes {
    /** A fused chain made by the fusion pass: any number of inputs, broadcasting, one result. */
    map: { readonly program: MapProgram; readonly shape: readonly Dim[] };
  }
  interface OpArities {
    map: 'any';
  }
}

export const map = defineOp<'map'>({
  name: 'map',
  arity: 'any',
  shape(inputs, { program, shape }) {
    const fault = programFault(program, inputs.length);
    if (fault) return refuse(`cannot map: ${fault}`);
    const joint = broadcastShapes('map', [...inputs, { dtype: 'f32', shape }]);
    if ('refusal' in joint) return joint.refusal;
    if (!sameShape(joint.shape, shape))
      return refuseShape('the result of map', [{ dtype: 'f32', shape: joint.shape }], 0, shape)!;
    return accept({ dtype: inputs.find(isFloat)?.dtype ?? 'f32', shape });
  },
  gradient: 'made by passes',
  reference: (inputs, { program }, shape) => evaluateProgram(program, inputs, shape),
  traits: { ...elementwiseTraits, strips: 'none' },
  language: 'none',
  examples: [
    {
      name: 'a product and a sum',
      inputs: [floats([2, 3, 7]), floats([7])],
      attrs: {
        shape: [2, 3, 7],
        program: {
          inputs: 2,
          instructions: [
            { op: 'mul', args: [0, 1] },
            { op: 'constant', args: [], value: 0.5 },
            { op: 'add', args: [2, 3] },
            { op: 'tanh', args: [4] },
          ],
        },
      },
    },
  ],
  cost: (inputs, { program }, result) => ({
    flops: programFlops(program) * elements(result),
    bytes: traffic(inputs, result),
  }),
  // A chain of a few roundings and at most a couple of exp or tanh.
  tolerance: { rtol: 2e-5, atol: 2e-6 },
});
