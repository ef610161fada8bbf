/**
 * Convolution whose windows do not overlap (stride = kernel, no padding) as a matrix product over patches.
 *
 * ViT's patch embedding is of this kind. Used by the gradient of conv2d and by the pass
 * that lowers such convolutions, so that forward and backward share their patches.
 */
import type { Builder } from '../graph/builder.ts';
import { divideDims, multiplyDims } from '../graph/dims.ts';
import type { Dim } from '../graph/types.ts';
import type { ConvolutionAttributes } from './convolve.ts';
import { Expressions } from './expressions.ts';

/** Sizes of a patch convolution: x [B, C, H·kh, W·kw] with w [O, C, kh, kw]. */
interface PatchGrid {
  readonly batch: Dim;
  readonly channels: Dim;
  readonly rows: Dim;
  readonly columns: Dim;
  readonly kh: Dim;
  readonly kw: Dim;
}

/** The grid if windows of more than a pixel tile the input of this convolution exactly, else `undefined`. */
export function patchGrid(
  x: readonly Dim[],
  w: readonly Dim[],
  { stride, padding, groups, dilation }: ConvolutionAttributes,
): PatchGrid | undefined {
  const [batch, channels, height, width] = x as [Dim, Dim, Dim, Dim];
  const [kh, kw] = [w[2], w[3]];
  if (stride === 1 || groups !== 1 || dilation !== 1 || padding !== 0 || kh !== stride || kw !== stride)
    return undefined;
  const rows = divideDims(height, kh);
  const columns = divideDims(width, kw);
  if (rows === undefined || columns === undefined) return undefined;
  return { batch, channels, rows, columns, kh, kw };
}

function product(...dims: Dim[]): Dim {
  const size = multiplyDims(dims);
  if (size === undefined) throw new Error('patches need numeric sizes but for the batch');
  return size;
}

/** Rows and columns of the patch matrix: [B·H·W, C·kh·kw]. */
function matrixShape(g: PatchGrid): [Dim, Dim] {
  return [product(g.batch, g.rows, g.columns), product(g.channels, g.kh, g.kw)];
}

/** x [B, C, H·kh, W·kw] -> its patches [B·H·W, C·kh·kw]. */
export function toPatches(b: Builder, x: number, g: PatchGrid): number {
  const e = new Expressions(b);
  const split = e.reshape(x, [g.batch, g.channels, g.rows, g.kh, g.columns, g.kw]);
  return e.reshape(e.transpose(split, [0, 2, 4, 1, 3, 5]), matrixShape(g));
}

/** The inverse of `toPatches`. */
export function fromPatches(b: Builder, patches: number, g: PatchGrid): number {
  const e = new Expressions(b);
  const split = e.reshape(patches, [g.batch, g.rows, g.columns, g.channels, g.kh, g.kw]);
  const image: Dim[] = [g.batch, g.channels, product(g.rows, g.kh), product(g.columns, g.kw)];
  return e.reshape(e.transpose(split, [0, 3, 1, 4, 2, 5]), image);
}

/** [B, O, H, W] -> [B·H·W, O] */
export function toPixels(b: Builder, y: number): number {
  const e = new Expressions(b);
  const [batch, channels, rows, columns] = e.shape(y) as [Dim, Dim, Dim, Dim];
  return e.reshape(e.transpose(y, [0, 2, 3, 1]), [product(batch, rows, columns), channels]);
}

/** w [O, C, kh, kw] -> [O, C·kh·kw] */
export function filterMatrix(b: Builder, w: number): number {
  const e = new Expressions(b);
  const [out, ...window] = e.shape(w) as [Dim, ...Dim[]];
  return e.reshape(w, [out, product(...window)]);
}

/**
 * The whole convolution: x [B, C, H·kh, W·kw], w [O, C, kh, kw] -> [B, O, H, W], a view of a product [B·H·W,
 * O].
 */
export function patchConvolution(b: Builder, x: number, w: number, g: PatchGrid): number {
  const e = new Expressions(b);
  const pixels = e.matmul(toPatches(b, x, g), filterMatrix(b, w), false, true);
  const grid = e.reshape(pixels, [g.batch, g.rows, g.columns, e.shape(w)[0]!]);
  return e.transpose(grid, [0, 3, 1, 2]);
}
