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

/**
 * How an element's address comes about, in two parts: what follows from its row (or column), once, and what
 * its place along K adds.
 */
export interface ElementPlace {
  /** Statements over `o`, a name; the names that they declare end on `id`. */
  readonly row: (o: string, id: string) => readonly string[];
  /** Statements over `k0`, `depth` and `kk`, their sum, and over the row's. */
  readonly step: (id: string) => readonly string[];
  /** Expressions: the address, and whether there is an element. */
  readonly at: (id: string) => string;
  readonly inside: string | undefined;
  /** Whether what lies behind the end of K is not `inside`. */
  readonly bounded: boolean;
}

/** Of the left operand. `depth` is that of the tile, of which `k0` is a multiple. */
export function leftPlace(c: Contraction, walk: Walk, depth: number): ElementPlace {
  return walk.kind === 'taps' ? tapPlace(c, walk, depth) : pixelPlace(c, walk);
}

/** `o` is a pixel, `kk` counts channels within taps. */
function tapPlace(c: Contraction, walk: TapWalk, depth: number): ElementPlace {
  const { kernel, stride, padding, transposed, image, channels } = walk;
  const [own, other] = transposed ? [walk.source, walk.grid] : [walk.grid, walk.source];
  const shape = [c.m / (own[0] * own[1]), ...own];
  const first = (o: string, axis: number) => {
    const pixel = `i32(${coordinateOf(o, shape, axis)})`;
    return transposed ? `${pixel} + ${padding}` : `${pixel} * ${stride} - ${padding}`;
  };
  const taps = [...kernel, channels];
  // A tile within one tap: the tap is the same for all invocations.
  const [within, channel] =
    channels % depth === 0 ? ['k0', `k0 % ${channels}u + depth`] : ['kk', coordinateOf('kk', taps, 2)];
  return {
    row: (o, id) => [
      `let y${id} = ${first(o, 1)}; let x${id} = ${first(o, 2)};`,
      `let picture${id} = ${baseIndex(c.a, 'batch')} + ${coordinateOf(o, shape, 0)} * ${image.batch}u;`,
    ],
    step: (id) => [
      windowPlace('sy', `y${id}`, coordinateOf(within, taps, 0), other[0], walk),
      windowPlace('sx', `x${id}`, coordinateOf(within, taps, 1), other[1], walk),
    ],
    at: (id) =>
      `picture${id} + ${affine(0, [
        ['sy', image.row],
        ['sx', image.column],
        [`(${channel})`, c.a.inner],
      ])}`,
    inside: `sy < ${other[0]}u && sx < ${other[1]}u`,
    bounded: false,
  };
}

/** `kk` as a pixel of the grid, of the lines from `first_line` to `end_line`. */
function printPixel({ grid }: PixelWalk): string[] {
  return [
    `let line = first_line + kk / ${grid[1]}u; let j = kk % ${grid[1]}u;`,
    `let i = line % ${grid[0]}u; let picture = line / ${grid[0]}u;`,
  ];
}

/** `o` is a channel of the source, `kk` a pixel of the grid. */
function pixelPlace(c: Contraction, walk: PixelWalk): ElementPlace {
  const { source, stride, padding, image } = walk;
  return {
    row: (o, id) => [`let row${id} = ${baseIndex(c.a, 'batch')} + ${groupIndex(o, c.a.outer)};`],
    step: () => [
      ...printPixel(walk),
      `let sy = u32(i32(i) * ${stride} + ky - ${padding});`,
      `let sx = u32(i32(j) * ${stride} + kx - ${padding});`,
    ],
    at: (id) =>
      `row${id} + ${affine(0, [
        ['picture', image.batch],
        ['sy', image.row],
        ['sx', image.column],
      ])}`,
    inside: `line < end_line && sy < ${source[0]}u && sx < ${source[1]}u`,
    bounded: true,
  };
}

/** Of the right operand where K runs over pixels: `o` is a channel of the grid. */
export function rightPlace(c: Contraction, walk: PixelWalk): ElementPlace {
  const { right } = walk;
  return {
    row: (o, id) => [`let row${id} = ${baseIndex(c.b, 'batch')} + ${groupIndex(o, c.b.outer)};`],
    step: () => printPixel(walk),
    at: (id) =>
      `row${id} + ${affine(0, [
        ['picture', right.batch],
        ['i', right.row],
        ['j', right.column],
      ])}`,
    inside: 'line < end_line',
    bounded: true,
  };
}
