/**
 * 2-D convolution without bias: x [B, C, H, W], w [O, C, kh, kw] -> [B, O, H', W'], H' = floor((H + 2 padding - kh) / stride) + 1.
 * Gradients are in conv2d-grad.ts.
 */
import { type Dim, formatDim, formatShape, numericShape, sameDim, type TensorType } from '../graph/types.ts';
import type { OpAttributes } from './attributes.ts';
import { convolutionGradient, patchGradient } from './conv2d-grad.ts';
import { elements, traffic } from './costs.ts';
import { defineOp, type RefTensor, type ShapeResult } from './op.ts';
import { patchGrid } from './patches.ts';
import { accept, firstOf, refuse, refuseIntegers, refuseMixed, refuseRank } from './shapes.ts';

type Attributes = OpAttributes['conv2d'];

function refuseChannels(inputs: readonly TensorType[]): ShapeResult | undefined {
  const [x, w] = [inputs[0]!.shape, inputs[1]!.shape];
  if (sameDim(x[1]!, w[1]!)) return undefined;
  return refuse(
    `cannot convolve ${formatShape(x)} with filters ${formatShape(w)}: the input has ${formatDim(x[1]!)} channels, the filters take ${formatDim(w[1]!)}`,
    {
      blame: [
        { input: 0, axis: 1, dim: x[1]! },
        { input: 1, axis: 1, dim: w[1]! },
      ],
    },
  );
}

/** Length of an axis behind the convolution, or `undefined` where it does not fit. */
function slide(length: Dim, window: Dim, { stride, padding }: Attributes): number | undefined {
  if (typeof length !== 'number' || typeof window !== 'number') return undefined;
  const steps = Math.floor((length + 2 * padding - window) / stride);
  return steps < 0 ? undefined : steps + 1;
}

function convolve(
  x: RefTensor,
  w: RefTensor,
  { stride, padding }: Attributes,
  shape: readonly number[],
): RefTensor {
  const [batch, out, rows, columns] = shape as [number, number, number, number];
  const [, channels, height, width] = x.shape as [number, number, number, number];
  const [kh, kw] = [w.shape[2]!, w.shape[3]!];
  const data = new Float64Array(batch * out * rows * columns);
  const pixel = (b: number, o: number, i: number, j: number) => {
    let sum = 0;
    for (let c = 0; c < channels; c++)
      for (let di = 0; di < kh; di++) {
        const y = i * stride + di - padding;
        if (y < 0 || y >= height) continue;
        for (let dj = 0; dj < kw; dj++) {
          const z = j * stride + dj - padding;
          if (z < 0 || z >= width) continue;
          const filter = w.data[((o * channels + c) * kh + di) * kw + dj]!;
          sum += filter * x.data[((b * channels + c) * height + y) * width + z]!;
        }
      }
    return sum;
  };
  let at = 0;
  for (let b = 0; b < batch; b++)
    for (let o = 0; o < out; o++)
      for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) data[at++] = pixel(b, o, i, j);
  return { shape, data };
}

export const conv2d = defineOp<'conv2d'>({
  name: 'conv2d',
  arity: 2,
  shape(inputs, attrs) {
    const refusal = firstOf(
      refuseRank('conv2d', inputs, 0, '[B, C, H, W]'),
      refuseRank('the filter of conv2d', inputs, 1, '[O, C, kh, kw]'),
      refuseMixed('convolve', inputs),
      refuseIntegers('convolve', inputs),
    );
    const channels = refusal ?? refuseChannels(inputs);
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
  },
  gradient(b, node, dy, wanted) {
    const [x, w] = node.inputs.map((i) => b.type(i).shape);
    const grid = patchGrid(x!, w!, node.attrs.stride, node.attrs.padding);
    return grid ? patchGradient(b, node, grid, dy, wanted) : convolutionGradient(b, node, dy, wanted);
  },
  reference: ([x, w], attrs, shape) => convolve(x!, w!, attrs, shape),
  family: 'convolution',
  cost(inputs, _attrs, result) {
    const [, channels, kh, kw] = numericShape(inputs[1]!) as [number, number, number, number];
    return { flops: 2 * channels * kh * kw * elements(result), bytes: traffic(inputs, result) };
  },
  tolerance: { rtol: 2e-6, atol: 2e-6, perSqrtK: true },
});
