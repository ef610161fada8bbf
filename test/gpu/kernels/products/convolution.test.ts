/**
 * The kernels of convolutional towers against the f64 reference, with both kinds of schedules: the three
 * faces of a convolution in odd sizes, strides, paddings and groups, pooling, and the statistics of batch
 * norm; images in both memory orders.
 *
 * The schedules of software adapters run on the device, where there is one; those of GPUs by the text of their
 * kernels, and one case on the device as well.
 */
import { describe, test } from 'vitest';
import { convolutionLowerings } from '../../../../compiler/kernels/products/convolution.ts';
import { poolLowerings } from '../../../../compiler/kernels/products/pool.ts';
import { momentLowerings } from '../../../../compiler/kernels/rows/moments.ts';
import { slide } from '../../../../compiler/ops/convolve.ts';
import { byKind, checkOp, randomInput } from '../../support/check-op.ts';
import { openGpu } from '../../support/harness.ts';

const gpu = await openGpu();
const runners = byKind(gpu);
/** The case whose kernels for GPUs run on the device. */
const onDevice = 'two groups';

const channelsLast = { order: [0, 2, 3, 1] };
const rowMajor = {};

interface Case {
  readonly x: readonly [batch: number, channels: number, height: number, width: number];
  readonly filters: readonly [out: number, kh: number, kw: number];
  readonly stride?: number;
  readonly padding?: number;
  readonly groups?: number;
  readonly dilation?: number;
}

const cases: Readonly<Record<string, Case>> = {
  'one pixel': { x: [1, 1, 1, 1], filters: [1, 1, 1] },
  '1×1': { x: [2, 12, 5, 7], filters: [20, 1, 1] },
  '1×1, stride 2': { x: [2, 8, 5, 7], filters: [12, 1, 1], stride: 2 },
  '3×3 of odd sizes': { x: [3, 7, 9, 5], filters: [13, 3, 3], padding: 1 },
  '3×3 in vec4s, more than one tile': { x: [2, 16, 14, 14], filters: [72, 3, 3], padding: 1 },
  'stem: three channels, stride 2': { x: [2, 3, 16, 16], filters: [8, 3, 3], stride: 2, padding: 1 },
  'stride 2, rest behind the last window': { x: [1, 4, 8, 11], filters: [4, 3, 3], stride: 2, padding: 1 },
  'stride 3, 2×5 windows, whole windows of padding': {
    x: [1, 4, 7, 9],
    filters: [8, 2, 5],
    stride: 3,
    padding: 3,
  },
  'two groups': { x: [2, 8, 6, 6], filters: [24, 3, 3], padding: 1, groups: 2 },
  depthwise: { x: [2, 20, 9, 9], filters: [20, 7, 7], padding: 3, groups: 20 },
  'depthwise, stride 2, two filters each': {
    x: [1, 5, 6, 7],
    filters: [10, 3, 3],
    stride: 2,
    padding: 1,
    groups: 5,
  },
  dilated: { x: [2, 8, 9, 11], filters: [12, 3, 3], padding: 2, dilation: 2 },
  'dilated by 3, stride 2, two groups': {
    x: [2, 6, 13, 12],
    filters: [4, 3, 2],
    stride: 2,
    padding: 3,
    groups: 2,
    dilation: 3,
  },
  'depthwise, dilated, stride 2': {
    x: [2, 8, 11, 9],
    filters: [8, 3, 3],
    stride: 2,
    padding: 2,
    groups: 8,
    dilation: 2,
  },
};

