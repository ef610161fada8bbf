/**
 * Depthwise convolutions, one filter for each channel: no product to tile, so every invocation makes one
 * pixel of four channels.
 *
 * Neighbouring invocations hold neighbouring channels: loads are dense, the padding is tested once for a tap,
 * and the filters, [kernel rows, kernel columns, C], are read as the channels are. The filters' gradient sums
 * lines of pixels in pieces that a column reduction joins in order.
 */
import type { Node, Origin } from '../../graph/types.ts';
import { sizeOf } from '../../graph/types.ts';
import { columnReduction } from '../rows/columns.ts';
import { bytesOf, coordinateOf, flatMain, flatWorkgroup, Operands, vectorizable } from '../text/access.ts';
import { gridOf, type LowerContext } from '../text/kernel.ts';
import { denseView, type View } from '../text/view.ts';
import { affine, hiddenBound } from '../text/wgsl.ts';
import type { SlidingWindow } from './contraction.ts';
import { tapStep, windowPlace } from './walks/walk.ts';

/** Images and filters with the channels last, [B, H, W, C] and [kh, kw, C]. */
export interface Depthwise {
  readonly left: View;
  readonly filters: View;
  readonly result: View;
  readonly window: Omit<SlidingWindow, 'image'>;
  readonly transposed: boolean;
}

/**
 * Address of (coordinates) in a view, in units of `width` elements along the channels; `channel` counts
 * units.
 */
function place(view: View, width: number, ...coordinates: string[]): string {
  const last = view.shape.length - 1;
  const terms = coordinates.map((c, axis): [string, number] => [
    c,
    // Where there is one coordinate only, its stride may be anything.
    view.shape[axis] === 1 ? 0 : axis === last ? view.strides[axis]! : view.strides[axis]! / width,
  ]);
  return affine(view.offset / width, terms);
}

/** Emits result = left * filters, or the gradient of the image where `transposed`. */
export function emitDepthwise(ctx: LowerContext, d: Depthwise, origin: Origin): void {
  const { left, filters, result, window, transposed } = d;
  const { kernel, stride, padding, dilation } = window;
  const wide = [left, filters, result].every(vectorizable);
  const width = wide ? 4 : 1;
  const operands = new Operands([
    { role: 'x', view: left, access: 'read', vector: wide },
    { role: 'w', view: filters, access: 'read', vector: wide },
    { role: 'out', view: result, access: 'read_write', vector: wide },
  ]);
  const units = result.shape.map((n, axis) => (axis === 3 ? n / width : n));
  const total = sizeOf(units);
  const size = flatWorkgroup(ctx.profile);
  const other = transposed ? window.grid : window.source;
  const first = (axis: number) =>
    transposed
      ? `i32(${coordinateOf('index', units, axis)}) + ${padding}`
      : `i32(${coordinateOf('index', units, axis)}) * ${stride} - ${padding}`;
  const pixel = [0, 1, 2].map((axis) => coordinateOf('index', units, axis));
  const target = place(result, width, ...pixel, 'channel');
  const body = `${flatMain(size, total)}  let picture = ${coordinateOf('index', units, 0)};
  let channel = ${coordinateOf('index', units, 3)};
  let y = ${first(1)};
  let x = ${first(2)};
  var total = ${wide ? 'vec4<f32>()' : '0.0'};
  for (var ky = 0u; ky < ${hiddenBound(kernel[0], 'id.z')}; ky += 1u) {
    ${windowPlace('sy', 'y', 'ky', other[0], { transposed, stride, dilation })}
    if (sy >= ${other[0]}u) { continue; }
    for (var kx = 0u; kx < ${hiddenBound(kernel[1], 'id.z')}; kx += 1u) {
      ${windowPlace('sx', 'x', 'kx', other[1], { transposed, stride, dilation })}
      if (sx >= ${other[1]}u) { continue; }
      total += ${operands.load('x', place(left, width, 'picture', 'sy', 'sx', 'channel'))} * ${operands.load('w', place(filters, width, 'ky', 'kx', 'channel'))};
    }
  }
  ${operands.store('out', target, 'total')}
}
`;
  ctx.emit({
    name: wide ? 'depthwise_vec4' : 'depthwise',
    args: operands.args,
    body,
    workgroups: gridOf(Math.ceil(total / size), ctx.profile),
    origin,
    flops: 2 * kernel[0] * kernel[1] * sizeOf((transposed ? left : result).shape),
    bytes: bytesOf(left, filters, result),
  });
}

