/**
 * Matrix products for GPUs: tiles of both operands staged through workgroup memory, a few rows by one or two vec4s for each invocation.
 *
 * Staging reads along whichever axis is dense, so that neighbouring invocations touch neighbouring addresses and
 * transposed operands need no copy. Edges are staged as zeros; stores are guarded.
 */
import {
  baseIndex,
  type Contraction,
  groupIndex,
  type Operand,
  type ResultPrinter,
  unitStride,
} from './contraction.ts';
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
}

/** Loads one operand's tile for depth `k0`.. into `array[k][outer]`. */
function printStaging(s: Staging, depth: number, invocations: number, k: number): string[] {
  const alongOuter = unitStride(s.operand.outer);
  const lines = [`for (var t = lane; t < ${depth * s.extent}u; t += ${invocations}u) {`];
  lines.push(
    alongOuter
      ? `let outer = t % ${s.extent}u; let depth = t / ${s.extent}u;`
      : `let outer = t / ${depth}u; let depth = t % ${depth}u;`,
  );
  lines.push(`let o = ${s.first} + outer; let kk = k0 + depth;`, 'var value = 0.0;');
  lines.push(`if (o < ${s.bound}u && kk < ${k}u) {`, ...s.place);
  lines.push(`if (inside) { value = ${s.source}[at]; }`, '}');
  lines.push(`${s.array}[depth * ${s.extent + 4}u + outer] = value;`, '}');
  return lines;
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
  const rows = Array.from({ length: tile.rowsPerInvocation }, (_, i) => i);
  // An invocation's vec4s lie `across` vec4s apart, so that neighbours read side by side.
  const vectors = Array.from({ length: tile.columnsPerInvocation / 4 }, (_, j) => j);
  const lines: string[] = [];
  lines.push(
    'let batch = group.z;',
    `let m_tile = group.y * ${tile.rows}u;`,
    `let n_tile = group.x * ${tile.columns}u;`,
  );
  lines.push(`let tx = lane % ${across}u;`, `let ty = lane / ${across}u;`);
  if (c.walk?.kind === 'pixels') lines.push(...printPiece(c.walk));
  for (const i of rows) for (const j of vectors) lines.push(`var c${i}_${j} = vec4<f32>();`);
  lines.push(`for (var k0 = 0u; k0 < ${c.k}u; k0 += ${tile.depth}u) {`);
  const a: Staging = {
    array: 'a_tile',
    source: names.a,
    operand: c.a,
    extent: tile.rows,
    first: 'm_tile',
    bound: c.m,
    place: c.walk === undefined ? affinePlace(c.a) : leftPlace(c, c.walk),
  };
  const b: Staging = {
    array: 'b_tile',
    source: names.b,
    operand: c.b,
    extent: tile.columns,
    first: 'n_tile',
    bound: c.n,
    place: c.walk?.kind === 'pixels' ? rightPlace(c, c.walk) : affinePlace(c.b),
  };
  lines.push(
    ...printStaging(a, tile.depth, invocations, c.k),
    ...printStaging(b, tile.depth, invocations, c.k),
  );
  lines.push('workgroupBarrier();', `for (var kk = 0u; kk < ${tile.depth}u; kk++) {`);
  lines.push(`let b_at = kk * ${tile.columns + 4}u + tx * 4u;`);
  for (const j of vectors) {
    const parts = [0, 1, 2, 3].map((q) => `b_tile[b_at + ${4 * across * j + q}u]`);
    lines.push(`let b${j} = vec4<f32>(${parts.join(', ')});`);
  }
  lines.push(`let a_at = kk * ${tile.rows + 4}u + ty * ${tile.rowsPerInvocation}u;`);
  for (const i of rows) {
    lines.push(`{ let x = vec4<f32>(a_tile[a_at + ${i}u]);`);
    for (const j of vectors) lines.push(`c${i}_${j} = fma(x, b${j}, c${i}_${j});`);
    lines.push('}');
  }
  lines.push('}', 'workgroupBarrier();', '}');
  for (const i of rows)
    for (const j of vectors) {
      lines.push(`{ let m = m_tile + ty * ${tile.rowsPerInvocation}u + ${i}u;`);
      lines.push(`let n = n_tile + tx * 4u + ${4 * across * j}u;`);
      lines.push(`if (m < ${c.m}u && n < ${c.n}u) {`, ...printer.store(`c${i}_${j}`, 'm', 'n'), '}', '}');
    }
  return `var<workgroup> a_tile: array<f32, ${tile.depth * (tile.rows + 4)}>;
var<workgroup> b_tile: array<f32, ${tile.depth * (tile.columns + 4)}>;
@compute @workgroup_size(${invocations})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  ${lines.join('\n  ')}
}
`;
}

export function workgroupTileGrid(c: Contraction, tile: WorkgroupTile): [number, number, number] {
  return [Math.ceil(c.n / tile.columns), Math.ceil(c.m / tile.rows), c.batch];
}
