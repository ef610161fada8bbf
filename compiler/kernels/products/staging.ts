/**
 * Tiles of a product's operands in workgroup memory: each invocation loads its share of a tile, zeros where
 * the operand ends.
 *
 * Neighbouring invocations read along whichever axis is dense, so that transposed operands need no copy;
 * convolutions' windows are followed element by element. Shared by plain tiles (contract-gpu.ts) and subgroup
 * matrices (contract-matrix.ts), which differ in how the tile lies and what its elements are.
 */
import type { KernelArg } from '../text/kernel.ts';
import { load, loadStored, wgslType } from '../text/memory.ts';
import {
  baseIndex,
  type Contraction,
  groupIndex,
  type Operand,
  type ProductArgs,
  unitStride,
} from './contraction.ts';
import { normalisedValue } from './normalised.ts';
import { leftPlace, rightPlace } from './walks/walk-gpu.ts';

/** One operand of a product, as it is staged. */
interface StagedOperand {
  readonly operand: Operand;
  /** Number of the first row or column of the tile, and how many the whole has. */
  readonly first: string;
  readonly bound: number;
  /**
   * Statements that leave the address of element (`o`, `kk`) in `at`, and in `inside` whether there is one.
   */
  readonly place: readonly string[];
  /** What is staged, over what was loaded as `raw`. */
  readonly value: string;
}

function stagedLeft(c: Contraction, args: ProductArgs): StagedOperand {
  const place = c.walk === undefined ? affinePlace(c.a) : leftPlace(c, c.walk);
  return { operand: c.a, first: 'm_tile', bound: c.m, place, value: normalisedValue(c, args) };
}

function stagedRight(c: Contraction): StagedOperand {
  const place = c.walk?.kind === 'pixels' ? rightPlace(c, c.walk) : affinePlace(c.b);
  return { operand: c.b, first: 'n_tile', bound: c.n, place, value: 'raw' };
}

/** An element of an operand whose K is one axis. */
function affinePlace(operand: Operand): string[] {
  const address = `${baseIndex(operand, 'batch')} + ${groupIndex('o', operand.outer)} + kk * ${operand.inner}u`;
  return [`let at = ${address}; let inside = true;`];
}

/** The axis along which neighbours lie side by side in memory, as far as the operand has one. */
export function denseAxis(operand: Operand): 'outer' | 'k' {
  return unitStride(operand.outer) ? 'outer' : 'k';
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

/** `outer` and `depth` of unit number `t` of the tile, a unit being an element or a vec4. */
function printUnit(tile: TileArray, { operand }: StagedOperand): string {
  const { extent, depth } = tile;
  const lanes = tile.source.width;
  const times = lanes === 4 ? ' * 4u' : '';
  return denseAxis(operand) === 'outer'
    ? `let outer = t % ${extent / lanes}u${times}; let depth = t / ${extent / lanes}u;`
    : `let outer = t / ${depth / lanes}u; let depth = t % ${depth / lanes}u${times};`;
}

/** Statements that load unit number `t` of the tile at `k0` into a variable that is zero before. */
function printLoad(tile: TileArray, staged: StagedOperand, k: number, into: string): string[] {
  const { source, asStored, element } = tile;
  const at = source.width === 4 ? 'at / 4u' : 'at';
  const loaded = asStored ? loadStored(source, at) : load(source, at);
  const value = element === (asStored ? source.storage.dtype : 'f32') ? loaded : `${typeOf(tile)}(${loaded})`;
  return [
    printUnit(tile, staged),
    `let o = ${staged.first} + outer; let kk = k0 + depth;`,
    `if (o < ${staged.bound}u && kk < ${k}u) {`,
    ...staged.place,
    `if (inside) { let raw = ${value}; ${into} = ${staged.value}; }`,
    '}',
  ];
}

/** Statements that store a unit at (`outer`, `depth`) of the array, `base` elements behind its start. */
function printStore({ array, along, pitch, source, packed }: TileArray, value: string, base = ''): string[] {
  const to = base + (along === 'outer' ? `depth * ${pitch}u + outer` : `outer * ${pitch}u + depth`);
  if (source.width === 1) return [`${array}[${to}] = ${value};`];
  if (packed) return [`${array}[(${to}) / 4u] = ${value};`];
  return [`let to = ${to};`, ...[0, 1, 2, 3].map((q) => `${array}[to + ${q}u] = ${value}[${q}];`)];
}

/**
 * Loads the tile that begins at `k0` into its array. `lane` numbers the workgroup's `invocations`; `k` bounds
 * the product's K.
 */
function printStaging(tile: TileArray, staged: StagedOperand, invocations: number, k: number): string[] {
  return [
    `for (var t = lane; t < ${(tile.depth * tile.extent) / tile.source.width}u; t += ${invocations}u) {`,
    `var value = ${typeOf(tile)}();`,
    ...printLoad(tile, staged, k, 'value'),
    ...printStore(tile, 'value'),
    '}',
  ];
}

/**
 * The same in two halves: an invocation's share of the tile goes to registers, and from there to the array's
 * half at `base`.
 */
function printShares(tile: TileArray, staged: StagedOperand, invocations: number, k: number, base: string) {
  const units = (tile.depth * tile.extent) / tile.source.width;
  const shares = Array.from({ length: units / invocations }, (_, i) => i);
  const name = (i: number) => `${tile.array}_${i}`;
  const each = (i: number, statements: readonly string[]) => [
    `{ let t = lane + ${i * invocations}u;`,
    ...statements,
    '}',
  ];
  const fetch = shares.flatMap((i) => [
    `var ${name(i)} = ${typeOf(tile)}();`,
    ...each(i, printLoad(tile, staged, k, name(i))),
  ]);
  const keep = shares.flatMap((i) =>
    each(i, [printUnit(tile, staged), ...printStore(tile, name(i), `${base} + `)]),
  );
  return { fetch, keep };
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
  const [left, right] = [stagedLeft(c, args), stagedRight(c)];
  if (buffers === 1)
    return [
      `for (var k0 = 0u; k0 < ${c.k}u; k0 += ${a.depth}u) {`,
      ...printStaging(a, left, invocations, c.k),
      ...printStaging(b, right, invocations, c.k),
      'workgroupBarrier();',
      ...multiply,
      'workgroupBarrier();',
      '}',
    ];
  const shares = (half: string) => [
    printShares(a, left, invocations, c.k, `${half} * ${arraySize(a)}u`),
    printShares(b, right, invocations, c.k, `${half} * ${arraySize(b)}u`),
  ];
  const first = shares('0u');
  const next = shares('(1u - half)');
  // Behind the last slice come zeros, which nobody reads.
  return [
    '{ let k0 = 0u;',
    ...first.flatMap(({ fetch }) => fetch),
    ...first.flatMap(({ keep }) => keep),
    '}',
    'workgroupBarrier();',
    `for (var slice = 0u; slice < ${Math.ceil(c.k / a.depth)}u; slice++) {`,
    `let half = slice % 2u; let k0 = (slice + 1u) * ${a.depth}u;`,
    ...next.flatMap(({ fetch }) => fetch),
    ...multiply,
    ...next.flatMap(({ keep }) => keep),
    'workgroupBarrier();',
    '}',
  ];
}
