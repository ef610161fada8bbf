/**
 * The gradients of a convolution: of its image, (dy, w) -> dx, and of its filters, (x, dy) -> dw. See
 * convolve.ts.
 *
 * Both are bilinear and their own gradients are convolutions again, so derivatives of any order exist.
 */

import { formatShape, numericShape, type TensorType } from '../graph/types.ts';
import { type ConvolutionAttributes, slide, walkConvolution } from './convolve.ts';
import { elements, traffic } from './costs.ts';
import { floats } from './examples.ts';
import { type Cost, defineOp, type ShapeResult } from './op.ts';
import { accept, firstOf, refuse, refuseIntegers, refuseMixed, refuseRank } from './shapes.ts';
import { samplewise, summing } from './slices.ts';

declare module './attributes.ts' {
  interface OpAttributes {
    /** (dy [B,O,H',W'], w) -> dx [B,C,rows,columns] */
    conv2d_grad_input: ConvolutionAttributes & { readonly rows: number; readonly columns: number };
    /** (x, dy) -> dw [O,C/groups,kh,kw] */
    conv2d_grad_weight: ConvolutionAttributes & { readonly kernel: readonly [kh: number, kw: number] };
  }
  interface OpArities {
    conv2d_grad_input: 2;
    conv2d_grad_weight: 2;
  }
}

function refuseOperands(inputs: readonly TensorType[], second: string): ShapeResult | undefined {
  return firstOf(
    refuseRank('the gradient of conv2d', inputs, 0, '[B, C, H, W]'),
    refuseRank('the gradient of conv2d', inputs, 1, second),
    refuseMixed('convolve', inputs),
    refuseIntegers('convolve', inputs),
  );
}

/** Whether a convolution of `length` with `window` gives `steps`. */
function fits(length: number, window: number, steps: unknown, attrs: ConvolutionAttributes): boolean {
  return slide(length, window, attrs) === steps;
}

function productsOf(y: TensorType, filters: readonly number[]): number {
  return 2 * elements(y) * filters[1]! * filters[2]! * filters[3]!;
}

export const conv2dGradInput = defineOp<'conv2d_grad_input'>({
  name: 'conv2d_grad_input',
  arity: 2,
  shape(inputs, attrs) {
    const refusal = refuseOperands(inputs, '[O, C, kh, kw]');
    if (refusal) return refusal;
    const [dy, w] = [inputs[0]!, inputs[1]!];
    const [, channels, kh, kw] = numericShape(w) as [number, number, number, number];
    const sized = fits(attrs.rows, kh, dy.shape[2], attrs) && fits(attrs.columns, kw, dy.shape[3], attrs);
    if (!sized || dy.shape[1] !== w.shape[0])
      return refuse(
        `${formatShape(dy.shape)} is not what filters ${formatShape(w.shape)} make of images ${attrs.rows}×${attrs.columns}`,
      );
    const shape = [dy.shape[0]!, channels * attrs.groups, attrs.rows, attrs.columns];
    return accept({ dtype: dy.dtype, shape });
  },
  gradient(b, node, d, wanted) {
    const { rows: _rows, columns: _columns, ...attrs } = node.attrs;
    const [dy, w] = node.inputs;
    const [, , kh, kw] = numericShape(b.type(w)) as [number, number, number, number];
    return [
      wanted[0] ? b.add('conv2d', [d, w], attrs) : null,
      wanted[1] ? b.add('conv2d_grad_weight', [d, dy], { ...attrs, kernel: [kh, kw] }) : null,
    ];
  },
  reference([dy, w], attrs, shape) {
    const data = new Float64Array(shape.reduce((a, b) => a * b, 1));
    walkConvolution({ x: shape, w: w.shape, y: dy.shape }, attrs, (yAt, xAt, wAt) => {
      data[xAt]! += dy!.data[yAt]! * w!.data[wAt]!;
    });
    return { shape, data };
  },
  traits: {
    role: 'kernel',
    slices: samplewise({ whole: [1] }),
    half: 'product',
    layout: 'dense',
    behind: false,
    strips: 'none',
  },
  language: 'none',
  examples: [
    {
      name: 'stride 2, two groups',
      inputs: [floats([2, 4, 2, 3]), floats([4, 2, 3, 3])],
      attrs: { stride: 2, padding: 1, groups: 2, dilation: 1, rows: 4, columns: 6 },
    },
    {
      name: 'stride 2, dilated',
      inputs: [floats([2, 3, 3, 3]), floats([3, 2, 2, 3])],
      attrs: { stride: 2, padding: 2, groups: 1, dilation: 2, rows: 3, columns: 6 },
    },
    {
      name: 'stride 1',
      inputs: [floats([2, 3, 4, 5]), floats([3, 2, 3, 3])],
      attrs: { stride: 1, padding: 1, groups: 1, dilation: 1, rows: 4, columns: 5 },
    },
  ],
  cost: (inputs, _attrs, result): Cost => ({
    flops: productsOf(inputs[0], numericShape(inputs[1])),
    bytes: traffic(inputs, result),
  }),
  tolerance: { rtol: 2e-6, atol: 2e-6, perSqrtK: true },
});

