/** What a case of a word is, and the shapes that most of them have. */

export const sizes = ['small', 'odd', 'large'] as const;
export type Size = (typeof sizes)[number];

type Shape = readonly number[];
/** One for each size. */
export type Sized<T> = readonly [small: T, odd: T, large: T];

export interface WordCase {
  readonly expression: string | Sized<string>;
  /** By name: `w0`, ... of floats; `i0`, ... of whole numbers; `s0`, ... buffers, which are positive. */
  readonly shapes: Readonly<Record<string, Sized<Shape>>>;
  /** Of the floats, [-2, 2) by default: where the word is smooth all but surely. */
  readonly range?: readonly [low: number, high: number];
  /** Weights that mixed precision has as halves (`graphOf`): `w0` by default. */
  readonly activations?: readonly string[];
  readonly batch?: Sized<number>;
  readonly training?: true;
  /** Why its gradient is not the derivative. */
  readonly noDerivative?: string;
}

export const cube: Sized<Shape> = [
  [3, 5, 7],
  [3, 5, 1025],
  [1, 3, 65536],
];
export const row: Sized<Shape> = [[7], [1025], [65536]];
/** As a cube, with as much along the axis in the middle. */
export const deep: Sized<Shape> = [
  [3, 7, 5],
  [3, 257, 5],
  [3, 4099, 16],
];
/** Few long rows: they are sorted, or masked. */
export const rows: Sized<Shape> = [
  [2, 3, 9],
  [2, 3, 1025],
  [1, 2, 65536],
];
export const square: Sized<Shape> = [
  [2, 5, 5],
  [2, 33, 257],
  [2, 129, 2049],
];
export const images: Sized<Shape> = [
  [2, 3, 5, 7],
  [2, 5, 33, 37],
  [2, 24, 65, 97],
];
export const channels: Sized<Shape> = [[3], [5], [24]];

export const positive = [0.5, 2] as const;

export function of(
  expression: WordCase['expression'],
  shapes: WordCase['shapes'] = { w0: cube },
  more: Omit<WordCase, 'expression' | 'shapes'> = {},
): WordCase {
  return { expression, shapes, ...more };
}
