/**
 * Matrix products by subgroup matrices ("tensor cores"): tiles of both operands staged through workgroup
 * memory, each subgroup multiplies a grid of matrices, results pass through workgroup memory to the epilogue.
 *
 * Right for any M, N and K of a matrix, any layout and size of the operands: tiles lie in workgroup memory as
 * the operands do in storage and are read by rows or by columns, behind the end of K come zeros, and
 * results are stored element by element behind a guard. The matrices themselves hide their elements, hence
 * the way back through workgroup memory.
 */

import { linePadding } from '../../profile.ts';
import {
  arraySizes,
  invocationsOf,
  type MatrixTile,
  resultLines,
  subgroupGrid,
} from '../schedules/matrix.ts';
import type { KernelArg } from '../text/kernel.ts';
import type { TileText } from '../text/tile-text.ts';
import { upTo } from '../text/wgsl.ts';
import type { Contraction, Operand, ProductArgs, ResultPrinter } from './contraction.ts';
import { printLeftSums } from './left-sums.ts';
import { denseAxis, halfOffset, printStagedLoop, type TileArray } from './staging.ts';
import { printTilePlace, tileGrid } from './tile-grid.ts';
import { printPiece } from './walks/walk.ts';

/** WGSL extensions of these kernels; `f16` comes with the bindings. */
export function matrixExtensions({ subgroup }: MatrixTile): string[] {
  const asked = subgroup.known === 'asked' ? ['subgroup_size_control'] : [];
  return ['subgroups', ...asked, 'chromium_experimental_subgroup_matrix'];
}

interface MatrixArgs extends ProductArgs {
  /** Whether an operand's halves are read as such. */
  asStored(arg: KernelArg): boolean;
  /** Of functions. */
  readonly suffix: string;
}

interface Printed {
  readonly c: Contraction;
  readonly tile: MatrixTile;
  readonly a: TileArray;
  readonly b: TileArray;
  /** Elements from line to line of the result's array. */
  readonly resultPitch: number;
  readonly printer: ResultPrinter;
  readonly suffix: string;
}

function tileArray(
  tile: MatrixTile,
  operand: Operand,
  source: KernelArg,
  asStored: boolean,
  [array, extent]: readonly [string, number],
): TileArray {
  const element = tile.config.component;
  const along = tile.transposes && source.width === 4 ? 'k' : denseAxis(operand);
  return {
    array,
    source,
    asStored,
    extent,
    depth: tile.depth,
    along,
    pitch: (along === 'k' ? tile.depth : extent) + linePadding[element],
    element,
    packed: tile.packed && source.width === 4,
  };
}

/**
 * An array in workgroup memory. Matrix functions count offsets and strides in its elements, which may be
 * vec4s.
 */
function declared(name: string, element: string, size: number, packed: boolean) {
  return { name, element: packed ? `vec4<${element}>` : element, size: packed ? size / 4 : size };
}

/** Rows and columns of matrices that one subgroup keeps. */
function matrixGrid({ config, rowsPerSubgroup, columnsPerSubgroup }: MatrixTile): [number, number] {
  return [rowsPerSubgroup / config.m, columnsPerSubgroup / config.n];
}

/** Statements that only subgroups with a place in the tile execute, where there may be more of them. */
function bySubgroups({ tile }: Printed, lines: readonly string[]): string[] {
  const [down, across] = subgroupGrid(tile);
  if (tile.subgroup.known !== 'most') return [...lines];
  return [`if (subgroup < ${down * across}u) {`, ...lines, '}'];
}

/** `c0_0 += a * b` for the whole staged depth. */
function printProducts(printed: Printed): string[] {
  const { tile, a, b } = printed;
  const { m, n, k, component } = tile.config;
  const [rows, columns] = matrixGrid(tile);
  const load = (type: string, from: TileArray, first: string, rowsAre: 'outer' | 'k') => {
    const { array, along, packed } = from;
    const pitch = packed ? from.pitch / 4 : from.pitch;
    const unit = packed ? ' / 4u' : '';
    // Along a line is along a row of the matrix, or along a column of it.
    const order = (along === 'k') === (rowsAre === 'outer') ? 'row_major' : 'col_major';
    const at = along === 'k' ? `(${first}) * ${pitch}u + kk${unit}` : `kk * ${pitch}u + (${first})${unit}`;
    const place = halfOffset(from, tile.buffers) + at;
    return `subgroupMatrixLoad<${type}, ${order}>(&${array}, ${place}, ${pitch}u)`;
  };
  const left = `subgroup_matrix_left<${component}, ${k}, ${m}>`;
  const right = `subgroup_matrix_right<${component}, ${n}, ${k}>`;
  return bySubgroups(printed, [
    `for (var kk = 0u; kk < ${tile.depth}u; kk += ${k}u) {`,
    ...upTo(columns).map((j) => `let b${j} = ${load(right, b, `column + ${j * n}u`, 'k')};`),
    ...upTo(rows).flatMap((i) => [
      `{ let x = ${load(left, a, `row + ${i * m}u`, 'outer')};`,
      ...upTo(columns).map((j) => `c${i}_${j} = subgroupMatrixMultiplyAccumulate(x, b${j}, c${i}_${j});`),
      '}',
    ]),
    '}',
  ]);
}

/**
 * The matrices of every subgroup, one row of them at a time (of one row of subgroups, where memory is scarce): to
 * workgroup memory, and from there through the epilogue.
 */
