/**
 * Products without staging, for software adapters and GPUs of that kind: a register tile for each invocation,
 * operands straight from storage.
 *
 * Lanes lie along N, so the right operand must be dense along N (lowering copies it where it is not) and the
 * left one is read at an address all lanes share. K is not unrolled and workgroup memory not used: both cost
 * more than they save where "lanes" are SIMD lanes of one core and the cache is the core's own. How K runs
 * (one axis, taps of a window, pixels of an image) is a loop nest of its own; the tile inside is the same.
 */
import { alignUp } from '../../graph/dims.ts';
import { type QuadTile, type RegisterTile, tileColumns } from '../schedules/contract.ts';
import type { KernelArg } from '../text/kernel.ts';
import { load } from '../text/memory.ts';
import { hiddenBound, upTo } from '../text/wgsl.ts';
import {
  baseIndex,
  type Contraction,
  groupIndex,
  type ProductArgs,
  type ResultPrinter,
} from './contraction.ts';
import { printResultMoments, printRowNorm } from './normalised.ts';
import { layersOf, printTilePlace, tileGrid } from './tile-grid.ts';
import { type LoopNest, pixelLoop, plainLoop, tapLoop } from './walks/walk-cpu.ts';

export function printRegisterTile(
  c: Contraction,
  tile: RegisterTile,
  args: ProductArgs,
  printer: ResultPrinter,
): string {
  const { head } = printRowNorm(c, tile.rows, 'm0', lanesOf(tile));
  const main = `@compute @workgroup_size(${tile.lanes})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>)`;
  const body = (part: TilePart) => `{
  ${printPart(c, part, args, printer).join('\n  ')}
}
`;
  const rest = c.m % tile.rows;
  if (tile.tail === undefined || rest === 0 || rest > tile.tail.rows)
    return `${head}${main} ${body({ tile, step: tile.rows, whole: rest === 0 })}`;
  const [, down] = axesOf(tile);
  const parameters = '(group: vec3<u32>, lane: vec3<u32>)';
  const last = { tile: { ...tile, rows: tile.tail.rows }, step: tile.rows, whole: rest === tile.tail.rows };
  return `${head}fn whole_tile${parameters} ${body({ tile, step: tile.rows, whole: true })}fn last_tile${parameters} ${body(last)}${main} {
  if (group.${down} < ${Math.floor(c.m / tile.rows)}u) { whole_tile(group, lane); } else { last_tile(group, lane); }
}
`;
}

/**
 * The tile that a workgroup makes: all are alike, but for the last along the rows where the schedule has a
 * smaller one for it.
 */
interface TilePart {
  readonly tile: RegisterTile;
  /** Rows from tile to tile. */
  readonly step: number;
  /** Whether all its rows are rows of the result. */
  readonly whole: boolean;
}

const lanesOf = ({ lanes }: Pick<RegisterTile, 'lanes'>) => ({ index: 'lane.x', count: lanes });

/** The dimensions of a dispatch along which tiles are numbered across and down the result. */
export function axesOf({
  order,
}: Pick<RegisterTile, 'order'>): readonly [across: 'x' | 'y', down: 'x' | 'y'] {
  return order === 'across' ? ['x', 'y'] : ['y', 'x'];
}

function printPart(c: Contraction, part: TilePart, args: ProductArgs, printer: ResultPrinter): string[] {
  const { tile, step } = part;
  const { rows, vectors } = partsOf(tile);
  const zero = zeroOf(c, step);
  const nest = loopNest(c, tile, zero);
  const { apart, depth } = nest;
  const sums = rows.flatMap((i) => vectors.map((j) => `${i}_${j}`));
  const [across, down] = axesOf(tile);
  return [
    `let n0 = (group.${across} * ${tile.lanes}u + lane.x) * ${tile.columns}u;`,
    ...printTilePlace(c, step, down, 'm0'),
    ...(meets(c) ? [] : [`if (n0 >= ${c.n}u) { return; }`]),
    ...printRowNorm(c, tile.rows, 'm0', lanesOf(tile)).lines,
    ...printColumns(c, vectors, args),
    ...printRows(c, tile, args, nest),
    ...sums.map((c) => `var c${c} = vec4<f32>();`),
    ...(apart === 0 ? [] : sums.map((c) => `var total${c} = vec4<f32>();`)),
    ...nest.open,
    ...printStep(rows, vectors, args, nest),
    '}'.repeat(apart),
    ...(apart === 0 ? [] : sums.map((c) => `total${c} += c${c}; c${c} = vec4<f32>();`)),
    '}'.repeat(depth - apart),
    ...(apart === 0 ? [] : sums.map((c) => `c${c} = total${c};`)),
    ...(printer.byColumns ? keepColumns : keepRows)(c, part, printer),
    ...mapKept(c, tile, printer, zero),
    ...momentsOfTile(c, tile, zero, printer),
  ];
}

