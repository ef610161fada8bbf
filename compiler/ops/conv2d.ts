/**
 * 2-D convolution without bias: x [B, C, H, W], w [O, C / groups, kh, kw] -> [B, O, H', W'],
 * H' = floor((H + 2 padding - dilation (kh - 1) - 1) / stride) + 1, and optionally a fused elementwise epilogue.
 */

import { formatDim, formatShape, numericShape, type TensorType } from '../graph/types.ts';
import type { OpAttributes } from './attributes.ts';
import { type ConvolutionAttributes, slide, walkConvolution } from './convolve.ts';
import { elements, traffic } from './costs.ts';
import { epilogueShape } from './epilogue.ts';
import { floats } from './examples.ts';
import { Expressions, madeByPasses } from './expressions.ts';
import type { MapProgram } from './map-program.ts';
import { defineOp, type RefTensor, type ShapeResult } from './op.ts';
import { filterMatrix, fromPatches, patchGrid, toPatches, toPixels } from './patches.ts';
import { evaluateProgram, programFlops } from './scalar.ts';
import { accept, firstOf, refuse, refuseIntegers, refuseMixed, refuseRank } from './shapes.ts';
import { samplewise } from './slices.ts';

declare module './attributes.ts' {
  interface OpAttributes {
    /** (x [B,C,H,W], w [O,C/groups,kh,kw]) -> [B,O,H',W']; no bias. `epilogue` as for matmul. */
    conv2d: ConvolutionAttributes & { readonly epilogue?: MapProgram };
  }
  interface OpArities {
    conv2d: '2+';
  }
}

function refuseChannels(inputs: readonly TensorType[], groups: number): ShapeResult | undefined {
  const [x, w] = [inputs[0]!.shape, inputs[1]!.shape];
  const [channels, filters, taken] = [x[1]!, w[0]!, w[1]!];
  const numbers = [channels, filters, taken].every((d) => typeof d === 'number');
  if (!numbers) return refuse(`a convolution needs channels in numbers, got ${formatShape(x)}`);
  const blame = [
    { input: 0, axis: 1, dim: channels },
    { input: 1, axis: 1, dim: taken },
  ];
  const uneven = [channels, filters].find((d) => Number(d) % groups !== 0);
  if (uneven !== undefined)
    return refuse(`cannot convolve in ${groups} groups: ${formatDim(uneven)} is not divisible by ${groups}`, {
      blame,
    });
  if (Number(channels) === Number(taken) * groups) return undefined;
  const each = groups === 1 ? '' : ` in each of ${groups} groups`;
  return refuse(
    `cannot convolve ${formatShape(x)} with filters ${formatShape(w)}: the input has ${formatDim(channels)} channels, the filters take ${formatDim(taken)}${each}`,
    { blame },
  );
}

function convolutionShape(inputs: readonly TensorType[], attrs: ConvolutionAttributes): ShapeResult {
  const refusal = firstOf(
    refuseRank('conv2d', inputs, 0, '[B, C, H, W]'),
    refuseRank('the filter of conv2d', inputs, 1, '[O, C, kh, kw]'),
    refuseMixed('convolve', inputs),
    refuseIntegers('convolve', inputs),
  );
  const channels = refusal ?? refuseChannels(inputs, attrs.groups);
  if (channels) return channels;
  const [x, w] = [inputs[0]!, inputs[1]!];
  const rows = slide(x.shape[2]!, w.shape[2]!, attrs);
  const columns = slide(x.shape[3]!, w.shape[3]!, attrs);
  if (rows === undefined || columns === undefined)
    return refuse(
      `cannot convolve ${formatShape(x.shape)} with filters ${formatShape(w.shape)}: the window does not fit into the image`,
      { blame: [{ input: 0 }, { input: 1 }] },
    );
  return accept({ dtype: x.dtype, shape: [x.shape[0]!, w.shape[0]!, rows, columns] });
}

function convolve(
  x: RefTensor,
  w: RefTensor,
  attrs: ConvolutionAttributes,
  shape: readonly number[],
): RefTensor {
  const data = new Float64Array(shape.reduce((a, b) => a * b, 1));
  walkConvolution({ x: x.shape, w: w.shape, y: shape }, attrs, (yAt, xAt, wAt) => {
    data[yAt]! += x.data[xAt]! * w.data[wAt]!;
  });
  return { shape, data };
}

