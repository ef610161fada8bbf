/**
 * Products for SwiftShader: four invocations, which are one of its SIMD batches, share what they load.
 *
 * There a load of four lanes costs as much as a dozen fmas, wherever the lanes read (its JIT gathers one by one), and
 * workgroup memory as much again. So each lane loads its own rows of the left operand and its own four columns of the right
 * one, and the columns go round the lanes by quad swaps, which are free: every load meets all four of the other
 * side. Variables that live through a loop cost a masked copy each time round, hence four steps of K at a time.
 */
import { type QuadTile, quadSize } from '../schedules/contract.ts';
import { load } from '../text/memory.ts';
import { hiddenBound, upTo } from '../text/wgsl.ts';
import { axesOf, guarded, mapsInPlace, zeroOf } from './contract-cpu.ts';
import {
  baseIndex,
  type Contraction,
  groupIndex,
  type ProductArgs,
  type ResultPrinter,
} from './contraction.ts';
import { printTilePlace } from './tile-grid.ts';
import { shortSum } from './walks/walk-cpu.ts';

/** Steps of K in one turn of the loop. */
const steps = 4;
/** The columns of the lane that differs from one's own by these bits. */
const swaps = ['', 'quadSwapX', 'quadSwapY', 'quadSwapDiagonal'];

interface Parts {
  /** Rows of one lane, four apart. */
  readonly rows: readonly number[];
  /** Vec4s of columns of one lane, sixteen apart. */
  readonly vectors: readonly number[];
  /** Names of the sums. */
  readonly sums: readonly string[];
}

function partsOf(tile: QuadTile): Parts {
  const [rows, vectors] = [upTo(tile.rows / quadSize), upTo(tile.columns / (4 * quadSize))];
  const sums = rows.flatMap((i) => vectors.flatMap((v) => swaps.map((_, x) => `${i}_${v}_${x}`)));
  return { rows, vectors, sums };
}

export function printQuadTile(
  c: Contraction,
  tile: QuadTile,
  args: ProductArgs,
  printer: ResultPrinter,
): string {
  const parts = partsOf(tile);
  const [across, down] = axesOf(tile);
  const zero = zeroOf(c, tile.rows);
  const body = [
    `let n0 = group.${across} * ${tile.columns}u;`,
    ...printTilePlace(c, tile.rows, down, 'm0'),
    ...printPlaces(c, parts),
    ...parts.sums.map((s) => `var c${s} = vec4<f32>();`),
    ...printSums(c, parts, args, zero),
    ...keepRows(c, tile, parts, printer),
    ...mapKept(c, tile, printer, zero),
  ];
  return `@compute @workgroup_size(${quadSize})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) own: u32) {
  ${body.join('\n  ')}
}
`;
}

/** Addresses of the lane's rows and columns; what lies behind an edge reads the last one and is not stored. */
function printPlaces(c: Contraction, { rows, vectors }: Parts): string[] {
  const row = (i: number) => groupIndex(`min(m0 + ${quadSize * i}u + own, ${c.m - 1}u)`, c.a.outer);
  const column = (v: number) => `min(n0 + ${4 * quadSize * v}u + 4u * own, ${c.n - 4}u)`;
  return [
    ...rows.flatMap((i) => [`let a_at${i} = ${baseIndex(c.a, 'batch')} + ${row(i)};`]),
    ...vectors.map((v) => `let b_at${v} = (${baseIndex(c.b, 'batch')} + ${column(v)}) / 4u;`),
  ];
}

