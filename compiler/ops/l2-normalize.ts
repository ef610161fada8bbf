/**
 * x / |x| along the last axis, without epsilon as in OpenAI's code, and its gradient (dy - y (y·dy)) / |x|.
 */

import { perElement } from './costs.ts';
import { floats } from './examples.ts';
import { defineOp } from './op.ts';
import { mapRows, rowGradientExamples, rowGradientShape, rowShape, rowTraits } from './rows.ts';
import { samplewise } from './slices.ts';
import { rowStrips } from './strips.ts';

declare module './attributes.ts' {
  interface OpAttributes {
    /** x / |x|; no epsilon, as OpenAI's code. */
    l2_normalize: None;
    /** (x, dy) -> dx */
    l2_normalize_grad: None;
  }
  interface OpArities {
    l2_normalize: 1;
    l2_normalize_grad: 2;
  }
}

function norm(x: Float64Array): number {
  return Math.sqrt(x.reduce((a, v) => a + v * v, 0));
}

export const l2Normalize = defineOp<'l2_normalize'>({
  name: 'l2_normalize',
  arity: 1,
  shape: (inputs) => rowShape('l2_normalize', inputs),
  gradient: (b, node, dy, wanted) => [
    wanted[0] ? b.add('l2_normalize_grad', [node.inputs[0], dy], {}) : null,
  ],
  reference: ([x]) =>
    mapRows([x], (rows, out) => {
      const length = norm(rows[0]!);
      rows[0]!.forEach((v, i) => {
        out[i] = v / length;
      });
    }),
  traits: {
    role: 'kernel',
    slices: samplewise(),
    half: 'full',
    layout: 'dense',
    behind: true,
    strips: rowStrips,
  },
  language: { fuses: 'l2_normalize' },
  examples: [
    { name: 'odd rows', inputs: [floats([3, 7])], attrs: {} },
    { name: 'three axes', inputs: [floats([2, 3, 5])], attrs: {} },
    { name: 'one row', inputs: [floats([4])], attrs: {} },
  ],
  cost: perElement(3),
  tolerance: { rtol: 5e-6, atol: 1e-7 },
});

export const l2NormalizeGrad = defineOp<'l2_normalize_grad'>({
  name: 'l2_normalize_grad',
  arity: 2,
  shape: (inputs) => rowGradientShape('l2_normalize_grad', inputs),
  gradient: 'made by gradients',
  reference: ([x, dy]) =>
    mapRows([x!, dy!], (rows, out) => {
      const [x, dy] = [rows[0]!, rows[1]!];
      const length = norm(x);
      let dot = 0;
      for (let i = 0; i < x.length; i++) dot += (x[i]! / length) * dy[i]!;
      for (let i = 0; i < x.length; i++) out[i] = (dy[i]! - (x[i]! / length) * dot) / length;
    }),
  traits: { ...rowTraits('full'), strips: rowStrips },
  language: 'none',
  examples: rowGradientExamples,
  cost: perElement(7),
  tolerance: { rtol: 1e-5, atol: 1e-6, perSqrtK: true },
});
