/**
 * Tiles of a product's operands in workgroup memory: each invocation loads its share of a tile, zeros behind
 * the end of K.
 *
 * Neighbouring invocations read along whichever axis is dense, so that transposed operands need no copy;
 * convolutions' windows are followed element by element. Shared by plain tiles (contract-gpu.ts) and subgroup
 * matrices (contract-matrix.ts), which differ in how the tile lies and what its elements are.
 */

import type { KernelArg } from '../text/kernel.ts';
import { load, loadStored, wgslType } from '../text/memory.ts';
import { upTo } from '../text/wgsl.ts';
import {
  baseIndex,
  type Contraction,
  groupIndex,
  type Operand,
  type ProductArgs,
  unitStride,
  vectorAligned,
} from './contraction.ts';
import { normalisedValue } from './normalised.ts';
import { type ElementPlace, leftPlace, rightPlace } from './walks/walk-gpu.ts';

/** One operand of a product, as it is staged. */
interface StagedOperand {
  readonly operand: Operand;
  /** Number of the first row or column of the tile, and how many the whole has. */
  readonly first: string;
  readonly bound: number;
  readonly place: ElementPlace;
  /** What is staged, over what was loaded as `raw`. */
  readonly value: string;
}

function stagedLeft(c: Contraction, args: ProductArgs, depth: number): StagedOperand {
  const place = c.walk === undefined ? affinePlace(c.a) : leftPlace(c, c.walk, depth);
  return { operand: c.a, first: 'm_tile', bound: c.m, place, value: normalisedValue(c, args) };
}

function stagedRight(c: Contraction): StagedOperand {
  const place = c.walk?.kind === 'pixels' ? rightPlace(c, c.walk) : affinePlace(c.b);
  return { operand: c.b, first: 'n_tile', bound: c.n, place, value: 'raw' };
}

/** An element of an operand whose K is one axis. */
function affinePlace(operand: Operand): ElementPlace {
  return {
    row: (o, id) => [`let row${id} = ${baseIndex(operand, 'batch')} + ${groupIndex(o, operand.outer)};`],
    step: () => [],
    at: (id) => `row${id} + kk * ${operand.inner}u`,
    inside: undefined,
    bounded: false,
  };
}

/** The axis along which neighbours lie side by side in memory, as far as the operand has one. */
export function denseAxis(operand: Operand): 'outer' | 'k' {
  return unitStride(operand.outer) ? 'outer' : 'k';
}

/** Whether the operands can be staged four elements at a time, along the axis on which they are dense. */
export function stagedVectors(c: Contraction): { readonly a: boolean; readonly b: boolean } {
  const { walk } = c;
  const whole = (...strides: number[]) => strides.every((n) => n % 4 === 0);
  const plain = (operand: Operand, bound: number) =>
    denseAxis(operand) === 'outer'
      ? bound % 4 === 0 && vectorAligned(operand, 'outer')
      : c.k % 4 === 0 && operand.inner === 1 && vectorAligned(operand, 'inner');
  // The channels of a pixel: K within a tap, or rows and columns of a product over pixels.
  const channels = (operand: Operand, bound: number, image: { batch: number; row: number; column: number }) =>
    whole(bound, operand.view.offset, image.batch, image.row, image.column, ...operand.batch.strides);
  if (walk?.kind === 'taps')
    return {
      a: denseAxis(c.a) === 'k' && c.a.inner === 1 && channels(c.a, walk.channels, walk.image),
      b: plain(c.b, c.n),
    };
  if (walk?.kind === 'pixels')
    return {
      a: unitStride(c.a.outer) && channels(c.a, c.m, walk.image),
      b: unitStride(c.b.outer) && channels(c.b, c.n, walk.right),
    };
  return { a: plain(c.a, c.m), b: plain(c.b, c.n) };
}