function printResults(printed: Printed): string[] {
  const { tile, resultPitch, suffix } = printed;
  const { m, n } = tile.config;
  const [rows, columns] = matrixGrid(tile);
  const [down, across] = subgroupGrid(tile);
  const pitch = tile.packed ? resultPitch / 4 : resultPitch;
  const unit = tile.packed ? ' / 4u' : '';
  const own = tile.scarce ? '' : `subgroup / ${across}u * ${m * pitch}u + `;
  const stores = (i: number) =>
    upTo(columns).map(
      (j) =>
        `subgroupMatrixStore<row_major>(&r_tile, ${own}(column + ${j * n}u)${unit}, c${i}_${j}, ${pitch}u);`,
    );
  if (!tile.scarce)
    return upTo(rows).flatMap((i) => [
      ...(i === 0 ? [] : ['workgroupBarrier();']),
      ...bySubgroups(printed, stores(i)),
      'workgroupBarrier();',
      `store_rows${suffix}(batch, m_tile + ${i * m}u, n_tile, lane);`,
    ]);
  return upTo(rows).flatMap((i) => [
    `for (var down = 0u; down < ${down}u; down++) {`,
    'workgroupBarrier();',
    `if (subgroup / ${across}u == down) {`,
    ...stores(i),
    '}',
    'workgroupBarrier();',
    `store_rows${suffix}(batch, m_tile + down * ${tile.rowsPerSubgroup}u + ${i * m}u, n_tile, lane);`,
    '}',
  ]);
}

/** A function that takes the rows in `r_tile` through the epilogue to storage. */
function printStore({ c, tile, resultPitch, printer, suffix }: Printed): string {
  const { m } = tile.config;
  const vectors = tile.columns / 4;
  const parts = [0, 1, 2, 3].map((q) => `r_tile[at + ${q}u]`);
  const sum = tile.packed ? 'r_tile[at / 4u]' : `vec4<f32>(${parts.join(', ')})`;
  const lines = [
    `for (var t = lane; t < ${resultLines(tile) * vectors}u; t += ${invocationsOf(tile)}u) {`,
    `let line = t / ${vectors}u; let along = t % ${vectors}u * 4u;`,
    `let m = first + line / ${m}u * ${tile.rowsPerSubgroup}u + line % ${m}u; let n = n_tile + along;`,
    `if (m < ${c.m}u && n < ${c.n}u) {`,
    `let at = line * ${resultPitch}u + along; let sum = ${sum};`,
    ...printer.columnValues('n'),
    ...printer.store('sum', 'm', 'n'),
    '}',
    '}',
  ];
  return `fn store_rows${suffix}(batch: u32, first: u32, n_tile: u32, lane: u32) {
  ${lines.join('\n  ')}
}
`;
}

export function printMatrixTile(
  c: Contraction,
  tile: MatrixTile,
  args: MatrixArgs,
  printer: ResultPrinter,
): TileText {
  const { config, subgroup } = tile;
  const { suffix } = args;
  const a = tileArray(tile, c.a, args.a, args.asStored(args.a), ['a_tile', tile.rows]);
  const b = tileArray(tile, c.b, args.b, args.asStored(args.b), ['b_tile', tile.columns]);
  const printed: Printed = { c, tile, a, b, resultPitch: tile.columns + linePadding.f32, printer, suffix };
  const invocations = invocationsOf(tile);
  const { buffers } = tile;
  const scratch = { array: 'r_tile', packed: tile.packed };
  const sums = printLeftSums(c, { tile: a, buffers, invocations, scratch }, args.sums);
  const [, across] = subgroupGrid(tile);
  const [rows, columns] = matrixGrid(tile);
  const result = `subgroup_matrix_result<f32, ${config.n}, ${config.m}>`;
  const lines = [
    ...printTilePlace(c, tile.rows, 'y', 'm_tile'),
    `let n_tile = group.x * ${tile.columns}u;`,
    `let row = subgroup / ${across}u * ${tile.rowsPerSubgroup}u;`,
    `let column = subgroup % ${across}u * ${tile.columnsPerSubgroup}u;`,
    ...(c.walk?.kind === 'pixels' ? printPiece(c.walk) : []),
    ...upTo(rows).flatMap((i) => upTo(columns).map((j) => `var c${i}_${j}: ${result};`)),
    ...sums.start,
    ...printStagedLoop(c, { a, b, args, invocations, buffers }, [...printProducts(printed), ...sums.slice]),
    ...sums.finish,
    ...printResults(printed),
  ];
  const sizes = arraySizes(tile, { a: a.along, b: b.along });
  const asked = subgroup.known === 'asked' ? ` @subgroup_size(${subgroup.size})` : '';
  return {
    arrays: [
      declared('a_tile', config.component, sizes.a, a.packed),
      declared('b_tile', config.component, sizes.b, b.packed),
      declared('r_tile', 'f32', sizes.result, tile.packed),
    ],
    functions: printStore(printed),
    attributes: `@workgroup_size(${invocations})${asked}`,
    builtins: ', @builtin(subgroup_id) subgroup: u32',
    lines,
  };
}

export function matrixTileGrid(c: Contraction, tile: MatrixTile): [number, number, number] {
  return tileGrid(c, tile.rows, Math.ceil(c.n / tile.columns));
}
