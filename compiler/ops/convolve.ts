/**
 * What the three convolution ops share: shapes, and one walk over all products x·w of a convolution in f64.
 *
 * A grouped convolution cuts channels and filters into `groups` equal parts that do not mix: w is [O, C /
 * groups, kh, kw]. y = conv2d(x, w), dx and dw are the three faces of one trilinear form, so each is written
 * with the same walk, and the gradients of each are the two others.
 */
import type { Dim } from '../graph/types.ts';

export interface ConvolutionAttributes {
  readonly stride: number;
  readonly padding: number;
  readonly groups: number;
  /** Steps between the taps of a window. */
  readonly dilation: number;
}

/** Length of an axis behind the convolution, or `undefined` where the window does not fit. */
export function slide(
  length: Dim,
  window: Dim,
  { stride, padding, dilation }: Pick<ConvolutionAttributes, 'stride' | 'padding' | 'dilation'>,
): number | undefined {
  if (typeof length !== 'number' || typeof window !== 'number') return undefined;
  const steps = Math.floor((length + 2 * padding - (window - 1) * dilation - 1) / stride);
  return steps < 0 ? undefined : steps + 1;
}

/** Numeric shapes of x [B, C, H, W], w [O, C / groups, kh, kw] and y [B, O, H', W']. */
interface ConvolutionShapes {
  readonly x: readonly number[];
  readonly w: readonly number[];
  readonly y: readonly number[];
}

/**
 * Calls `visit` with the flat places of every product that the convolution sums: y[yAt] += x[xAt] w[wAt].
 * Places in the padding have no product.
 */
export function walkConvolution(
  { x, w, y }: ConvolutionShapes,
  { stride, padding, groups, dilation }: ConvolutionAttributes,
  visit: (yAt: number, xAt: number, wAt: number) => void,
): void {
  const [batch, out, rows, columns] = y as [number, number, number, number];
  const [, channels, height, width] = x as [number, number, number, number];
  const [, inner, kh, kw] = w as [number, number, number, number];
  const perGroup = out / groups;
  const filter = (b: number, o: number, c: number) => {
    const xPlane = (b * channels + Math.floor(o / perGroup) * inner + c) * height * width;
    const yPlane = (b * out + o) * rows * columns;
    const wPlane = (o * inner + c) * kh * kw;
    for (let di = 0; di < kh; di++)
      for (let dj = 0; dj < kw; dj++) {
        const wAt = wPlane + di * kw + dj;
        for (let i = 0; i < rows; i++) {
          const row = i * stride + di * dilation - padding;
          if (row < 0 || row >= height) continue;
          for (let j = 0; j < columns; j++) {
            const column = j * stride + dj * dilation - padding;
            if (column >= 0 && column < width)
              visit(yPlane + i * columns + j, xPlane + row * width + column, wAt);
          }
        }
      }
  };
  for (let b = 0; b < batch; b++)
    for (let o = 0; o < out; o++) for (let c = 0; c < inner; c++) filter(b, o, c);
}

/** Whether filters [O, C / groups, kh, kw] are one for each channel. */
export function isDepthwise(filters: readonly Dim[], groups: number): boolean {
  return groups > 1 && filters[0] === groups && filters[1] === 1;
}