/** Moments of the rows of the whole workgroup's tile. */
function momentsOfTile(c: Contraction, tile: RegisterTile, zero: string, printer: ResultPrinter): string[] {
  const columns = tileColumns(tile);
  const [across] = axesOf(tile);
  const place = { rows: tile.rows, columns, m0: 'm0', n0: `group.${across} * ${columns}u` };
  return printResultMoments(c, place, lanesOf(tile), printer, (count) => hiddenBound(count, zero));
}

const four = [0, 1, 2, 3];

/** `statements`, on a condition that is left out where it always holds. */
export function guarded(always: boolean, condition: string, statements: readonly string[]): string[] {
  return always ? ['{', ...statements, '}'] : [`if (${condition}) {`, ...statements, '}'];
}

/**
 * Whether an epilogue maps the sums where they are, because the result is stored as halves: sums kept there
 * for a second pass would be rounded before it and behind it.
 */
export function mapsInPlace({ epilogue, result }: Contraction): boolean {
  return epilogue !== undefined && result.view.storage.dtype === 'f16';
}

/** The tile as vec4s along its columns: as it is, or mapped at once. */
function keepRows(c: Contraction, { tile, whole }: TilePart, printer: ResultPrinter): string[] {
  const { rows, vectors } = partsOf(tile);
  const keep = (sum: string) =>
    mapsInPlace(c)
      ? [...printer.columnValues('n'), ...printer.store(sum, 'm', 'n')]
      : printer.keep(sum, 'm', 'n');
  const wholeColumns = c.n % tileColumns(tile) === 0;
  return rows.flatMap((i) =>
    guarded(whole, `m0 + ${i}u < ${c.m}u`, [
      `let m = m0 + ${i}u;`,
      ...vectors.flatMap((j) =>
        guarded(wholeColumns, `n0 + ${4 * j}u < ${c.n}u`, [`let n = n0 + ${4 * j}u;`, ...keep(`c${i}_${j}`)]),
      ),
    ]),
  );
}

/**
 * The tile in blocks of 4×4, each where its columns belong but still row by row: `mapKept` turns it. Turning
 * it here, as any use of the sums but to store them, would slow down the loop in front. Rows behind the last
 * one go to the padding.
 */
function keepColumns(c: Contraction, { tile, whole }: TilePart, printer: ResultPrinter): string[] {
  const { rows, vectors } = partsOf(tile);
  const wholeColumns = c.n % tileColumns(tile) === 0;
  const blocks = rows.filter((i) => i % 4 === 0);
  return blocks.flatMap((first) =>
    guarded(whole, `m0 + ${first}u < ${c.m}u`, [
      `let m = m0 + ${first}u;`,
      ...vectors.flatMap((j) =>
        guarded(
          wholeColumns,
          `n0 + ${4 * j}u < ${c.n}u`,
          [0, 1, 2, 3].map((r) => printer.keepDown(`c${first + r}_${j}`, 'm', `(n0 + ${4 * j + r}u)`)),
        ),
      ),
    ]),
  );
}

/** Rows of a tile, and its columns in vec4s. */
function partsOf(tile: RegisterTile): {
  readonly rows: readonly number[];
  readonly vectors: readonly number[];
} {
  return {
    rows: upTo(tile.rows),
    vectors: upTo(tile.columns / 4),
  };
}

/**
 * Maps what the tile kept, and turns what was kept for columns. A pass of its own over memory that is still
 * in the cache: with arithmetic behind the loop over K, LLVM compiles that loop to code that takes a third
 * longer (lavapipe of Mesa 25, 400×3072×768: 16 instead of 22 GFLOP/s).
 */
function mapKept(c: Contraction, tile: RegisterTile, printer: ResultPrinter, zero: string): string[] {
  if ((!c.epilogue && !printer.byColumns) || mapsInPlace(c)) return [];
  const rows = `min(${hiddenBound(tile.rows, zero)}, ${c.m}u - m0)`;
  const left = `${c.n}u - ${meets(c) ? `min(n0, ${c.n}u)` : 'n0'}`;
  const columns = `min(${hiddenBound(tile.columns, zero)}, ${left})`;
  if (printer.byColumns)
    return [
      `for (var q = 0u; q < ${columns}; q += 4u) { let n = n0 + q;`,
      ...four.flatMap((i) => printer.columnValuesDown(`(n + ${i}u)`, i)),
      `for (var r = 0u; r < ${rows}; r += 4u) { let m = m0 + r;`,
      ...four.map((i) => `let row${i}_ = ${printer.keptDown('m', `(n + ${i}u)`)};`),
      ...four.flatMap((i) => [
        `{ let column = n + ${i}u;`,
        `let acc = vec4<f32>(${four.map((r) => `row${r}_.${'xyzw'[i]}`).join(', ')});`,
        ...printer.storeDown('acc', 'm', 'column', i),
        '}',
      ]),
      '} }',
    ];
  return [
    `for (var q = 0u; q < ${columns}; q += 4u) { let n = n0 + q;`,
    ...printer.columnValues('n'),
    `for (var r = 0u; r < ${rows}; r++) { let m = m0 + r;`,
    `let acc = ${printer.kept('m', 'n')};`,
    ...printer.store('acc', 'm', 'n'),
    '} }',
  ];
}

