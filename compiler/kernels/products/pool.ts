/**
 * Mean pooling and its gradient, in whichever layout the image has: channels innermost behind a convolution.
 */
import { numericShape } from '../../graph/types.ts';
import type { MapProgram } from '../../ops/map-program.ts';
import { emitMap } from '../moves/map.ts';
import { columnReduction } from '../rows/columns.ts';
import { channelsLastStrides, isChannelsLast } from '../text/image-strides.ts';
import type { Lower } from '../text/kernel.ts';
import { denseStrides, type View } from '../text/view.ts';
import { expandView, reshapeView, transposeView } from '../text/view-algebra.ts';

/** Windows as axes, [B, C, H', k, W', k]. */
function windows(image: View, kernel: number): View {
  const [batch, channels, height, width] = image.shape as [number, number, number, number];
  return reshapeView(image, [batch, channels, height / kernel, kernel, width / kernel, kernel])!;
}

const lowerAvgPool: Lower<'avg_pool'> = (ctx, node) => {
  const { kernel } = node.attrs;
  const x = ctx.view(node.inputs[0]);
  const shape = numericShape(node.type);
  const last = isChannelsLast(x);
  const result = ctx.result(node, last ? channelsLastStrides(shape) : undefined);
  // The kept axes in the order of memory, since a reduction's result is dense over them.
  const view = last ? transposeView(windows(x, kernel), [0, 2, 3, 4, 5, 1]) : windows(x, kernel);
  const axes = last ? [2, 4] : [3, 5];
  const inputs = [{ role: 'x', view }];
  const scale = 1 / kernel ** 2;
  columnReduction(ctx, node, { inputs, axes, op: 'sum', values: ['x'], scale, flops: 1 }, [result]);
};

const lowerAvgPoolGrad: Lower<'avg_pool_grad'> = (ctx, node) => {
  const { kernel } = node.attrs;
  const dy = ctx.view(node.inputs[0]);
  const shape = numericShape(node.type);
  const strides = isChannelsLast(dy) ? channelsLastStrides(shape) : denseStrides(shape);
  const to = windows(ctx.result(node, strides), kernel);
  const [batch, channels, height, width] = dy.shape as [number, number, number, number];
  const from = expandView(reshapeView(dy, [batch, channels, height, 1, width, 1])!, to.shape);
  const share: MapProgram = {
    inputs: 1,
    instructions: [
      { op: 'constant', args: [], value: 1 / kernel ** 2 },
      { op: 'mul', args: [0, 1] },
    ],
  };
  emitMap(ctx, { name: 'avg_pool_grad', program: share, inputs: [from], result: to, origin: node.origin });
};

export const poolLowerings = { avg_pool: lowerAvgPool, avg_pool_grad: lowerAvgPoolGrad };