describe('convolution', () => {
  test.each(Object.entries(cases))(
    '%s',
    async (name, { x, filters, stride = 1, padding = 0, groups = 1, dilation = 1 }) => {
      const on = name === onDevice && gpu ? gpu : runners;
      const [batch, channels, rows, columns] = x;
      const [out, kh, kw] = filters;
      const attrs = { stride, padding, groups, dilation };
      const y = [batch, out, slide(rows, kh, attrs)!, slide(columns, kw, attrs)!];
      const w = randomInput([out, channels / groups, kh, kw], 2);
      const { conv2d, conv2d_grad_input, conv2d_grad_weight } = convolutionLowerings;
      for (const layout of [channelsLast, rowMajor]) {
        const image = randomInput(x, 1, { layout });
        const dy = randomInput(y, 3, { layout });
        const terms = (channels / groups) * kh * kw;
        await checkOp({ gpu: on, op: 'conv2d', lower: conv2d, attrs, inputs: [image, w], terms });
        await checkOp({
          gpu: on,
          op: 'conv2d_grad_input',
          lower: conv2d_grad_input,
          attrs: { ...attrs, rows, columns },
          inputs: [dy, w],
          terms: (out / groups) * kh * kw,
        });
        await checkOp({
          gpu: on,
          op: 'conv2d_grad_weight',
          lower: conv2d_grad_weight,
          attrs: { ...attrs, kernel: [kh, kw] },
          inputs: [image, dy],
          terms: batch * y[2]! * y[3]!,
        });
      }
    },
  );

  test('an epilogue maps the result with channel vectors and a residual', async () => {
    const epilogue = {
      inputs: 3,
      instructions: [
        { op: 'add', args: [0, 1] },
        { op: 'add', args: [3, 2] },
        { op: 'relu', args: [4] },
      ],
    } as const;
    for (const groups of [1, 2]) {
      const inputs = [
        randomInput([2, 8, 5, 6], 1, { layout: channelsLast }),
        randomInput([12, 8 / groups, 3, 3], 2),
        randomInput([12, 1, 1], 3),
        randomInput([2, 12, 5, 6], 4, { layout: channelsLast }),
      ];
      const attrs = { stride: 1, padding: 1, groups, dilation: 1, epilogue };
      await checkOp({
        gpu: runners,
        op: 'conv2d',
        lower: convolutionLowerings.conv2d,
        attrs,
        inputs,
        terms: 72,
      });
    }
  });
});

describe('images', () => {
  for (const [name, layout] of Object.entries({ 'channels last': channelsLast, 'row-major': rowMajor })) {
    test(`pooling, ${name}`, async () => {
      for (const [shape, kernel] of [
        [[2, 8, 6, 4], 2],
        [[1, 5, 9, 3], 3],
        [[2, 12, 7, 7], 7],
      ] as const) {
        const attrs = { kernel };
        await checkOp({
          gpu: runners,
          op: 'avg_pool',
          lower: poolLowerings.avg_pool,
          attrs,
          inputs: [randomInput(shape, 1, { layout })],
        });
        const [batch, channels, height, width] = shape;
        const dy = randomInput([batch, channels, height / kernel, width / kernel], 2, { layout });
        await checkOp({
          gpu: runners,
          op: 'avg_pool_grad',
          lower: poolLowerings.avg_pool_grad,
          attrs,
          inputs: [dy],
        });
      }
    });

    test(`statistics of batch norm, ${name}`, async () => {
      for (const shape of [
        [2, 8, 5, 7],
        [3, 5, 4, 1],
        [4, 64, 17, 16],
      ] as const) {
        // A mean far from zero: squares of raw values would cancel.
        const x = randomInput(shape, 1, { layout }, { scale: 1, shift: 30 });
        const dy = randomInput(shape, 2, { layout });
        const mean = randomInput([shape[1]], 3, {}, { scale: 0.1, shift: 30 });
        const terms = shape[0] * shape[2] * shape[3];
        const { batch_moments, batch_norm_sums } = momentLowerings;
        await checkOp({ gpu: runners, op: 'batch_moments', lower: batch_moments, attrs: {}, inputs: [x] });
        await checkOp({
          gpu: runners,
          op: 'batch_norm_sums',
          lower: batch_norm_sums,
          attrs: {},
          inputs: [dy, x, mean],
          terms,
        });
      }
    });
  }
});