export interface TileArray {
  /** Name of the array in workgroup memory, and the argument that is read, four elements at a time or one. */
  readonly array: string;
  readonly source: KernelArg;
  /** Whether halves are read as such. */
  readonly asStored: boolean;
  /** Rows (or columns) and K of the tile. */
  readonly extent: number;
  readonly depth: number;
  /** The axis along a line of the array, and elements from line to line. */
  readonly along: 'outer' | 'k';
  readonly pitch: number;
  /** What the array's elements are; conversions are exact where the storage holds the same or less. */
  readonly element: 'f16' | 'f32';
  /** Whether the array is one of vec4s; only where the binding is. */
  readonly packed: boolean;
}

/** Elements of a tile in its array, padding included. */
function arraySize({ extent, depth, along, pitch }: TileArray): number {
  return (along === 'k' ? extent : depth) * pitch;
}

const typeOf = ({ source, element }: TileArray) => wgslType(source.width, element);

/**
 * What an invocation stages of a tile at a time: units `turn`, `turn + invocations`, ... A unit is one load, of an
 * element or a vec4; where lines of the array lie across the operand's dense axis, it is a block of four vec4s, which
 * are transposed in registers on their way.
 */
interface Shares {
  readonly tile: TileArray;
  readonly staged: StagedOperand;
  readonly invocations: number;
  /** Bound of the product's K. */
  readonly k: number;
  /** Number of the first unit, a name. */
  readonly turn: string;
  readonly count: number;
}

/** Loads that are in flight before the first is waited for, of both operands: each takes a register or two. */
const mostInFlight = 16;

type Staged = Pick<Shares, 'tile' | 'staged'>;

const isBlocked = ({ tile, staged }: Staged) =>
  tile.source.width === 4 && tile.along !== denseAxis(staged.operand);

/** Loads of a unit. */
const loadsOf = (of: Staged) => (isBlocked(of) ? 4 : 1);

const unitsOf = ({ tile, staged }: Staged) =>
  (tile.depth * tile.extent) / (tile.source.width * loadsOf({ tile, staged }));

/** Whether share number `i` lies behind the end of the tile for some invocation. */
function isPartial(shares: Shares, i: number): boolean {
  const { turn, count, invocations } = shares;
  const units = unitsOf(shares);
  return turn === 'lane' ? (i + 1) * invocations > units : units % (count * invocations) !== 0;
}

/** `outer` and `depth` of share number `i`, as expressions. */
function placeInTile(shares: Shares, i: number): { readonly outer: string; readonly depth: string } {
  const { tile, staged, invocations, turn } = shares;
  const axis = denseAxis(staged.operand);
  const [along, across] = axis === 'outer' ? [tile.extent, tile.depth] : [tile.depth, tile.extent];
  const blocked = isBlocked(shares);
  // Neighbours take eight blocks along and then go across: some of a line of memory, and different banks.
  const line = blocked ? Math.min(8, along / 4) : along / tile.source.width;
  const turns = line * (blocked ? across / 4 : across);
  const whole = invocations % turns === 0 || (!blocked && invocations % line === 0);
  const behind = i * invocations;
  const unit = isPartial(shares, i)
    ? `min(${turn} + ${behind}u, ${unitsOf(shares) - 1}u)`
    : whole || i === 0
      ? turn
      : `(${turn} + ${behind}u)`;
  const ahead = (size: number) => (unit === turn && i > 0 ? ` + ${behind / size}u` : '');
  const times = tile.source.width === 4 ? ' * 4u' : '';
  const dense = blocked
    ? `(${unit} % ${line}u + (${unit} / ${turns}u${ahead(turns)}) * ${line}u)${times}`
    : `${unit} % ${line}u${times}`;
  const other = blocked ? `${unit} / ${line}u % ${across / 4}u * 4u` : `${unit} / ${line}u${ahead(line)}`;
  return axis === 'outer' ? { outer: dense, depth: other } : { outer: other, depth: dense };
}

const nameOf = ({ tile }: Shares, i: number, load: number) => `${tile.array}_${i}_${load}`;

