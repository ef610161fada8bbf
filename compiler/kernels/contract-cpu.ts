/**
 * Matrix products for software adapters: a register tile for each invocation, operands straight from storage.
 *
 * Lanes lie along N, so the right operand must be dense along N (`contract.ts` copies it where it is not) and the left
 * one is read at an address all lanes share. K is not unrolled and workgroup memory not used: both cost more than they
 * save where "lanes" are SIMD lanes of one core and the cache is the core's own.
 */
import { baseIndex, type Contraction, groupIndex, type ResultPrinter } from './contraction.ts';
import type { RegisterTile } from './schedules.ts';
import { runtimeBound } from './wgsl.ts';

/** Names of the operands' bindings, and whether their loads are vec4: `a` along M, `b` along N. */
export interface LoadModes {
  readonly a: string;
  readonly b: string;
  readonly aVector: boolean;
  readonly bVector: boolean;
}

export function printRegisterTile(
  c: Contraction,
  tile: RegisterTile,
  modes: LoadModes,
  printer: ResultPrinter,
): string {
  const rows = Array.from({ length: tile.rows }, (_, i) => i);
  const vectors = Array.from({ length: tile.columns / 4 }, (_, j) => j);
  const lines: string[] = [];
  lines.push(`let n0 = (group.x * ${tile.lanes}u + lane.x) * ${tile.columns}u;`);
  lines.push(`let m0 = group.y * ${tile.rows}u;`, 'let batch = group.z;');
  lines.push(`if (n0 >= ${c.n}u) { return; }`);
  for (const j of vectors) {
    if (modes.bVector) {
      // A vec4 behind the edge reads the last one; it is not stored.
      lines.push(`let b_at${j} = (${baseIndex(c.b, 'batch')} + min(n0 + ${4 * j}u, ${c.n - 4}u)) / 4u;`);
    } else {
      for (let q = 0; q < 4; q++) {
        lines.push(`let b_at${j}_${q} = ${baseIndex(c.b, 'batch')} + min(n0 + ${4 * j + q}u, ${c.n - 1}u);`);
      }
    }
  }
  if (modes.aVector) {
    for (let i = 0; i < tile.rows / 4; i++) {
      lines.push(`let a_at${i} = (${baseIndex(c.a, 'batch')} + min(m0 + ${4 * i}u, ${c.m - 4}u)) / 4u;`);
    }
  } else {
    for (const i of rows) {
      lines.push(`let row${i} = min(m0 + ${i}u, ${c.m - 1}u);`);
      lines.push(`let a_at${i} = ${baseIndex(c.a, 'batch')} + ${groupIndex(`row${i}`, c.a.outer)};`);
    }
  }
  for (const i of rows) for (const j of vectors) lines.push(`var c${i}_${j} = vec4<f32>();`);
  lines.push(`for (var k = 0u; k < ${kEnd(c, modes)}; k++) {`);
  const step = (stride: number, vector: boolean) => `k * ${vector ? stride / 4 : stride}u`;
  for (const j of vectors) {
    const at = (name: string) => `${modes.b}[${name} + ${step(c.b.inner, modes.bVector)}]`;
    lines.push(
      modes.bVector
        ? `let b${j} = ${at(`b_at${j}`)};`
        : `let b${j} = vec4<f32>(${[0, 1, 2, 3].map((q) => at(`b_at${j}_${q}`)).join(', ')});`,
    );
  }
  if (modes.aVector) {
    for (let i = 0; i < tile.rows / 4; i++)
      lines.push(`let a${i} = ${modes.a}[a_at${i} + ${step(c.a.inner, true)}];`);
  }
  for (const i of rows) {
    const a = modes.aVector
      ? `a${i >> 2}.${'xyzw'[i & 3]}`
      : `${modes.a}[a_at${i} + ${step(c.a.inner, false)}]`;
    lines.push(`{ let x = vec4<f32>(${a});`);
    for (const j of vectors) lines.push(`c${i}_${j} = fma(x, b${j}, c${i}_${j});`);
    lines.push('}');
  }
  lines.push('}');
  for (const i of rows) {
    lines.push(`if (m0 + ${i}u < ${c.m}u) {`, `let m = m0 + ${i}u;`);
    for (const j of vectors) {
      lines.push(`if (n0 + ${4 * j}u < ${c.n}u) {`, `let n = n0 + ${4 * j}u;`);
      lines.push(...printer.store(`c${i}_${j}`, 'm', 'n'), '}');
    }
    lines.push('}');
  }
  return `@compute @workgroup_size(${tile.lanes})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
  ${lines.join('\n  ')}
}
`;
}

/** K as the loop's bound; short ones are hidden from the unroller, where the right operand's binding is known to be as long. */
function kEnd(c: Contraction, modes: LoadModes): string {
  return c.k > 64 || c.b.inner === 0 ? `${c.k}u` : runtimeBound(c.k, modes.b);
}

/** Workgroups of a register-tiled product. */
export function registerTileGrid(c: Contraction, tile: RegisterTile): [number, number, number] {
  return [Math.ceil(c.n / (tile.columns * tile.lanes)), Math.ceil(c.m / tile.rows), c.batch];
}
