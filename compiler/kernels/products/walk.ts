/**
 * Walks through an image as every implicit convolution takes them: which place a tap sees, which pixels a workgroup sums.
 *
 * Register tiles loop over the places (walk-cpu.ts), staging and depthwise kernels find each for themselves (walk-gpu.ts,
 * depthwise.ts); what a place is, padding and strides included, is the same for all.
 */
import { coordinateOf } from '../text/access.ts';
import type { PixelWalk, TapWalk } from './contraction.ts';

/** A place along one axis of the left operand as u32; what lies outside becomes larger than any axis. */
export function windowPlace(
  name: string,
  first: string,
  tap: string,
  length: number,
  { transposed, stride }: Pick<TapWalk, 'transposed' | 'stride'>,
): string {
  if (!transposed) return `let ${name} = u32(${first} + i32(${tap}));`;
  const place = `${first} - i32(${tap})`;
  if (stride === 1) return `let ${name} = u32(${place});`;
  // Between the strides of the convolution no pixel of the result has seen this place.
  return `let ${name} = select(${length}u, u32(${place}) / ${stride}u, (${place}) >= 0 && (${place}) % ${stride} == 0);`;
}

/** Which tap and which lines of the grid a workgroup sums: `ky`, `kx` (i32), `first_line`, `end_line`. */
export function printPiece(walk: PixelWalk): string[] {
  const at = (axis: number) => coordinateOf('batch', walk.batchShape, axis);
  return [
    `let ky = i32(${at(2)}); let kx = i32(${at(3)});`,
    `let first_line = ${at(0)} * ${walk.linesOfPiece}u;`,
    `let end_line = min(first_line + ${walk.linesOfPiece}u, ${walk.lines}u);`,
  ];
}
