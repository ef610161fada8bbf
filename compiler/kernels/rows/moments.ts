/**
 * The statistics of batch norm: per-channel reductions of an image, two rows of [2, C], down the columns of
 * memory.
 */
import { sizeOf } from '../../graph/types.ts';
import type { Lower } from '../text/kernel.ts';
import type { View } from '../text/view.ts';
import { expandView } from '../text/view-algebra.ts';
import { columnReduction } from './columns.ts';

/** All axes of [B, C, H, W] but the channels. */
const axes = [0, 2, 3];

const rowOf = (view: View, row: number): View => ({
  ...view,
  shape: view.shape.slice(1),
  strides: view.strides.slice(1),
  offset: view.offset + row * view.strides[0]!,
});

/** [C] for every element of an image. */
function overImage(channels: View, shape: readonly number[]): View {
  const column = { ...channels, shape: [shape[1]!, 1, 1], strides: [channels.strides[0]!, 0, 0] };
  return expandView(column, shape);
}

/** Mean first, then the mean of squared distances from it: one pass for both would cancel. */
const lowerMoments: Lower<'batch_moments'> = (ctx, node) => {
  const x = ctx.view(node.inputs[0]);
  const result = ctx.result(node);
  const scale = 1 / sizeOf(axes.map((axis) => x.shape[axis]!));
  const input = { role: 'x', view: x };
  const mean = rowOf(result, 0);
  columnReduction(ctx, node, { inputs: [input], axes, op: 'sum', values: ['x'], scale, flops: 1 }, [mean]);
  const inputs = [input, { role: 'average', view: overImage(mean, x.shape) }];
  const values = ['(x - average) * (x - average)'];
  columnReduction(ctx, node, { inputs, axes, op: 'sum', values, scale, flops: 3 }, [rowOf(result, 1)]);
};

const lowerSums: Lower<'batch_norm_sums'> = (ctx, node) => {
  const [dy, x, mean] = node.inputs.map((id) => ctx.view(id)) as [View, View, View];
  const result = ctx.result(node);
  const inputs = [
    { role: 'dy', view: dy },
    { role: 'x', view: x },
    { role: 'average', view: overImage(mean, x.shape) },
  ];
  const values = ['dy', 'dy * (x - average)'];
  columnReduction(ctx, node, { inputs, axes, op: 'sum', values, flops: 4 }, [
    rowOf(result, 0),
    rowOf(result, 1),
  ]);
};

export const momentLowerings = { batch_moments: lowerMoments, batch_norm_sums: lowerSums };
