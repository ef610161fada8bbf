/**
 * What statements of random programs are made of: operands of one shape, children, sizes. A statement makes a value of the shape of
 * its first operand, so that one can be left out and everything behind it still means something.
 */
import type { Draw } from '../../support/draw.ts';

/** Sizes of what a stretch of statements works on: tokens [B, tokens, width] of a square grid, or features [B, width]. */
export interface Sizes {
  readonly rank: 2 | 3;
  readonly grid: number;
  readonly tokens: number;
  readonly width: number;
}

export interface Place {
  readonly x: string;
  readonly y: string;
  /** The name of a child that is declared so, or of an array of `count` of them. */
  readonly child: (declaration: string, count?: number) => string;
  readonly s: Sizes;
  readonly d: Draw;
}

export type Statement = (p: Place) => string;
export type Statements = readonly (readonly [weight: number, make: Statement])[];

/** `[B, 4, 8]` */
export const shapeText = ({ rank, tokens, width }: Sizes) =>
  rank === 3 ? `[B, ${tokens}, ${width}]` : `[B, ${width}]`;

/** An axis pattern of a value of these sizes, or of one that has other axes in place of the last. */
export const axesText = ({ rank }: Sizes, last = 'w') =>
  `[${(rank === 3 ? ['b', 't'] : ['b']).concat(last === '' ? [] : [last]).join(', ')}]`;

/** An axis that is not the batch's, with its size. */
export function anyAxis(
  { rank, tokens, width }: Sizes,
  d: Draw,
): { readonly axis: number; readonly size: number } {
  const last = { axis: d.pick([-1, rank - 1]), size: width };
  return rank === 3 && d.chance(0.5) ? { axis: 1, size: tokens } : last;
}

/** `x[:, :, from:to]` */
export function cut(x: string, { rank }: Sizes, axis: number, part: string): string {
  const at = axis < 0 ? axis + rank : axis;
  return `${x}[${Array.from({ length: at + 1 }, (_, i) => (i === at ? part : ':')).join(', ')}]`;
}

/** One number for each row, as a column. */
export const asColumn = (x: string, s: Sizes) => `rearrange(${x}, ${axesText(s, '')} -> ${axesText(s, '1')})`;
