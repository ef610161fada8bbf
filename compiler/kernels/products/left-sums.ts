/**
 * Sums of the left operand's rows beside a product, from the tiles that it stages anyway: the gradient of a bias comes
 * with that of its weight, and nobody reads the operand again.
 *
 * The workgroups of the first columns do it. A row's terms are dealt to eight chains by their place in K, whatever the
 * tile is, and the chains are joined in a tree, so all schedules give the same bits.
 */
import type { KernelArg } from '../text/kernel.ts';
import { store } from '../text/memory.ts';
import { affine, upTo } from '../text/wgsl.ts';
import type { Contraction, LeftSums } from './contraction.ts';
import { halfOffset, type TileArray } from './staging.ts';

/** Divides the depth of every tile. */
const chains = 8;

interface SumLoop {
  /** The left operand's tile. */
  readonly tile: TileArray;
  readonly buffers: 1 | 2;
  readonly invocations: number;
  /** An array of f32 or vec4s of them in workgroup memory, free behind the loop: 8 for each row of the tile at least. */
  readonly scratch: { readonly array: string; readonly packed: boolean };
}

/** Statements in front of the loop over K, behind the products of each slice, and behind the loop. */
interface PrintedSums {
  readonly start: readonly string[];
  readonly slice: readonly string[];
  readonly finish: readonly string[];
}

/** Whether a product's tiles can sum the left operand, four rows at a time. */
export function canSumLeft({ m, batch, walk }: Contraction): boolean {
  return m % 4 === 0 && batch === 1 && walk === undefined;
}

type Kept = (at: string) => string;

/** `s0` to `s7`, the chains of four rows, where they were kept so. */
function chainsOfRows(kept: Kept, quads: number): string[] {
  return upTo(chains).map((j) => `let s${j} = ${kept(`lane + ${j * quads}u`)};`);
}

/** The same, where a vec4 is one row's. */
function rowsOfChains(kept: Kept): string[] {
  const rows = upTo(4).flatMap((q) => [
    `let low${q} = ${kept(`lane * 8u + ${2 * q}u`)};`,
    `let high${q} = ${kept(`lane * 8u + ${2 * q + 1}u`)};`,
  ]);
  const chain = (j: number) => upTo(4).map((q) => `${j < 4 ? 'low' : 'high'}${q}[${j % 4}]`);
  return [...rows, ...upTo(chains).map((j) => `let s${j} = vec4<f32>(${chain(j).join(', ')});`)];
}

/** Stores the vec4 `joined` of rows `m` to `m + 3`. */
function printStores({ view, step }: LeftSums, out: KernelArg): string[] {
  const at = affine(view.offset, [
    ['batch', step],
    ['m', 1],
  ]);
  if (out.width === 4) return [store(out, `(${at}) / 4u`, 'joined')];
  return upTo(4).map((q) => store(out, `${at} + ${q}u`, `joined[${q}]`));
}

/** @param out where the sums go */
export function printLeftSums(c: Contraction, loop: SumLoop, out: KernelArg | undefined): PrintedSums {
  if (c.leftSums === undefined || out === undefined) return { start: [], slice: [], finish: [] };
  const { tile, buffers, invocations, scratch } = loop;
  const { extent, depth, along, pitch, packed } = tile;
  const quads = extent / 4;
  /** A vec4 of each: of four rows in one chain, or of one row in four chains, as the tile's lines run. */
  const tasks = quads * chains;
  const turns = upTo(Math.ceil(tasks / invocations));
  const read = (at: string) => {
    const place = (q: number) => `${tile.array}[${halfOffset(tile, buffers)}${at} + ${q}u]`;
    return packed
      ? `vec4<f32>(${tile.array}[${halfOffset(tile, buffers)}(${at}) / 4u])`
      : `vec4<f32>(${upTo(4)
          .map((q) => `f32(${place(q)})`)
          .join(', ')})`;
  };
  const task = (turn: number, lines: readonly string[]) => [
    (turn + 1) * invocations > tasks ? `if (lane + ${turn * invocations}u < ${tasks}u) {` : '{',
    `let t = lane + ${turn * invocations}u;`,
    ...lines,
    '}',
  ];
  const [first, step] =
    along === 'outer'
      ? [`t / ${quads}u * ${pitch}u + t % ${quads}u * 4u`, chains * pitch]
      : [`t / 2u * ${pitch}u + t % 2u * 4u`, chains];
  const add = (turn: number) =>
    upTo(depth / chains).map((i) => `left${turn} += ${read(i === 0 ? 'at' : `at + ${i * step}u`)};`);
  const { array } = scratch;
  const keep = (turn: number) =>
    scratch.packed
      ? [`${array}[t] = left${turn};`]
      : upTo(4).map((q) => `${array}[t * 4u + ${q}u] = left${turn}[${q}];`);
  const kept = (at: string) =>
    scratch.packed
      ? `${array}[${at}]`
      : `vec4<f32>(${upTo(4)
          .map((q) => `${array}[(${at}) * 4u + ${q}u]`)
          .join(', ')})`;
  return {
    start: turns.map((turn) => `var left${turn} = vec4<f32>();`),
    slice: [
      'if (n_tile == 0u) {',
      ...turns.flatMap((turn) => task(turn, [`let at = ${first};`, ...add(turn)])),
      '}',
    ],
    finish: [
      'if (n_tile == 0u) {',
      ...turns.flatMap((turn) => task(turn, keep(turn))),
      'workgroupBarrier();',
      `if (lane < ${quads}u && m_tile + lane * 4u < ${c.m}u) {`,
      'let m = m_tile + lane * 4u;',
      ...(along === 'outer' ? chainsOfRows(kept, quads) : rowsOfChains(kept)),
      'let joined = ((s0 + s1) + (s2 + s3)) + ((s4 + s5) + (s6 + s7));',
      ...printStores(c.leftSums, out),
      '}',
      'workgroupBarrier();',
      '}',
    ],
  };
}
