/**
 * The largest entry of each window of an image, [B, C, H, W] -> [B, C, H', W']. What lies around the image is
 * smaller than everything.
 *
 * The gradient goes to the first largest of each window in reading order, as in PyTorch: where it lies is
 * found once (max_pool_index), then each pixel adds the windows that name it.
 */

import { denseStrides, formatShape, sizeOf } from '../graph/types.ts';
import { elements, traffic } from './costs.ts';
import { type Examples, floats, integers } from './examples.ts';
import { defineOp, type RefTensor } from './op.ts';
import { type PoolWindows, pooledShape } from './pools.ts';
import { accept, firstOf, refuse, refuseRank, refuseShape } from './shapes.ts';
import { samplewise } from './slices.ts';
import type { Half } from './traits.ts';

declare module './attributes.ts' {
  interface OpAttributes {
    max_pool: PoolWindows;
    /** x -> i32 [B, C, H', W']: the first largest of each window, row · W + column. */
    max_pool_index: PoolWindows;
    /** (index, dy) -> [B, C, rows, columns] */
    max_pool_grad: PoolWindows & { readonly rows: number; readonly columns: number };
  }
  interface OpArities {
    max_pool: 1;
    max_pool_index: 1;
    max_pool_grad: 2;
  }
}

/** The place of the first largest entry of each window, as number of an element of x. */
function largest(x: RefTensor, { kernel, stride, padding }: PoolWindows, shape: readonly number[]): number[] {
  const [, , height, width] = x.shape as [number, number, number, number];
  const [, , rows, columns] = shape as [number, number, number, number];
  return Array.from({ length: sizeOf(shape) }, (_, at) => {
    const plane = Math.floor(at / (rows * columns)) * height * width;
    const top = (Math.floor(at / columns) % rows) * stride - padding;
    const left = (at % columns) * stride - padding;
    let best: number | undefined;
    for (let row = Math.max(0, top); row < Math.min(height, top + kernel); row++)
      for (let column = Math.max(0, left); column < Math.min(width, left + kernel); column++) {
        const place = plane + row * width + column;
        if (best === undefined || x.data[place]! > x.data[best]!) best = place;
      }
    return best!;
  });
}

const traits = <H extends Half>(half: H) =>
  ({
    role: 'kernel',
    slices: samplewise(),
    half,
    layout: 'dense',
    behind: false,
    strips: 'none',
  }) as const;

const examples: Examples<PoolWindows> = [
  {
    name: 'windows that overlap, padded',
    inputs: [floats([2, 3, 5, 6])],
    attrs: { kernel: 3, stride: 2, padding: 1 },
  },
  { name: 'windows of 2', inputs: [floats([2, 3, 4, 6])], attrs: { kernel: 2, stride: 2, padding: 0 } },
  { name: 'a rest', inputs: [floats([1, 2, 5, 7])], attrs: { kernel: 2, stride: 3, padding: 0 } },
];

const reads = ({ kernel }: PoolWindows) => kernel ** 2;

export const maxPool = defineOp<'max_pool'>({
  name: 'max_pool',
  arity: 1,
  shape: (inputs, attrs) => pooledShape('take the largest of', inputs, attrs),
  gradient(b, node, dy, wanted) {
    if (!wanted[0]) return [null];
    const [x] = node.inputs;
    const [, , rows, columns] = b.type(x).shape;
    const index = b.add('max_pool_index', [x], node.attrs);
    return [
      b.add('max_pool_grad', [index, dy], { ...node.attrs, rows: Number(rows), columns: Number(columns) }),
    ];
  },
  reference: ([x], attrs, shape) => ({
    shape,
    data: Float64Array.from(largest(x!, attrs, shape), (place) => x!.data[place]!),
  }),
  traits: traits('activation'),
  language: {
    written: ([x], { kernel, stride, padding }) =>
      `max_pool(${x}, ${kernel}, stride = ${stride}, padding = ${padding})`,
  },
  examples,
  cost: (inputs, attrs, result) => ({
    flops: reads(attrs) * elements(result),
    bytes: traffic(inputs, result),
  }),
  tolerance: { rtol: 0, atol: 0 },
});

export const maxPoolIndex = defineOp<'max_pool_index'>({
  name: 'max_pool_index',
  arity: 1,
  shape(inputs, attrs) {
    const pooled = pooledShape('take the largest of', inputs, attrs);
    return pooled.ok ? accept({ dtype: 'i32', shape: pooled.type.shape }) : pooled;
  },
  gradient: 'made by gradients',
  reference([x], attrs, shape) {
    const plane = denseStrides(x!.shape)[1]!;
    return { shape, data: Float64Array.from(largest(x!, attrs, shape), (place) => place % plane) };
  },
  traits: traits('full'),
  language: 'none',
  examples,
  cost: (inputs, attrs, result) => ({
    flops: reads(attrs) * elements(result),
    bytes: traffic(inputs, result),
  }),
  tolerance: { rtol: 0, atol: 0 },
});

export const maxPoolGrad = defineOp<'max_pool_grad'>({
  name: 'max_pool_grad',
  arity: 2,
  shape(inputs, { rows, columns, ...windows }) {
    const [index, dy] = [inputs[0]!, inputs[1]!];
    const refusal = firstOf(
      refuseRank('the gradient of max_pool', inputs, 0, '[B, C, H, W]'),
      refuseShape('dy of max_pool', inputs, 1, index.shape),
    );
    if (refusal) return refusal;
    const shape = [...dy.shape.slice(0, 2), rows, columns];
    const pooled = pooledShape('take the largest of', [{ dtype: dy.dtype, shape }], windows);
    const fits = pooled.ok && pooled.type.shape.every((d, axis) => axis < 2 || d === dy.shape[axis]);
    return fits
      ? accept({ dtype: dy.dtype, shape })
      : refuse(`${formatShape(dy.shape)} is not what windows make of images ${rows}×${columns}`);
  },
  gradient: 'made by gradients',
  // Only windows that hold a pixel can name it; the kernel asks no others.
  reference([index, dy], { kernel, stride, padding }, shape) {
    const [, , height, width] = shape as [number, number, number, number];
    const [, , rows, columns] = dy!.shape as [number, number, number, number];
    const data = new Float64Array(sizeOf(shape));
    dy!.data.forEach((d, at) => {
      const plane = Math.floor(at / (rows * columns));
      const place = index!.data[at]!;
      const down = Math.floor(place / width) - (Math.floor(at / columns) % rows) * stride + padding;
      const along = (place % width) - (at % columns) * stride + padding;
      if ([down, along].every((n) => n >= 0 && n < kernel)) data[plane * height * width + place]! += d;
    });
    return { shape, data };
  },
  traits: traits('activation'),
  language: 'none',
  examples: [
    {
      name: 'windows that overlap, padded',
      inputs: [integers([2, 3, 3, 3], 25), floats([2, 3, 3, 3])],
      attrs: { kernel: 3, stride: 2, padding: 1, rows: 5, columns: 5 },
    },
    {
      name: 'windows of 2',
      inputs: [integers([2, 3, 2, 2], 20), floats([2, 3, 2, 2])],
      attrs: { kernel: 2, stride: 2, padding: 0, rows: 4, columns: 5 },
    },
  ],
  cost: (inputs, { kernel, stride }, result) => ({
    flops: Math.ceil(kernel / stride) ** 2 * elements(result),
    bytes: traffic(inputs, result),
  }),
  tolerance: { rtol: 1e-6, atol: 1e-6 },
});