export const conv2dGradWeight = defineOp<'conv2d_grad_weight'>({
  name: 'conv2d_grad_weight',
  arity: 2,
  shape(inputs, attrs) {
    const refusal = refuseOperands(inputs, '[B, O, H, W]');
    if (refusal) return refusal;
    const [x, dy] = [inputs[0]!, inputs[1]!];
    const [, channels, height, width] = x.shape;
    const [kh, kw] = attrs.kernel;
    const sized = fits(Number(height), kh, dy.shape[2], attrs) && fits(Number(width), kw, dy.shape[3], attrs);
    if (!sized)
      return refuse(
        `${formatShape(dy.shape)} is not what ${kh}×${kw} filters make of ${formatShape(x.shape)}`,
      );
    return accept({ dtype: x.dtype, shape: [dy.shape[1]!, Number(channels) / attrs.groups, kh, kw] });
  },
  gradient(b, node, d, wanted) {
    const { kernel: _kernel, ...attrs } = node.attrs;
    const [x, dy] = node.inputs;
    const [, , rows, columns] = numericShape(b.type(x)) as [number, number, number, number];
    return [
      wanted[0] ? b.add('conv2d_grad_input', [dy, d], { ...attrs, rows, columns }) : null,
      wanted[1] ? b.add('conv2d', [x, d], attrs) : null,
    ];
  },
  reference([x, dy], attrs, shape) {
    const data = new Float64Array(shape.reduce((a, b) => a * b, 1));
    walkConvolution({ x: x.shape, w: shape, y: dy.shape }, attrs, (yAt, xAt, wAt) => {
      data[wAt]! += x!.data[xAt]! * dy!.data[yAt]!;
    });
    return { shape, data };
  },
  traits: {
    role: 'kernel',
    slices: summing,
    half: 'full product',
    layout: 'dense',
    behind: false,
    strips: 'none',
  },
  language: 'none',
  examples: [
    {
      name: 'stride 2, two groups',
      inputs: [floats([2, 4, 4, 6]), floats([2, 4, 2, 3])],
      attrs: { stride: 2, padding: 1, groups: 2, dilation: 1, kernel: [3, 3] },
    },
    {
      name: 'stride 2, dilated',
      inputs: [floats([2, 2, 3, 6]), floats([2, 3, 3, 3])],
      attrs: { stride: 2, padding: 2, groups: 1, dilation: 2, kernel: [2, 3] },
    },
    {
      name: 'stride 1',
      inputs: [floats([2, 2, 4, 5]), floats([2, 3, 4, 5])],
      attrs: { stride: 1, padding: 1, groups: 1, dilation: 1, kernel: [3, 3] },
    },
  ],
  cost: (inputs, _attrs, result): Cost => ({
    flops: productsOf(inputs[1], numericShape(result)),
    bytes: traffic(inputs, result),
  }),
  // Sums over every pixel of the batch.
  tolerance: { rtol: 2e-6, atol: 2e-6, perSqrtK: true },
});
