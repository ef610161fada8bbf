/**
 * Maximum pooling, where the maxima lie, and the gradient, in whichever layout the image has. One invocation
 * makes one pixel of the result, from its window; of the gradient, from the windows that hold it.
 */
import { type Node, numericShape, sizeOf } from '../../graph/types.ts';
import type { PoolWindows } from '../../ops/pools.ts';
import { bytesOf, coordinateOf, flatMain, flatWorkgroup, Operands } from '../text/access.ts';
import { channelsLastStrides, isChannelsLast } from '../text/image-strides.ts';
import { gridOf, type Lower, type LowerContext } from '../text/kernel.ts';
import type { View } from '../text/view.ts';
import { transposeView } from '../text/view-algebra.ts';
import { affine, hiddenBound } from '../text/wgsl.ts';

/** The result like an operand, and the statements that bind its pixel `batch`, `channel`, `y`, `x` by `index`. */
function pixels(ctx: LowerContext, node: Node, like: View): { result: View; bind: string } {
  const last = isChannelsLast(like);
  const result = ctx.result(node, last ? channelsLastStrides(numericShape(node.type)) : undefined);
  const order = last ? [0, 2, 3, 1] : [0, 1, 2, 3];
  const { shape } = transposeView(result, order);
  const names = ['batch', 'channel', 'y', 'x'];
  const bind = order.map((axis, at) => `  let ${names[axis]} = ${coordinateOf('index', shape, at)};\n`);
  return { result, bind: bind.join('') };
}

/** The place of a pixel of an image. */
const placeOf = ({ strides, offset }: View, y: string, x: string) =>
  affine(offset, [
    ['batch', strides[0]!],
    ['channel', strides[1]!],
    [y, strides[2]!],
    [x, strides[3]!],
  ]);

/** The value of each window's first largest entry, or its place in the image. */
function lowerWindows(ctx: LowerContext, node: Node, windows: PoolWindows, value: string): void {
  const view = ctx.view(node.inputs[0]!);
  const [height, width] = view.shape.slice(2) as [number, number];
  const { result, bind } = pixels(ctx, node, view);
  const { kernel, stride, padding } = windows;
  const operands = new Operands([
    { role: 'image', view, access: 'read', vector: false },
    { role: 'out', view: result, access: 'read_write', vector: false },
  ]);
  const total = sizeOf(result.shape);
  const size = flatWorkgroup(ctx.profile);
  const body = `${flatMain(size, total)}${bind}  var best = 0.0;
  var place = -1;
  for (var ky = 0u; ky < ${hiddenBound(kernel, 'id.z')}; ky += 1u) {
    let sy = y * ${stride}u + ky - ${padding}u;
    if (sy >= ${height}u) { continue; }
    for (var kx = 0u; kx < ${hiddenBound(kernel, 'id.z')}; kx += 1u) {
      let sx = x * ${stride}u + kx - ${padding}u;
      if (sx >= ${width}u) { continue; }
      let value = ${operands.load('image', placeOf(view, 'sy', 'sx'))};
      if (place < 0 || value > best) {
        best = value;
        place = i32(sy * ${width}u + sx);
      }
    }
  }
  ${operands.store('out', placeOf(result, 'y', 'x'), value)}
}
`;
  ctx.emit({
    name: node.op,
    args: operands.args,
    body,
    workgroups: gridOf(Math.ceil(total / size), ctx.profile),
    origin: node.origin,
    flops: kernel ** 2 * total,
    bytes: bytesOf(view, result),
  });
}

/** The first and the last window along an axis that hold pixel `at`: `NAME_first`, `NAME_end`. */
function holders(name: string, at: string, count: number, { kernel, stride, padding }: PoolWindows): string {
  return `  let ${name}_first = (max(${at} + ${padding + 1}u, ${kernel}u) - ${kernel}u + ${stride - 1}u) / ${stride}u;
  let ${name}_end = min((${at} + ${padding}u) / ${stride}u + 1u, ${count}u);
`;
}

const lowerGrad: Lower<'max_pool_grad'> = (ctx, node) => {
  const index = ctx.view(node.inputs[0]);
  const dy = ctx.view(node.inputs[1]);
  const [rows, columns] = dy.shape.slice(2) as [number, number];
  const { attrs, origin } = node;
  const { result, bind } = pixels(ctx, node, dy);
  const operands = new Operands([
    { role: 'index', view: index, access: 'read', vector: false },
    { role: 'dy', view: dy, access: 'read', vector: false },
    { role: 'out', view: result, access: 'read_write', vector: false },
  ]);
  const total = sizeOf(result.shape);
  const size = flatWorkgroup(ctx.profile);
  const body = `${flatMain(size, total)}${bind}${holders('row', 'y', rows, attrs)}${holders('column', 'x', columns, attrs)}  let own = i32(y * ${attrs.columns}u + x);
  var total = 0.0;
  for (var row = row_first; row < row_end; row += 1u) {
    for (var column = column_first; column < column_end; column += 1u) {
      if (${operands.load('index', placeOf(index, 'row', 'column'))} == own) {
        total += ${operands.load('dy', placeOf(dy, 'row', 'column'))};
      }
    }
  }
  ${operands.store('out', placeOf(result, 'y', 'x'), 'total')}
}
`;
  ctx.emit({
    name: 'max_pool_grad',
    args: operands.args,
    body,
    workgroups: gridOf(Math.ceil(total / size), ctx.profile),
    origin,
    flops: total,
    bytes: bytesOf(index, dy, result),
  });
};

const lowerMaxPool: Lower<'max_pool'> = (ctx, node) => lowerWindows(ctx, node, node.attrs, 'best');
const lowerIndex: Lower<'max_pool_index'> = (ctx, node) => lowerWindows(ctx, node, node.attrs, 'place');

export const maxPoolLowerings = {
  max_pool: lowerMaxPool,
  max_pool_index: lowerIndex,
  max_pool_grad: lowerGrad,
};
