/**
 * Where the elements of an implicit product lie, for staging into workgroup memory: element (`o`, `kk`) of an
 * operand.
 *
 * The counterpart of walk-cpu.ts: each invocation finds its own elements, since neighbours stage different
 * ones.
 */
import { coordinateOf } from '../../text/access.ts';
import { affine } from '../../text/wgsl.ts';
import {
  baseIndex,
  type Contraction,
  groupIndex,
  type PixelWalk,
  type TapWalk,
  type Walk,
} from '../contraction.ts';
import { windowPlace } from './walk.ts';

/** Of the left operand: `at` and `inside`. */
export function leftPlace(c: Contraction, walk: Walk): string[] {
  return walk.kind === 'taps' ? tapPlace(c, walk) : pixelPlace(c, walk);
}

/** `o` is a pixel, `kk` counts channels within taps. */
function tapPlace(c: Contraction, walk: TapWalk): string[] {
  const { kernel, stride, padding, transposed, image, channels } = walk;
  const [own, other] = transposed ? [walk.source, walk.grid] : [walk.grid, walk.source];
  const shape = [c.m / (own[0] * own[1]), ...own];
  const pixel = (axis: number) => `i32(${coordinateOf('o', shape, axis)})`;
  const first = (axis: number) =>
    transposed ? `${pixel(axis)} + ${padding}` : `${pixel(axis)} * ${stride} - ${padding}`;
  const taps = [...kernel, channels];
  return [
    `let y = ${first(1)}; let x = ${first(2)};`,
    windowPlace('sy', 'y', coordinateOf('kk', taps, 0), other[0], walk),
    windowPlace('sx', 'x', coordinateOf('kk', taps, 1), other[1], walk),
    `let inside = sy < ${other[0]}u && sx < ${other[1]}u;`,
    `let at = ${baseIndex(c.a, 'batch')} + ${affine(0, [
      [coordinateOf('o', shape, 0), image.batch],
      ['sy', image.row],
      ['sx', image.column],
      [coordinateOf('kk', taps, 2), c.a.inner],
    ])};`,
  ];
}

/** `kk` as a pixel of the grid, of the lines from `first_line` to `end_line`. */
function printPixel({ grid }: PixelWalk): string[] {
  return [
    `let line = first_line + kk / ${grid[1]}u; let j = kk % ${grid[1]}u;`,
    `let i = line % ${grid[0]}u; let picture = line / ${grid[0]}u;`,
  ];
}

/** `o` is a channel of the source, `kk` a pixel of the grid. */
function pixelPlace(c: Contraction, walk: PixelWalk): string[] {
  const { source, stride, padding, image } = walk;
  return [
    ...printPixel(walk),
    `let sy = u32(i32(i) * ${stride} + ky - ${padding});`,
    `let sx = u32(i32(j) * ${stride} + kx - ${padding});`,
    `let inside = line < end_line && sy < ${source[0]}u && sx < ${source[1]}u;`,
    `let at = ${baseIndex(c.a, 'batch')} + ${groupIndex('o', c.a.outer)} + ${affine(0, [
      ['picture', image.batch],
      ['sy', image.row],
      ['sx', image.column],
    ])};`,
  ];
}

/** Of the right operand where K runs over pixels: `o` is a channel of the grid. */
export function rightPlace(c: Contraction, walk: PixelWalk): string[] {
  const { right } = walk;
  return [
    ...printPixel(walk),
    'let inside = line < end_line;',
    `let at = ${baseIndex(c.b, 'batch')} + ${groupIndex('o', c.b.outer)} + ${affine(0, [
      ['picture', right.batch],
      ['i', right.row],
      ['j', right.column],
    ])};`,
  ];
}