/**
 * Statements for what share number `i` needs whatever K is. Behind an edge it is the last row (or column):
 * its results are not stored.
 */
function printRow(shares: Shares, i: number): string[] {
  const { tile, staged } = shares;
  const dense = denseAxis(staged.operand);
  const last = staged.bound - (dense === 'outer' ? tile.source.width : 1);
  return upTo(dense === 'k' ? loadsOf(shares) : 1).flatMap((load) => {
    const name = nameOf(shares, i, load);
    const row = `${staged.first} + (${placeInTile(shares, i).outer}) + ${load}u`;
    return [
      `let o_${name} = ${staged.bound % tile.extent === 0 ? row : `min(${row}, ${last}u)`};`,
      ...staged.place.row(`o_${name}`, `_${name}`),
    ];
  });
}

/**
 * Statements that load share number `i` of the tile at `k0` into variables, without a branch, so that compilers
 * let all loads run before they wait for one: what lies outside is read somewhere inside, and zero is taken.
 */
function printFetch(shares: Shares, i: number): string[] {
  return upTo(loadsOf(shares)).flatMap((load) => printLoad(shares, i, load));
}

function printLoad(shares: Shares, i: number, number: number): string[] {
  const { tile, staged, k } = shares;
  const { source, asStored, element } = tile;
  const { place, operand } = staged;
  const dense = denseAxis(operand);
  const { outer, depth } = placeInTile(shares, i);
  const at = source.width === 4 ? 'at / 4u' : 'at';
  const loaded = asStored ? loadStored(source, at) : load(source, at);
  const raw = element === (asStored ? source.storage.dtype : 'f32') ? loaded : `${typeOf(tile)}(${loaded})`;
  // Pixels behind the end of K are outside of their lines.
  const rest = k % tile.depth !== 0 && !place.bounded;
  const last = k - (dense === 'k' ? source.width : 1);
  const tests = [rest ? `k0 + depth < ${k}u` : undefined, place.inside].filter((test) => test !== undefined);
  const name = nameOf(shares, i, number);
  const id = `_${nameOf(shares, i, dense === 'k' ? number : 0)}`;
  const address = place.at(id);
  const [down, right] = dense === 'k' ? [number, 0] : [0, number];
  return [
    `var ${name}: ${typeOf(tile)};`,
    `{ let outer = ${outer} + ${down}u; let depth = ${depth} + ${right}u;`,
    `let kk = ${rest ? `min(k0 + depth, ${last}u)` : 'k0 + depth'};`,
    ...place.step(id),
    ...(tests.length === 0 ? [] : [`let inside = ${tests.join(' && ')};`]),
    `let at = ${place.inside === undefined ? address : `select(0u, ${address}, inside)`};`,
    `let raw = ${raw};`,
    `${name} = ${tests.length === 0 ? staged.value : `select(${typeOf(tile)}(), ${staged.value}, inside)`}; }`,
  ];
}

/** Statements that store share number `i` in the array, `base` elements behind its start. */
function printKeep(shares: Shares, i: number, base = ''): string[] {
  const { tile, staged, invocations, turn } = shares;
  const { array, along, pitch, source, packed } = tile;
  const { outer, depth } = placeInTile(shares, i);
  const [line, place] = along === 'outer' ? ['depth', 'outer'] : ['outer', 'depth'];
  const to = (q: number) => `${base}(${line} + ${q}u) * ${pitch}u + ${place}`;
  const vectors = isBlocked({ tile, staged })
    ? upTo(4).map((q) => {
        const parts = upTo(4).map((load) => `${nameOf(shares, i, load)}[${q}]`);
        return { at: to(q), value: `${typeOf(tile)}(${parts.join(', ')})` };
      })
    : [{ at: to(0), value: nameOf(shares, i, 0) }];
  const head = isPartial(shares, i) ? `if (${turn} + ${i * invocations}u < ${unitsOf(shares)}u) ` : '';
  const lines = vectors.flatMap(({ at, value }) => {
    if (source.width === 1) return [`${array}[${at}] = ${value};`];
    if (packed) return [`${array}[(${at}) / 4u] = ${value};`];
    return [
      `{ let to = ${at}; let four = ${value};`,
      ...upTo(4).map((q) => `${array}[to + ${q}u] = four[${q}];`),
      '}',
    ];
  });
  return [`${head}{ let outer = ${outer}; let depth = ${depth};`, ...lines, '}'];
}