/** The loop over K, whose long sums are made of short ones as in all tiles. */
function printSums(c: Contraction, parts: Parts, args: ProductArgs, zero: string): string[] {
  const { k } = c;
  const apart = k >= 2 * shortSum;
  const turn = upTo(steps).flatMap((step) => printStep(c, parts, args, step));
  const loops = (first: string) => [
    ...(k < steps
      ? []
      : [
          `for (var k = ${first}; k + ${steps}u <= k_end; k += ${steps}u) {`,
          ...printStrides(c),
          ...turn,
          '}',
        ]),
    ...(k % steps === 0
      ? []
      : [
          `for (var k = k_end / ${steps}u * ${steps}u; k < k_end; k++) {`,
          ...printStrides(c),
          ...printStep(c, parts, args, 0),
          '}',
        ]),
  ];
  if (!apart) return [`let k_end = ${k > shortSum ? `${k}u` : hiddenBound(k, zero)};`, ...loops('0u')];
  return [
    ...parts.sums.map((s) => `var total${s} = vec4<f32>();`),
    `for (var short = 0u; short < ${k}u; short += ${shortSum}u) {`,
    `let k_end = min(short + ${shortSum}u, ${k}u);`,
    ...loops('short'),
    ...parts.sums.map((s) => `total${s} += c${s}; c${s} = vec4<f32>();`),
    '}',
    ...parts.sums.map((s) => `c${s} = total${s};`),
  ];
}

function printStrides({ a, b }: Contraction): string[] {
  return [`let a_k = k * ${a.inner}u;`, `let b_k = k * ${b.inner / 4}u;`];
}

function printStep(
  { a, b }: Contraction,
  { rows, vectors }: Parts,
  args: ProductArgs,
  step: number,
): string[] {
  const from = (at: string, name: string, stride: number) => `${at} + (${name} + ${step * stride}u)`;
  return [
    '{',
    ...rows.map((i) => `let a${i} = ${load(args.a, from(`a_at${i}`, 'a_k', a.inner))};`),
    ...vectors.flatMap((v) => [
      '{',
      `let b0 = ${load(args.b, from(`b_at${v}`, 'b_k', b.inner / 4))};`,
      ...swaps.flatMap((swap, x) => [
        ...(x === 0 ? [] : [`let b${x} = ${swap}(b0);`]),
        ...rows.map((i) => `c${i}_${v}_${x} = fma(vec4<f32>(a${i}), b${x}, c${i}_${v}_${x});`),
      ]),
      '}',
    ]),
    '}',
  ];
}

const columnOf = (vector: string, swap: string) => `n0 + ${vector} + 4u * (own ^ ${swap})`;

function keepRows(
  c: Contraction,
  tile: QuadTile,
  { rows, vectors }: Parts,
  printer: ResultPrinter,
): string[] {
  const wholeColumns = c.n % tile.columns === 0;
  const keep = (sum: string) =>
    mapsInPlace(c)
      ? [...printer.columnValues('n'), ...printer.store(sum, 'm', 'n')]
      : printer.keep(sum, 'm', 'n');
  const block = (i: number, v: number, x: number) => [
    `{ let n = ${columnOf(`${4 * quadSize * v}u`, `${x}u`)};`,
    ...guarded(wholeColumns, `n < ${c.n}u`, keep(`c${i}_${v}_${x}`)),
    '}',
  ];
  return rows.flatMap((i) =>
    guarded(c.m % tile.rows === 0, `m0 + ${quadSize * i}u + own < ${c.m}u`, [
      `let m = m0 + ${quadSize * i}u + own;`,
      ...vectors.flatMap((v) => swaps.flatMap((_, x) => block(i, v, x))),
    ]),
  );
}

/** Each lane maps what it kept, a pass over memory that is still in the cache: short code for a long tile. */
function mapKept(c: Contraction, tile: QuadTile, printer: ResultPrinter, zero: string): string[] {
  if (!c.epilogue || mapsInPlace(c)) return [];
  const { columns, rows } = tile;
  return [
    `for (var block = 0u; block < ${hiddenBound(columns / 4, zero)}; block++) {`,
    `let n = ${columnOf(`block / 4u * ${4 * quadSize}u`, '(block % 4u)')};`,
    `if (n < ${c.n}u) {`,
    ...printer.columnValues('n'),
    `for (var m = m0 + own; m < min(m0 + ${rows}u, ${c.m}u); m += ${quadSize}u) {`,
    `let acc = ${printer.kept('m', 'n')};`,
    ...printer.store('acc', 'm', 'n'),
    '} } }',
  ];
}
