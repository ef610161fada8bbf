/**
 * Walks through an image as every implicit convolution takes them: which place a tap sees, which pixels a
 * workgroup sums.
 *
 * Register tiles loop over the places (walk-cpu.ts), staging and depthwise kernels find each for themselves
 * (walk-gpu.ts, depthwise.ts); what a place is, padding and strides included, is the same for all.
 */
import { coordinateOf } from '../../text/access.ts';
import type { PixelWalk, TapWalk } from '../contraction.ts';

/** How far a tap (u32) is from the first one, as i32. */
export function tapStep(tap: string, dilation: number): string {
  return dilation === 1 ? `i32(${tap})` : `i32(${tap}) * ${dilation}`;
}

/** A place along one axis of the left operand as u32; what lies outside becomes larger than any axis. */
export function windowPlace(
  name: string,
  first: string,
  tap: string,
  length: number,
  { transposed, stride, dilation }: Pick<TapWalk, 'transposed' | 'stride' | 'dilation'>,
): string {
  const step = tapStep(tap, dilation);
  if (!transposed) return `let ${name} = u32(${first} + ${step});`;
  const place = `${first} - ${step}`;
  if (stride === 1) return `let ${name} = u32(${place});`;
  // Between the strides of the convolution no pixel of the result has seen this place. `&`, since `&&` is a branch, and for ten rows
  // of them SwiftShader compiles for minutes.
  return `let ${name} = select(${length}u, u32(${place}) / ${stride}u, ((${place}) >= 0) & ((${place}) % ${stride} == 0));`;
}

/** Which tap and which lines of the grid a workgroup sums: how far the tap is from the first, `ky`, `kx` (i32), `first_line`, `end_line`. */
export function printPiece(walk: PixelWalk): string[] {
  const at = (axis: number) => coordinateOf('batch', walk.batchShape, axis);
  return [
    `let ky = ${tapStep(at(2), walk.dilation)}; let kx = ${tapStep(at(3), walk.dilation)};`,
    `let first_line = ${at(0)} * ${walk.linesOfPiece}u;`,
    `let end_line = min(first_line + ${walk.linesOfPiece}u, ${walk.lines}u);`,
  ];
}