export const conv2d = defineOp<'conv2d'>({
  name: 'conv2d',
  arity: '2+',
  shape(inputs, attrs) {
    if (inputs.length < 2) return refuse(`a convolution has 2 inputs, not ${inputs.length}`);
    const plain = convolutionShape(inputs.slice(0, 2), attrs);
    return plain.ok ? epilogueShape('a convolution', inputs, attrs.epilogue, plain.type) : plain;
  },
  gradient(b, node, dy, wanted) {
    const { epilogue, ...attrs } = node.attrs;
    if (epilogue) madeByPasses('a convolution with an epilogue');
    const [x, w] = node.inputs;
    const [image, filters] = [b.type(x).shape, b.type(w).shape];
    const grid = patchGrid(image, filters, attrs);
    if (grid) {
      // Windows that tile the image (ViT's patch embedding): products over the patch matrix that the forward uses too.
      const e = new Expressions(b);
      const pixels = toPixels(b, dy);
      return [
        wanted[0] ? fromPatches(b, e.matmul(pixels, filterMatrix(b, w)), grid) : null,
        wanted[1] ? e.reshape(e.matmul(pixels, toPatches(b, x, grid), true), filters) : null,
      ];
    }
    const [, , rows, columns] = image;
    const kernel = [Number(filters[2]), Number(filters[3])] as const;
    return [
      wanted[0]
        ? b.add('conv2d_grad_input', [dy, w], { ...attrs, rows: Number(rows), columns: Number(columns) })
        : null,
      wanted[1] ? b.add('conv2d_grad_weight', [x, dy], { ...attrs, kernel }) : null,
    ];
  },
  reference([x, w, ...rest], attrs, shape) {
    const product = convolve(x, w, attrs, shape);
    return attrs.epilogue ? evaluateProgram(attrs.epilogue, [product, ...rest], shape) : product;
  },
  traits: {
    role: 'kernel',
    slices: samplewise({ whole: [1] }),
    half: 'product',
    layout: 'dense',
    behind: false,
    strips: 'none',
  },
  language: {
    word: {
      about: 'two-dimensional convolution, NCHW',
      shapes: "[B, C, H, W], [O, C / groups, h, w] -> [B, O, H', W']",
      gradient: 'of x and weight',
      source: 'torch.nn.functional.conv2d',
      operands: ['x', 'weight'],
      settings: {
        stride: { kind: 'int', least: 1, default: 1 },
        padding: { kind: 'int', least: 0, default: 0 },
        groups: { kind: 'int', least: 1, default: 1 },
        dilation: { kind: 'int', least: 1, default: 1 },
      },
      sources: () => [[0, 0], [1, 0], undefined, undefined],
    },
  },
  examples: [
    {
      name: 'stride 1, padded',
      inputs: [floats([2, 2, 4, 5]), floats([3, 2, 3, 3])],
      attrs: { stride: 1, padding: 1, groups: 1, dilation: 1 },
    },
    {
      name: 'windows that tile',
      inputs: [floats([2, 3, 6, 4]), floats([5, 3, 2, 2])],
      attrs: { stride: 2, padding: 0, groups: 1, dilation: 1 },
    },
    {
      name: 'stride 1, narrow window',
      inputs: [floats([2, 2, 4, 5]), floats([3, 2, 1, 3])],
      attrs: { stride: 1, padding: 0, groups: 1, dilation: 1 },
    },
    {
      name: 'stride 2, padded',
      inputs: [floats([2, 3, 5, 5]), floats([2, 3, 3, 3])],
      attrs: { stride: 2, padding: 1, groups: 1, dilation: 1 },
    },
    {
      name: 'stride 2, rest behind the last window',
      inputs: [floats([1, 2, 6, 7]), floats([2, 2, 3, 3])],
      attrs: { stride: 2, padding: 1, groups: 1, dilation: 1 },
    },
    {
      name: 'stride 3 over windows of 2',
      inputs: [floats([1, 2, 7, 7]), floats([3, 2, 2, 2])],
      attrs: { stride: 3, padding: 0, groups: 1, dilation: 1 },
    },
    {
      name: '1 by 1',
      inputs: [floats([2, 3, 3, 5]), floats([4, 3, 1, 1])],
      attrs: { stride: 1, padding: 0, groups: 1, dilation: 1 },
    },
    {
      name: '1 by 1, stride 2',
      inputs: [floats([2, 3, 3, 5]), floats([4, 3, 1, 1])],
      attrs: { stride: 2, padding: 0, groups: 1, dilation: 1 },
    },
    {
      name: 'padded by a whole window',
      inputs: [floats([1, 1, 3, 3]), floats([1, 1, 2, 2])],
      attrs: { stride: 1, padding: 2, groups: 1, dilation: 1 },
    },
    {
      name: 'two groups',
      inputs: [floats([2, 4, 4, 3]), floats([6, 2, 3, 3])],
      attrs: { stride: 1, padding: 1, groups: 2, dilation: 1 },
    },
    {
      name: 'dilated, two groups',
      inputs: [floats([2, 4, 6, 5]), floats([4, 2, 3, 2])],
      attrs: { stride: 2, padding: 2, groups: 2, dilation: 2 },
    },
    {
      name: 'depthwise, dilated',
      inputs: [floats([2, 3, 5, 6]), floats([3, 1, 2, 3])],
      attrs: { stride: 1, padding: 2, groups: 3, dilation: 2 },
    },
    {
      name: 'depthwise',
      inputs: [floats([2, 3, 4, 5]), floats([3, 1, 3, 3])],
      attrs: { stride: 2, padding: 1, groups: 3, dilation: 1 },
    },
  ],
  cost(inputs, { epilogue }: OpAttributes['conv2d'], result) {
    const [, channels, kh, kw] = numericShape(inputs[1]) as [number, number, number, number];
    const each = 2 * channels * kh * kw + (epilogue ? programFlops(epilogue) : 0);
    return { flops: each * elements(result), bytes: traffic(inputs, result) };
  },
  tolerance: { rtol: 2e-6, atol: 2e-6, perSqrtK: true },
});
