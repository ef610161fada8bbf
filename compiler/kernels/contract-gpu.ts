/**
 * Matrix products for GPUs: tiles of both operands staged through workgroup memory, a few rows by one or two vec4s for each invocation.
 *
 * Staging reads along whichever axis is dense, so that neighbouring invocations touch neighbouring addresses and
 * transposed operands need no copy. Edges are staged as zeros; stores are guarded. With two buffers the next slice of K is
 * loaded while this one is multiplied.
 */
import {
  baseIndex,
  type Contraction,
  groupIndex,
  type Operand,
  type ResultPrinter,
  unitStride,
} from './contraction.ts';
import { printResultMoments, printRowNorm } from './normalised.ts';
import type { WorkgroupTile } from './schedules-contract.ts';
import { printPiece } from './walk.ts';
import { leftPlace, rightPlace } from './walk-gpu.ts';

interface Staging {
  readonly array: string;
  readonly source: string;
  readonly operand: Operand;
  /** Tile extent along M or N, first element, and the bound of the whole. */
  readonly extent: number;
  readonly first: string;
  readonly bound: number;
  /** Statements that leave the address of element (`o`, `kk`) in `at`, and in `inside` whether there is one. */
  readonly place: readonly string[];
  /** What is staged, over what was loaded as `raw`. */
  readonly value: string;
}

/** Statements that leave element number `t` of the tile at `k0` in `into`, a 0 until then; and its place in `outer` and `depth`. */
function printElement(s: Staging, depth: number, k: number, into: string): string[] {
  return [
    unitStride(s.operand.outer)
      ? `let outer = t % ${s.extent}u; let depth = t / ${s.extent}u;`
      : `let outer = t / ${depth}u; let depth = t % ${depth}u;`,
    `let o = ${s.first} + outer; let kk = k0 + depth;`,
    `if (o < ${s.bound}u && kk < ${k}u) {`,
    ...s.place,
    `if (inside) { let raw = ${s.source}[at]; ${into} = ${s.value}; }`,
    '}',
  ];
}

/** Loads one operand's tile for depth `k0`.. into `array[k][outer]`. */
function printStaging(s: Staging, depth: number, invocations: number, k: number): string[] {
  return [
    `for (var t = lane; t < ${depth * s.extent}u; t += ${invocations}u) {`,
    'var value = 0.0;',
    ...printElement(s, depth, k, 'value'),
    `${s.array}[depth * ${s.extent + 4}u + outer] = value;`,
    '}',
  ];
}

/** The same in two halves: an invocation's share of the tile goes to registers, and from there to the array's half at `base`. */
function printShares(s: Staging, depth: number, invocations: number, k: number, base: string) {
  const shares = Array.from({ length: (depth * s.extent) / invocations }, (_, i) => i);
  const name = (i: number) => `${s.array}_${i}`;
  const each = (i: number, statements: readonly string[]) => [
    `{ let t = lane + ${i * invocations}u;`,
    ...statements,
    '}',
  ];
  const fetch = shares.flatMap((i) => [
    `var ${name(i)} = 0.0;`,
    ...each(i, printElement(s, depth, k, name(i))),
  ]);
  const [outer, line] = unitStride(s.operand.outer)
    ? [`t % ${s.extent}u`, `t / ${s.extent}u`]
    : [`t / ${depth}u`, `t % ${depth}u`];
  const keep = shares.flatMap((i) =>
    each(i, [`${s.array}[${base} + (${line}) * ${s.extent + 4}u + ${outer}] = ${name(i)};`]),
  );
  return { fetch, keep };
}

/**
 * The loop over slices of K with two halves of workgroup memory: the next slice is on its way while this one is multiplied, and one
 * barrier a slice is enough. Behind the last slice come zeros, which nobody reads.
 */
function printDoubleBuffered(
  [a, b]: readonly [Staging, Staging],
  { depth }: WorkgroupTile,
  invocations: number,
  k: number,
  multiply: readonly string[],
): string[] {
  const staged = (half: string) =>
    [a, b].map((s) => printShares(s, depth, invocations, k, `${half} * ${depth * (s.extent + 4)}u`));
  const first = staged('0u');
  const next = staged('(1u - half)');
  return [
    '{ let k0 = 0u;',
    ...first.flatMap(({ fetch }) => fetch),
    ...first.flatMap(({ keep }) => keep),
    '}',
    'workgroupBarrier();',
    `for (var slice = 0u; slice < ${Math.ceil(k / depth)}u; slice++) {`,
    `let half = slice % 2u; let k0 = (slice + 1u) * ${depth}u;`,
    ...next.flatMap(({ fetch }) => fetch),
    ...multiply,
    ...next.flatMap(({ keep }) => keep),
    'workgroupBarrier();',
    '}',
  ];
}

