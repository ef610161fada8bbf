/**
 * Logarithm of softmax along the last axis, and its gradient: dx = dy - exp(y) sum(dy).
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
    log_softmax: None;
    /** (y, dy) -> dx, y = log_softmax(x). */
    log_softmax_grad: None;
  }
  interface OpArities {
    log_softmax: 1;
    log_softmax_grad: 2;
  }
}

export const logSoftmax = defineOp<'log_softmax'>({
  name: 'log_softmax',
  arity: 1,
  shape: (inputs) => rowShape('log_softmax', inputs),
  gradient: (b, node, dy, wanted) => [wanted[0] ? b.add('log_softmax_grad', [node.id, dy], {}) : null],
  reference: ([x]) =>
    mapRows([x!], (rows, out) => {
      const x = rows[0]!;
      const most = x.reduce((a, v) => Math.max(a, v));
      const total = x.reduce((a, v) => a + Math.exp(v - most), 0);
      const shift = most + Math.log(total);
      for (let i = 0; i < x.length; i++) out[i] = x[i]! - shift;
    }),
  traits: {
    role: 'kernel',
    slices: samplewise(),
    half: 'full',
    layout: 'dense',
    behind: true,
    strips: rowStrips,
  },
  language: {
    word: {
      about: 'logarithm of softmax along an axis',
      shapes: '[...]',
      gradient: 'yes',
      source: 'torch.log_softmax',
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
  tolerance: { rtol: 2e-6, atol: 2e-6 },
});

export const logSoftmaxGrad = defineOp<'log_softmax_grad'>({
  name: 'log_softmax_grad',
  arity: 2,
  shape: (inputs) => rowGradientShape('log_softmax_grad', inputs),
  gradient: 'made by gradients',
  reference: ([y, dy]) =>
    mapRows([y!, dy!], (rows, out) => {
      const [y, dy] = [rows[0]!, rows[1]!];
      const total = dy.reduce((a, v) => a + v, 0);
      for (let i = 0; i < y.length; i++) out[i] = dy[i]! - Math.exp(y[i]!) * total;
    }),
  traits: rowTraits('full'),
  language: 'none',
  examples: rowGradientExamples,
  cost: perElement(10),
  tolerance: { rtol: 1e-5, atol: 1e-6, perSqrtK: true },
});
