/**
 * How K runs through an image in register-tiled products: the loop nests of implicit convolutions.
 *
 * A row of the tile is a pixel whose window moves tap by tap (forward and the image's gradient), or a channel
 * that is summed over all pixels (the filters' gradient). Everything that decides an address is the same for
 * all lanes, so the tests for the padding cost scalar instructions only, once for each tap or line and not
 * for each channel.
 */
import { coordinateOf } from '../../text/access.ts';
import { affine, upTo } from '../../text/wgsl.ts';
import { baseIndex, type Contraction, type PixelWalk, type TapWalk } from '../contraction.ts';
import { printPiece, windowPlace } from './walk.ts';

interface Side {
  /** Stride of the innermost loop, in elements. */
  readonly inner: number;
  /** Name of what the outer loops add to an address, in elements. */
  readonly shift?: string;
}

/** Loops over K, with a variable `k` in the innermost. */
export interface LoopNest {
  /** Statements in front of the loops, behind `row0`, `row1`, ... */
  readonly setup: readonly string[];
  readonly open: readonly string[];
  /** Loops (and blocks) to close. */
  readonly depth: number;
  /**
   * Of these, counted from the innermost, those whose sum is taken apart and then added to the total; 0 where
   * K is one short sum.
   */
  readonly apart: number;
  /** With `rows`, each row of the left tile has an address of its own and a condition on which it counts. */
  readonly a: Side & { readonly rows?: readonly { readonly at: string; readonly valid: string }[] };
  readonly b: Side;
}

/** The loop bound for a count, hidden from unrollers where it is short. */
type Bound = (count: number) => string;

/**
 * Steps of K that are summed before the sum joins a total. A chain of n terms of either sign is off by √(n /
 * 2) roundings: one of 1152 by 24, 18 of 64 by 6. Joining costs about as much as a step and a half of K does.
 */
export const shortSum = 64;

/** K along one axis. */
export function plainLoop({ k }: Contraction, bound: Bound): Pick<LoopNest, 'open' | 'depth' | 'apart'> {
  if (k < 2 * shortSum) return { open: [`for (var k = 0u; k < ${bound(k)}; k++) {`], depth: 1, apart: 0 };
  const open = [
    `for (var short = 0u; short < ${k}u; short += ${shortSum}u) {`,
    `let short_end = min(short + ${shortSum}u, ${k}u);`,
    'for (var k = short; k < short_end; k++) {',
  ];
  return { open, depth: 2, apart: 1 };
}

/** Rows are pixels; K = taps × channels. */
export function tapLoop(c: Contraction, walk: TapWalk, rows: number, bound: Bound): LoopNest {
  const { kernel, stride, padding, transposed, image, channels } = walk;
  const [own, other] = transposed ? [walk.source, walk.grid] : [walk.grid, walk.source];
  const each = upTo(rows);
  const setup = each.flatMap((i) => {
    const shape = [c.m / (own[0] * own[1]), ...own];
    const at = (axis: number) => coordinateOf(`row${i}`, shape, axis);
    const first = (pixel: string) =>
      transposed ? `i32(${pixel}) + ${padding}` : `i32(${pixel}) * ${stride} - ${padding}`;
    return [
      `let image${i} = ${baseIndex(c.a, 'batch')} + ${at(0)} * ${image.batch}u;`,
      `let y${i} = ${first(at(1))}; let x${i} = ${first(at(2))};`,
    ];
  });
  const open = [
    `for (var ky = 0u; ky < ${bound(kernel[0])}; ky++) {`,
    ...each.map((i) => windowPlace(`sy${i}`, `y${i}`, 'ky', other[0], walk)),
    `for (var kx = 0u; kx < ${bound(kernel[1])}; kx++) {`,
    ...each.map((i) => windowPlace(`sx${i}`, `x${i}`, 'kx', other[1], walk)),
    ...each.map(
      (i) =>
        `let inside${i} = (sy${i} < ${other[0]}u) & (sx${i} < ${other[1]}u); let at${i} = image${i} + select(0u, sy${i} * ${image.row}u + sx${i} * ${image.column}u, inside${i});`,
    ),
    `let tap = (ky * ${kernel[1]}u + kx) * ${channels * c.b.inner}u;`,
    `for (var k = 0u; k < ${bound(channels)}; k++) {`,
  ];
  const places = each.map((i) => ({ at: `at${i}`, valid: `inside${i}` }));
  return {
    setup,
    open,
    depth: 3,
    apart: channels >= shortSum ? 1 : kernel[1] * channels >= shortSum ? 2 : 0,
    a: { inner: c.a.inner, rows: places },
    b: { inner: c.b.inner, shift: 'tap' },
  };
}

/**
 * Rows are channels; K = pixels of the grid, line by line, without those whose window lies in the padding.
 */
export function pixelLoop(walk: PixelWalk, bound: Bound): LoopNest {
  const { grid, source, stride, padding, image, right } = walk;
  const setup = [
    ...printPiece(walk),
    // Columns of the grid whose tap lies inside the source.
    `let first = u32(max(${padding + stride - 1} - kx, 0)) / ${stride}u;`,
    `let end = u32(clamp(${source[1] - 1 + padding + stride} - kx, 0, ${grid[1] * stride})) / ${stride}u;`,
    `let columns = min(max(end, first) - first, ${bound(grid[1])});`,
    `let first_source = u32(i32(first) * ${stride} + kx - ${padding});`,
  ];
  const open = [
    'for (var line = first_line; line < end_line; line++) {',
    `let i = line % ${grid[0]}u; let picture = line / ${grid[0]}u;`,
    `let sy = u32(i32(i) * ${stride} + ky - ${padding});`,
    `if (sy >= ${source[0]}u) { continue; }`,
    `let left = ${affine(0, [
      ['picture', image.batch],
      ['sy', image.row],
      ['first_source', image.column],
    ])};`,
    `let right = ${affine(0, [
      ['picture', right.batch],
      ['i', right.row],
      ['first', right.column],
    ])};`,
    'for (var k = 0u; k < columns; k++) {',
  ];
  return {
    setup,
    open,
    depth: 2,
    apart: grid[1] >= shortSum ? 1 : 0,
    a: { inner: image.column * stride, shift: 'left' },
    b: { inner: right.column, shift: 'right' },
  };
}