/** Multiplies a slice of both tiles; `half` is the one that holds it, where there are two. */
function printMultiply(tile: WorkgroupTile, across: number): string[] {
  const { rows, vectors } = partsOf(tile);
  const base = (extent: number) => (tile.buffers === 2 ? `half * ${tile.depth * (extent + 4)}u + ` : '');
  const lines = [`for (var kk = 0u; kk < ${tile.depth}u; kk++) {`];
  lines.push(`let b_at = ${base(tile.columns)}kk * ${tile.columns + 4}u + tx * 4u;`);
  for (const j of vectors) {
    const parts = [0, 1, 2, 3].map((q) => `b_tile[b_at + ${4 * across * j + q}u]`);
    lines.push(`let b${j} = vec4<f32>(${parts.join(', ')});`);
  }
  lines.push(`let a_at = ${base(tile.rows)}kk * ${tile.rows + 4}u + ty * ${tile.rowsPerInvocation}u;`);
  for (const i of rows) {
    lines.push(`{ let x = vec4<f32>(a_tile[a_at + ${i}u]);`);
    for (const j of vectors) lines.push(`c${i}_${j} = fma(x, b${j}, c${i}_${j});`);
    lines.push('}');
  }
  lines.push('}');
  return lines;
}

/** Rows of an invocation, and its columns in vec4s: these lie apart, so that neighbours read side by side. */
function partsOf({ rowsPerInvocation, columnsPerInvocation }: WorkgroupTile) {
  return {
    rows: Array.from({ length: rowsPerInvocation }, (_, i) => i),
    vectors: Array.from({ length: columnsPerInvocation / 4 }, (_, j) => j),
  };
}

/** An element of an operand whose K is one axis. */
function affinePlace(operand: Operand): string[] {
  const address = `${baseIndex(operand, 'batch')} + ${groupIndex('o', operand.outer)} + kk * ${operand.inner}u`;
  return [`let at = ${address}; let inside = true;`];
}

export function printWorkgroupTile(
  c: Contraction,
  tile: WorkgroupTile,
  names: { a: string; b: string },
  printer: ResultPrinter,
): string {
  const across = tile.columns / tile.columnsPerInvocation;
  const down = tile.rows / tile.rowsPerInvocation;
  const invocations = across * down;
  const { rows, vectors } = partsOf(tile);
  const lines: string[] = [];
  lines.push(
    'let batch = group.z;',
    `let m_tile = group.y * ${tile.rows}u;`,
    `let n_tile = group.x * ${tile.columns}u;`,
  );
  lines.push(`let tx = lane % ${across}u;`, `let ty = lane / ${across}u;`);
  if (c.walk?.kind === 'pixels') lines.push(...printPiece(c.walk));
  const lanes = { index: 'lane', count: invocations };
  const norm = printRowNorm(c, tile.rows, 'm_tile', lanes);
  lines.push(...norm.lines);
  for (const i of rows) for (const j of vectors) lines.push(`var c${i}_${j} = vec4<f32>();`);
  const a: Staging = {
    array: 'a_tile',
    source: names.a,
    operand: c.a,
    extent: tile.rows,
    first: 'm_tile',
    bound: c.m,
    place: c.walk === undefined ? affinePlace(c.a) : leftPlace(c, c.walk),
    value: c.normalise
      ? `(raw - row_norm[outer].x) * row_norm[outer].y * gain[kk + ${c.normalise.weight.offset}u] + shift[kk + ${c.normalise.bias.offset}u]`
      : 'raw',
  };
  const b: Staging = {
    array: 'b_tile',
    source: names.b,
    operand: c.b,
    extent: tile.columns,
    first: 'n_tile',
    bound: c.n,
    place: c.walk?.kind === 'pixels' ? rightPlace(c, c.walk) : affinePlace(c.b),
    value: 'raw',
  };
  const multiply = printMultiply(tile, across);
  if (tile.buffers === 2) lines.push(...printDoubleBuffered([a, b], tile, invocations, c.k, multiply));
  else
    lines.push(
      `for (var k0 = 0u; k0 < ${c.k}u; k0 += ${tile.depth}u) {`,
      ...printStaging(a, tile.depth, invocations, c.k),
      ...printStaging(b, tile.depth, invocations, c.k),
      'workgroupBarrier();',
      ...multiply,
      'workgroupBarrier();',
      '}',
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
  return `${norm.head}var<workgroup> a_tile: array<f32, ${tile.buffers * tile.depth * (tile.rows + 4)}>;
var<workgroup> b_tile: array<f32, ${tile.buffers * tile.depth * (tile.columns + 4)}>;
@compute @workgroup_size(${invocations})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  ${lines.join('\n  ')}
}
`;
}

export function workgroupTileGrid(c: Contraction, tile: WorkgroupTile): [number, number, number] {
  return [Math.ceil(c.n / tile.columns), Math.ceil(c.m / tile.rows), c.batch];
}