/** Partial sums of a filter gradient at least, so that devices of the kind are busy. */
const enough = { cpu: 64, gpu: 16384 } as const;

/** Emits the gradient of the filters, [C, 1, kh, kw], from x and dy [B, H, W, C]. */
export function emitDepthwiseGradWeight(
  ctx: LowerContext,
  node: Node,
  { x, dy, window }: { readonly x: View; readonly dy: View; readonly window: Omit<SlidingWindow, 'image'> },
): void {
  const { kernel, stride, padding, dilation, source, grid } = window;
  const channels = x.shape[3]!;
  const wide = [x, dy].every(vectorizable);
  const width = wide ? 4 : 1;
  const lines = x.shape[0]! * grid[0];
  const columns = kernel[0] * kernel[1] * (channels / width);
  const linesOfPiece = Math.ceil(lines / Math.min(lines, Math.ceil(enough[ctx.profile.kind] / columns)));
  const shape = [Math.ceil(lines / linesOfPiece), ...kernel, channels];
  const parts = denseView(ctx.scratch(sizeOf(shape), 'f32', 'pieces of a filter gradient'), shape);
  const operands = new Operands([
    { role: 'x', view: x, access: 'read', vector: wide },
    { role: 'dy', view: dy, access: 'read', vector: wide },
    { role: 'out', view: parts, access: 'read_write', vector: wide },
  ]);
  const units = shape.map((n, axis) => (axis === 3 ? n / width : n));
  const total = sizeOf(units);
  const size = flatWorkgroup(ctx.profile);
  const at = (axis: number) => coordinateOf('index', units, axis);
  const body = `${flatMain(size, total)}  let first_line = ${at(0)} * ${linesOfPiece}u;
  let end_line = min(first_line + ${linesOfPiece}u, ${lines}u);
  let ky = ${tapStep(at(1), dilation)};
  let kx = ${tapStep(at(2), dilation)};
  let channel = ${at(3)};
  var total = ${wide ? 'vec4<f32>()' : '0.0'};
  for (var line = first_line; line < end_line; line += 1u) {
    let picture = line / ${grid[0]}u;
    let i = line % ${grid[0]}u;
    let sy = u32(i32(i) * ${stride} + ky - ${padding});
    if (sy >= ${source[0]}u) { continue; }
    for (var j = 0u; j < ${hiddenBound(grid[1], 'id.z')}; j += 1u) {
      let sx = u32(i32(j) * ${stride} + kx - ${padding});
      if (sx >= ${source[1]}u) { continue; }
      total += ${operands.load('x', place(x, width, 'picture', 'sy', 'sx', 'channel'))} * ${operands.load('dy', place(dy, width, 'picture', 'i', 'j', 'channel'))};
    }
  }
  ${operands.store('out', 'index', 'total')}
}
`;
  ctx.emit({
    name: wide ? 'depthwise_grad_weight_vec4' : 'depthwise_grad_weight',
    args: operands.args,
    body,
    workgroups: gridOf(Math.ceil(total / size), ctx.profile),
    origin: node.origin,
    flops: 2 * kernel[0] * kernel[1] * sizeOf(dy.shape),
    bytes: bytesOf(x, dy, parts),
  });
  // [pieces, kh, kw, C] summed over pieces, in the order of [C, 1, kh, kw].
  const view: View = {
    ...parts,
    shape: [shape[0]!, channels, 1, ...kernel],
    strides: [parts.strides[0]!, 1, 0, parts.strides[1]!, parts.strides[2]!],
  };
  const result = ctx.result(node);
  const inputs = [{ role: 'x', view }];
  columnReduction(ctx, node, { inputs, axes: [0], op: 'sum', values: ['x'], flops: 1 }, [result]);
}