/** Whether all invocations of a workgroup must stay to its end, because they meet at a barrier. */
function meets(c: Contraction): boolean {
  return c.normalise !== undefined || c.moments !== undefined;
}

/** The z component of the workgroup's number is below their count, so this is 0; no compiler knows. */
export function zeroOf(c: Contraction, step: number): string {
  const count = c.batch * layersOf(c, step);
  return count === 1 ? 'group.z' : `group.z / ${count}u`;
}

function loopNest(c: Contraction, tile: RegisterTile, zero: string): LoopNest {
  const bound = (count: number) => (count > 64 ? `${count}u` : hiddenBound(count, zero));
  if (c.walk?.kind === 'taps') return tapLoop(c, c.walk, tile.rows, bound);
  if (c.walk?.kind === 'pixels') return pixelLoop(c.walk, bound);
  return { ...plainLoop(c, bound), setup: [], a: { inner: c.a.inner }, b: { inner: c.b.inner } };
}

/** Addresses of the tile's columns in the right operand. */
function printColumns(c: Contraction, vectors: readonly number[], args: ProductArgs): string[] {
  const base = baseIndex(c.b, 'batch');
  if (args.b.width === 4)
    // A vec4 behind the edge reads the last one; it is not stored.
    return vectors.map((j) => `let b_at${j} = (${base} + min(n0 + ${4 * j}u, ${c.n - 4}u)) / 4u;`);
  const column = (n: string) => `${base} + ${groupIndex(n, c.b.outer)}`;
  return vectors.flatMap((j) =>
    [0, 1, 2, 3].flatMap((q) => [
      `let column${j}_${q} = min(n0 + ${4 * j + q}u, ${c.n - 1}u);`,
      `let b_at${j}_${q} = ${column(`column${j}_${q}`)};`,
    ]),
  );
}

/** Addresses of the tile's rows in the left operand. */
function printRows(c: Contraction, tile: RegisterTile, args: ProductArgs, nest: LoopNest): string[] {
  const base = baseIndex(c.a, 'batch');
  const rows = upTo(tile.rows);
  if (args.a.width === 4)
    return [
      ...nest.setup,
      ...Array.from(
        { length: tile.rows / 4 },
        (_, i) => `let a_at${i} = (${base} + min(m0 + ${4 * i}u, ${alignUp(c.m, 4) - 4}u)) / 4u;`,
      ),
    ];
  return [
    ...rows.map((i) => `let row${i} = min(m0 + ${i}u, ${c.m - 1}u);`),
    ...nest.setup,
    ...(nest.a.rows ? [] : rows.map((i) => `let a_at${i} = ${base} + ${groupIndex(`row${i}`, c.a.outer)};`)),
  ];
}

/** One step of K: load a column of the left tile and a row of the right one, multiply. */
function printStep(
  rows: readonly number[],
  vectors: readonly number[],
  args: ProductArgs,
  { a, b }: LoopNest,
): string[] {
  const lines: string[] = [];
  const loadOf = (arg: KernelArg, at: string, side: LoopNest['b']) => {
    const vector = arg.width === 4;
    const shift = side.shift === undefined ? '' : ` + ${side.shift}${vector ? ' / 4u' : ''}`;
    return load(arg, `${at}${shift} + k * ${side.inner / arg.width}u`);
  };
  for (const j of vectors) {
    const one = (at: string) => loadOf(args.b, at, b);
    lines.push(
      args.b.width === 4
        ? `let b${j} = ${one(`b_at${j}`)};`
        : `let b${j} = vec4<f32>(${[0, 1, 2, 3].map((q) => one(`b_at${j}_${q}`)).join(', ')});`,
    );
  }
  const aVector = args.a.width === 4;
  if (aVector)
    for (let i = 0; i < rows.length / 4; i++) lines.push(`let a${i} = ${loadOf(args.a, `a_at${i}`, a)};`);
  for (const i of rows) {
    const own = a.rows?.[i];
    const scalar = () =>
      own ? `select(0.0, ${loadOf(args.a, own.at, a)}, ${own.valid})` : loadOf(args.a, `a_at${i}`, a);
    lines.push(`{ let x = vec4<f32>(${aVector ? `a${i >> 2}.${'xyzw'[i & 3]}` : scalar()});`);
    for (const j of vectors) lines.push(`c${i}_${j} = fma(x, b${j}, c${i}_${j});`);
    lines.push('}');
  }
  return lines;
}

/** Workgroups of a product in register tiles, of one invocation or of a quad. */
export function registerTileGrid(c: Contraction, tile: RegisterTile | QuadTile): [number, number, number] {
  const across = Math.ceil(c.n / tileColumns(tile));
  return tileGrid(c, tile.rows, across, tile.order === 'across' ? 'y' : 'x');
}
