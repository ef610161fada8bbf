/**
 * Mean over non-overlapping windows: [B, C, H, W] -> [B, C, H / kernel, W / kernel]; the division must be
 * exact. Of other windows `avg_pool` of the language makes a convolution.
 */

import { divideDims, multiplyDims } from '../graph/dims.ts';
import { type Dim, formatDim, formatShape } from '../graph/types.ts';
import { perElement, perInputElement } from './costs.ts';
import { floats } from './examples.ts';
import { defineOp } from './op.ts';
import { accept, firstOf, refuse, refuseIntegers, refuseRank } from './shapes.ts';
import { samplewise } from './slices.ts';

declare module './attributes.ts' {
  interface OpAttributes {
    /** [B,C,H,W], kernel = stride. */
    avg_pool: { readonly kernel: number };
    /** dy -> dx */
    avg_pool_grad: { readonly kernel: number };
  }
  interface OpArities {
    avg_pool: 1;
    avg_pool_grad: 1;
  }
}

export const avgPool = defineOp<'avg_pool'>({
  name: 'avg_pool',
  arity: 1,
  shape(inputs, { kernel }) {
    const refusal = firstOf(
      refuseRank('avg_pool', inputs, 0, '[B, C, H, W]'),
      refuseIntegers('average', inputs),
    );
    if (refusal) return refusal;
    const [batch, channels, height, width] = inputs[0]!.shape as [Dim, Dim, Dim, Dim];
    const rows = divideDims(height, kernel);
    const columns = divideDims(width, kernel);
    if (rows === undefined || columns === undefined) {
      const axis = rows === undefined ? 2 : 3;
      const dim = inputs[0]!.shape[axis]!;
      return refuse(
        `cannot pool ${formatShape(inputs[0]!.shape)} in windows of ${kernel}: ${formatDim(dim)} is not divisible by ${kernel}`,
        { blame: [{ input: 0, axis, dim }] },
      );
    }
    return accept({ dtype: inputs[0]!.dtype, shape: [batch, channels, rows, columns] });
  },
  gradient: (b, node, dy, wanted) => [wanted[0] ? b.add('avg_pool_grad', [dy], node.attrs) : null],
  reference([x], { kernel }, shape) {
    const [, , rows, columns] = shape as [number, number, number, number];
    const width = columns * kernel;
    const data = new Float64Array(shape.reduce((a, b) => a * b, 1));
    for (let at = 0; at < data.length; at++) {
      const column = at % columns;
      const row = Math.floor(at / columns) % rows;
      const plane = Math.floor(at / (rows * columns));
      const start = (plane * rows * kernel + row * kernel) * width + column * kernel;
      let sum = 0;
      for (let i = 0; i < kernel; i++)
        for (let j = 0; j < kernel; j++) sum += x!.data[start + i * width + j]!;
      data[at] = sum / (kernel * kernel);
    }
    return { shape, data };
  },
  traits: {
    role: 'kernel',
    slices: samplewise(),
    half: 'activation',
    layout: 'dense',
    behind: false,
    strips: 'none',
  },
  language: {
    written: ([x], { kernel }) => `avg_pool(${x}, ${kernel})`,
  },
  examples: [{ name: 'windows of 2', inputs: [floats([2, 3, 4, 6])], attrs: { kernel: 2 } }],
  cost: perInputElement(1),
  tolerance: { rtol: 1e-6, atol: 1e-6 },
});

/**
 * The gradient of avg_pool, [B, C, H, W] -> [B, C, H kernel, W kernel]: each pixel's share of its window.
 * Linear, with avg_pool as its transpose.
 */
export const avgPoolGrad = defineOp<'avg_pool_grad'>({
  name: 'avg_pool_grad',
  arity: 1,
  shape(inputs, { kernel }) {
    const refusal = refuseRank('the gradient of avg_pool', inputs, 0, '[B, C, H, W]');
    if (refusal) return refusal;
    const [batch, channels, ...sides] = inputs[0]!.shape as [Dim, Dim, Dim, Dim];
    const grown = sides.map((side) => multiplyDims([side, kernel])!);
    return accept({ dtype: inputs[0]!.dtype, shape: [batch, channels, ...grown] });
  },
  gradient: (b, node, d, wanted) => [wanted[0] ? b.add('avg_pool', [d], node.attrs) : null],
  reference([dy], { kernel }, shape) {
    const [, , rows, columns] = shape as [number, number, number, number];
    const data = new Float64Array(shape.reduce((a, b) => a * b, 1));
    const inner = columns / kernel;
    for (let at = 0; at < data.length; at++) {
      const column = Math.floor((at % columns) / kernel);
      const row = Math.floor((Math.floor(at / columns) % rows) / kernel);
      const plane = Math.floor(at / (rows * columns));
      data[at] = dy!.data[(plane * (rows / kernel) + row) * inner + column]! / (kernel * kernel);
    }
    return { shape, data };
  },
  traits: {
    role: 'kernel',
    slices: samplewise(),
    half: 'activation',
    layout: 'dense',
    behind: false,
    strips: 'none',
  },
  language: 'none',
  examples: [{ name: 'windows of 3', inputs: [floats([2, 3, 2, 1])], attrs: { kernel: 3 } }],
  cost: perElement(1),
  tolerance: { rtol: 1e-6, atol: 1e-6 },
});