/** Both operands' tiles and how a workgroup goes through K with them. */
interface StagedLoop {
  readonly a: TileArray;
  readonly b: TileArray;
  readonly args: ProductArgs;
  readonly invocations: number;
  /**
   * 2: the next slice of K is on its way while one is multiplied, and one barrier a slice is enough; the
   * units of each tile divide evenly among the invocations, and the arrays hold two tiles.
   */
  readonly buffers: 1 | 2;
}

/**
 * WGSL that is added to a place in a tile's array (as the array counts): the half that is multiplied, where
 * there are two.
 */
export function halfOffset(tile: TileArray, buffers: 1 | 2): string {
  return buffers === 2 ? `half * ${arraySize(tile) / (tile.packed ? 4 : 1)}u + ` : '';
}

/** The loop over slices of K around `multiply`, barriers included. */
export function printStagedLoop(c: Contraction, loop: StagedLoop, multiply: readonly string[]): string[] {
  const { a, b, args, invocations, buffers } = loop;
  const all = (tile: TileArray, staged: StagedOperand): Shares => {
    const count = Math.ceil(unitsOf({ tile, staged }) / invocations);
    return { tile, staged, invocations, k: c.k, turn: 'lane', count };
  };
  const shares = [all(a, stagedLeft(c, args, a.depth)), all(b, stagedRight(c))];
  const each = (print: (of: Shares, i: number) => string[]) =>
    shares.flatMap((of) => upTo(of.count).flatMap((i) => print(of, i)));
  const slices = Math.ceil(c.k / a.depth);
  if (buffers === 1) {
    const few = shares.every((of) => of.count * loadsOf(of) <= mostInFlight / 2);
    return [
      ...(few ? each(printRow) : []),
      `for (var k0 = 0u; k0 < ${c.k}u; k0 += ${a.depth}u) {`,
      ...(few ? [...each(printFetch), ...each((of, i) => printKeep(of, i))] : shares.flatMap(printInTurns)),
      'workgroupBarrier();',
      ...multiply,
      'workgroupBarrier();',
      '}',
    ];
  }
  const keep = (half: string) => each((of, i) => printKeep(of, i, `${half} * ${arraySize(of.tile)}u + `));
  // Behind the last slice it comes once more, and nobody reads it.
  return [
    ...each(printRow),
    '{ let k0 = 0u;',
    ...each(printFetch),
    ...keep('0u'),
    '}',
    'workgroupBarrier();',
    `for (var slice = 0u; slice < ${slices}u; slice++) {`,
    `let half = slice % 2u; let k0 = min(slice + 1u, ${slices - 1}u) * ${a.depth}u;`,
    ...each(printFetch),
    ...multiply,
    ...keep('(1u - half)'),
    'workgroupBarrier();',
    '}',
  ];
}

/** A tile of many shares, some of them in each turn of a loop. */
function printInTurns(all: Shares): string[] {
  const most = mostInFlight / 2 / loadsOf(all);
  const turns: Shares = { ...all, turn: 'turn', count: Math.min(all.count, most) };
  const each = (print: (of: Shares, i: number) => string[]) =>
    upTo(turns.count).flatMap((i) => print(turns, i));
  return [
    `for (var turn = lane; turn < ${unitsOf(all)}u; turn += ${turns.count * all.invocations}u) {`,
    ...each(printRow),
    ...each(printFetch),
    ...each((of, i) => printKeep(of, i)),
    '}',
  ];
}
