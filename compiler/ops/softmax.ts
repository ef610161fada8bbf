/**
 * Softmax along the last axis, and its gradient: dx = y (dy - sum(y dy)).
 */

import { perElement } from './costs.ts';
import { floats } from './examples.ts';
import { defineOp } from './op.ts';
import { mapRows, rowGradientExamples, rowGradientShape, rowShape, rowTraits } from './rows.ts';
import { samplewise } from './slices.ts';
import { rowStrips } from './strips.ts';

declare module './attributes.ts' {
  interface OpAttributes {
    /** Along the last axis. */
    softmax: None;
    /** (y, dy) -> dx, y = softmax(x), last axis. */
    softmax_grad: None;
  }
  interface OpArities {
    softmax: 1;
    softmax_grad: 2;
  }
}

export const softmax = defineOp<'softmax'>({
  name: 'softmax',
  arity: 1,
  shape: (inputs) => rowShape('softmax', inputs),
  gradient: (b, node, dy, wanted) => [wanted[0] ? b.add('softmax_grad', [node.id, dy], {}) : null],
  reference: ([x]) =>
    mapRows([x!], (rows, out) => {
      const x = rows[0]!;
      const most = x.reduce((a, v) => Math.max(a, v));
      let total = 0;
      for (let i = 0; i < x.length; i++) {
        out[i] = Math.exp(x[i]! - most);
        total += out[i]!;
      }
      for (let i = 0; i < x.length; i++) out[i] = out[i]! / total;
    }),
  traits: {
    role: 'kernel',
    slices: samplewise(),
    half: 'activation',
    layout: 'dense',
    behind: true,
    strips: rowStrips,
  },
  language: {
    word: {
      about: 'softmax along an axis',
      shapes: '[...]',
      gradient: 'yes',
      source: 'torch.softmax',
      operands: ['x'],
      settings: {},
      anyAxis: true,
    },
  },
  examples: [
    { name: 'odd rows', inputs: [floats([3, 7])], attrs: {} },
    { name: 'three axes', inputs: [floats([2, 3, 5])], attrs: {} },
    { name: 'one row', inputs: [floats([4])], attrs: {} },
  ],
  cost: perElement(12),
  tolerance: { rtol: 1e-5, atol: 1e-7 },
});

export const softmaxGrad = defineOp<'softmax_grad'>({
  name: 'softmax_grad',
  arity: 2,
  shape: (inputs) => rowGradientShape('softmax_grad', inputs),
  gradient: 'made by gradients',
  reference: ([y, dy]) =>
    mapRows([y!, dy!], (rows, out) => {
      const [y, dy] = [rows[0]!, rows[1]!];
      let dot = 0;
      for (let i = 0; i < y.length; i++) dot += y[i]! * dy[i]!;
      for (let i = 0; i < y.length; i++) out[i] = y[i]! * (dy[i]! - dot);
    }),
  traits: rowTraits('activation'),
  language: 'none',
  examples: rowGradientExamples,
  cost: perElement(4),
  tolerance: { rtol: 1e-5, atol: 1e-6, perSqrtK: true },
});
