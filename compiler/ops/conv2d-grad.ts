/**
 * The gradient of any convolution as convolutions.
 *
 * With dy spread out by the stride (zeros between its elements): dx is the convolution of dy, padded by kernel - 1 -
 * padding, with the filters turned by 180 degrees and in and out exchanged; dw is the convolution of x with dy as its
 * filters, batch and channels exchanged. Where windows tile the input, products over patches are used instead (patches.ts).
 */
import { fail } from '../../grammar/diagnostics.ts';
import type { Builder } from '../graph/builder.ts';
import { type Dim, formatShape, type NodeOf, numericShape } from '../graph/types.ts';
import { Expressions } from './expressions.ts';
import { filterMatrix, fromPatches, type PatchGrid, toPatches, toPixels } from './patches.ts';

/** Gradients of x and w through the patch matrix. */
export function patchGradient(
  b: Builder,
  node: NodeOf<'conv2d'>,
  grid: PatchGrid,
  dy: number,
  wanted: readonly boolean[],
): (number | null)[] {
  const e = new Expressions(b);
  const [x, w] = [node.inputs[0]!, node.inputs[1]!];
  const pixels = toPixels(b, dy);
  return [
    wanted[0] ? fromPatches(b, e.matmul(pixels, filterMatrix(b, w)), grid) : null,
    wanted[1] ? e.reshape(e.matmul(pixels, toPatches(b, x, grid), true), e.shape(w)) : null,
  ];
}

/** Gradients of x and w as convolutions. Padding of a whole window or more is refused (Z316). */
export function convolutionGradient(
  b: Builder,
  node: NodeOf<'conv2d'>,
  dy: number,
  wanted: readonly boolean[],
): (number | null)[] {
  const [x, w] = [node.inputs[0]!, node.inputs[1]!];
  const { stride, padding } = node.attrs;
  const filters = numericShape(b.type(w));
  if (padding >= Math.min(filters[2]!, filters[3]!))
    fail(
      'Z316',
      `the gradient of a convolution with filters ${formatShape(filters)} and padding ${padding} is not supported`,
      'use a padding smaller than the kernel',
    );
  const spread = dilate(b, dy, stride);
  return [
    wanted[0] ? gradientOfImage(b, x, w, spread, padding) : null,
    wanted[1] ? gradientOfFilters(b, x, w, spread, padding) : null,
  ];
}

/** [B, O, H, W] with stride - 1 zeros between neighbours: [B, O, (H-1) stride + 1, (W-1) stride + 1]. */
function dilate(b: Builder, y: number, stride: number): number {
  if (stride === 1) return y;
  const e = new Expressions(b);
  const [batch, channels, rows, columns] = e.shape(y) as [Dim, Dim, number, number];
  const cells = e.reshape(y, [batch, channels, rows, 1, columns, 1]);
  const gap = stride - 1;
  const padded = b.add('pad', [cells], { before: [0, 0, 0, 0, 0, 0], after: [0, 0, 0, gap, 0, gap] });
  const whole = e.reshape(padded, [batch, channels, rows * stride, columns * stride]);
  return crop(b, whole, (rows - 1) * stride + 1, (columns - 1) * stride + 1);
}

/** The first `rows` and `columns` of the last two axes. */
function crop(b: Builder, x: number, rows: number, columns: number): number {
  const shape = b.type(x).shape;
  if (shape[2] === rows && shape[3] === columns) return x;
  return b.add('slice', [x], { starts: [0, 0, 0, 0], ends: [shape[0]!, shape[1]!, rows, columns] });
}

/** Filters [O, C, kh, kw] turned by 180 degrees, as [C, O, kh, kw]. */
function turned(b: Builder, w: number): number {
  const e = new Expressions(b);
  let result = e.transpose(w, [1, 0, 2, 3]);
  for (const axis of [2, 3]) {
    const shape = e.shape(result);
    const length = shape[axis] as number;
    const taps = Array.from({ length }, (_, i) => {
      const at = length - 1 - i;
      return b.add('slice', [result], {
        starts: shape.map((_, a) => (a === axis ? at : 0)),
        ends: shape.map((d, a) => (a === axis ? at + 1 : d)),
      });
    });
    if (length > 1) result = b.add('concat', taps, { axis });
  }
  return result;
}

function gradientOfImage(b: Builder, x: number, w: number, spread: number, padding: number): number {
  const [, , height, width] = b.type(x).shape as [Dim, Dim, number, number];
  const [, , kh, kw] = b.type(w).shape as [Dim, Dim, number, number];
  const [, , rows, columns] = b.type(spread).shape as [Dim, Dim, number, number];
  const [top, left] = [kh - 1 - padding, kw - 1 - padding];
  // Behind the last window the image may go on for less than a stride.
  const [bottom, right] = [height + kh - 1 - rows - top, width + kw - 1 - columns - left];
  const filters = turned(b, w);
  if (top === left && top === bottom && top === right)
    return b.add('conv2d', [spread, filters], { stride: 1, padding: top });
  const padded = b.add('pad', [spread], { before: [0, 0, top, left], after: [0, 0, bottom, right] });
  return b.add('conv2d', [padded, filters], { stride: 1, padding: 0 });
}

function gradientOfFilters(b: Builder, x: number, w: number, spread: number, padding: number): number {
  const e = new Expressions(b);
  const [, , kh, kw] = b.type(w).shape as [Dim, Dim, number, number];
  const images = e.transpose(x, [1, 0, 2, 3]);
  const filters = e.transpose(spread, [1, 0, 2, 3]);
  const whole = b.add('conv2d', [images, filters], { stride: 1, padding });
  return e.transpose(crop(b, whole, kh, kw), [1, 0, 2, 3]);
}
