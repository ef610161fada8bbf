/**
 * Matrix products for GPUs: tiles of both operands staged through workgroup memory, a few rows by one or two
 * vec4s for each invocation.
 *
 * Staging reads along whichever axis is dense, so that neighbouring invocations touch neighbouring addresses
 * and transposed operands need no copy. Behind the end of K come zeros; stores are guarded. With two buffers the
 * next slice of K is loaded while this one is multiplied.
 */

import type { WorkgroupTile } from '../schedules/contract.ts';
import type { KernelArg } from '../text/kernel.ts';
import type { TileText } from '../text/tile-text.ts';
import { upTo } from '../text/wgsl.ts';
import type { Contraction, ProductArgs, ResultPrinter } from './contraction.ts';
import { printLeftSums } from './left-sums.ts';
import { printResultMoments, printRowNorm } from './normalised.ts';
import { halfOffset, printStagedLoop, type TileArray } from './staging.ts';
import { printTilePlace, tileGrid } from './tile-grid.ts';
import { printPiece } from './walks/walk.ts';

/** Tiles lie line by line of K, so that an invocation's columns are side by side. */
function tileArrays({ rows, columns, depth }: WorkgroupTile, args: ProductArgs) {
  const tile = (array: string, source: KernelArg, extent: number): TileArray => ({
    array,
    source,
    extent,
    depth,
    along: 'outer',
    pitch: extent + 4,
    element: 'f32',
    asStored: false,
    packed: source.width === 4,
  });
  return { a: tile('a_tile', args.a, rows), b: tile('b_tile', args.b, columns) };
}

/** Four neighbours of a tile in workgroup memory, `behind` elements behind a place (as the array counts). */
function four({ array, packed }: TileArray, at: string, behind: number): string {
  if (packed) return `${array}[${at} + ${behind / 4}u]`;
  return `vec4<f32>(${[0, 1, 2, 3].map((q) => `${array}[${at} + ${behind + q}u]`).join(', ')})`;
}

/** Multiplies a slice of both tiles; `half` is the one that holds it, where there are two. */
function printMultiply(
  tile: WorkgroupTile,
  { a, b }: { readonly a: TileArray; readonly b: TileArray },
  across: number,
): string[] {
  const { rows, vectors } = partsOf(tile);
  const at = (of: TileArray, first: string, size: number) => {
    const unit = of.packed ? 4 : 1;
    return `${halfOffset(of, tile.buffers)}kk * ${of.pitch / unit}u + ${first} * ${size / unit}u`;
  };
  return [
    `for (var kk = 0u; kk < ${tile.depth}u; kk++) {`,
    `let b_at = ${at(b, 'tx', 4)}; let a_at = ${at(a, 'ty', tile.rowsPerInvocation)};`,
    ...vectors.map((j) => `let b${j} = ${four(b, 'b_at', 4 * across * j)};`),
    ...rows.filter((i) => i % 4 === 0).map((i) => `let a${i / 4} = ${four(a, 'a_at', i)};`),
    ...rows.flatMap((i) => [
      `{ let x = vec4<f32>(a${Math.floor(i / 4)}[${i % 4}]);`,
      ...vectors.map((j) => `c${i}_${j} = fma(x, b${j}, c${i}_${j});`),
      '}',
    ]),
    '}',
  ];
}

/** Rows of an invocation, and its columns in vec4s: these lie apart, so that neighbours read side by side. */
function partsOf({ rowsPerInvocation, columnsPerInvocation }: WorkgroupTile) {
  return {
    rows: upTo(rowsPerInvocation),
    vectors: upTo(columnsPerInvocation / 4),
  };
}

export function printWorkgroupTile(
  c: Contraction,
  tile: WorkgroupTile,
  args: ProductArgs,
  printer: ResultPrinter,
): TileText {
  const across = tile.columns / tile.columnsPerInvocation;
  const down = tile.rows / tile.rowsPerInvocation;
  const invocations = across * down;
  const { rows, vectors } = partsOf(tile);
  const lines: string[] = [];
  lines.push(...printTilePlace(c, tile.rows, 'y', 'm_tile'), `let n_tile = group.x * ${tile.columns}u;`);
  lines.push(`let tx = lane % ${across}u;`, `let ty = lane / ${across}u;`);
  if (c.walk?.kind === 'pixels') lines.push(...printPiece(c.walk));
  const lanes = { index: 'lane', count: invocations };
  const norm = printRowNorm(c, tile.rows, 'm_tile', lanes);
  lines.push(...norm.lines);
  for (const i of rows) for (const j of vectors) lines.push(`var c${i}_${j} = vec4<f32>();`);
  const { a, b } = tileArrays(tile, args);
  const multiply = printMultiply(tile, { a, b }, across);
  const { buffers } = tile;
  // What is left of the last slice makes room for the chains.
  const scratch = { array: 'a_tile', packed: a.packed };
  const sums = printLeftSums(c, { tile: a, buffers, invocations, scratch }, args.sums);
  lines.push(
    ...sums.start,
    ...printStagedLoop(c, { a, b, args, invocations, buffers }, [...multiply, ...sums.slice]),
    ...sums.finish,
  );
  for (const i of rows)
    for (const j of vectors) {
      lines.push(`{ let m = m_tile + ty * ${tile.rowsPerInvocation}u + ${i}u;`);
      lines.push(`let n = n_tile + tx * 4u + ${4 * across * j}u;`);
      lines.push(
        `if (m < ${c.m}u && n < ${c.n}u) {`,
        ...printer.columnValues('n'),
        ...printer.store(`c${i}_${j}`, 'm', 'n'),
        '}',
        '}',
      );
    }
  const place = { rows: tile.rows, columns: tile.columns, m0: 'm_tile', n0: 'n_tile' };
  lines.push(...printResultMoments(c, place, lanes, printer, (count) => `${count}u`));
  const declared = ({ array, pitch, packed }: TileArray) => {
    const size = tile.buffers * tile.depth * pitch;
    return { name: array, element: packed ? 'vec4<f32>' : 'f32', size: packed ? size / 4 : size };
  };
  return {
    arrays: [declared(a), declared(b)],
    functions: norm.head,
    attributes: `@workgroup_size(${invocations})`,
    builtins: '',
    lines,
  };
}

export function workgroupTileGrid(c: Contraction, tile: WorkgroupTile): [number, number, number] {
  return tileGrid(c, tile.rows, Math.ceil(c.n / tile.columns));
}
