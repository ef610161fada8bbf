/**
 * Layer norm inside products: moments of rows written by the product that makes them, and used by the product
 * that reads them.
 *
 * Workgroup tiles normalise what they stage. Register tiles read their left operand straight from storage,
 * many times, so they multiply x as it is by W' = weight ∘ W and put right the sums instead: LN(x) W = rstd
 * (x W' - mean s) + t with s = column sums of W' and t = bias W. All of W', s and t come from weights, once.
 * What that form loses where |mean| is far above the deviation: the sums are of the size of mean, so their
 * rounding errors, measured in the result, grow by mean / deviation (the tests state how far).
 */

import type { Origin } from '../../graph/types.ts';
import { momentColumns } from '../../ops/group-moments.ts';
import type { MapInstruction, MapProgram } from '../../ops/map-program.ts';
import { rowKernel } from '../rows/rows.ts';
import type { KernelArg, Lower, LowerContext } from '../text/kernel.ts';
import { load } from '../text/memory.ts';
import { denseView, type View } from '../text/view.ts';
import { expandView } from '../text/view-algebra.ts';
import { literal } from '../text/wgsl.ts';
import { type Contraction, operandOf, type ProductArgs, type ResultPrinter } from './contraction.ts';

/** A kernel of its own for moments, where the product that makes x cannot write them. */
const lowerGroupMoments: Lower<'group_moments'> = (ctx, node) => {
  const x = ctx.dense(node.inputs[0]);
  const result = ctx.result(node);
  const [rows, groups] = result.shape as [number, number, number];
  const means: View = { ...result, shape: [rows, groups], strides: [2 * groups, 2] };
  const output = { ...means, offset: result.offset + 1 };
  const input = denseView(x.storage, [rows, groups, momentColumns], x.offset);
  const steps = [
    { reduce: [{ op: 'sum', name: 'total', value: 'x', reads: ['x'] }] },
    { name: 'mean', value: `total / ${literal(momentColumns)}` },
    { reduce: [{ op: 'sum', name: 'squares', value: '(x - mean) * (x - mean)', reads: ['x'] }] },
    { put: 'mean', into: means },
    { put: 'squares' },
  ] as const;
  const spec = { name: node.op, inputs: [{ role: 'x', view: input }], output, steps };
  ctx.emit(rowKernel({ ...spec, flops: 4 * rows * groups * momentColumns }, ctx.profile, node.origin));
};

export const normalisedLowerings = { group_moments: lowerGroupMoments };

/** A product of x instead of normalised rows: other weights, and an epilogue that puts the sums right. */
export function foldNormalisation(ctx: LowerContext, c: Contraction, origin: Origin): Contraction {
  const { weight, bias } = c.normalise!;
  const [n, k] = [c.n, c.k];
  const w: View = { ...c.b.view, shape: [n, k], strides: [...c.b.outer.strides, c.b.inner] };
  const scaled = denseView(ctx.scratch(n * k, w.storage.dtype, 'weights of a product behind a layer norm'), [
    k,
    n,
  ]);
  const sums = denseView(ctx.scratch(2 * n, 'f32', 'column sums of such weights'), [n]);
  const moved = { ...sums, offset: n };
  const steps = [
    {
      reduce: [
        { op: 'sum', name: 'scaled_sum', value: 'w * gain', reads: ['w', 'gain'] },
        { op: 'sum', name: 'moved', value: 'w * shift', reads: ['w', 'shift'] },
      ],
    },
    { put: 'scaled_sum', into: sums },
    { put: 'moved', into: moved },
    { store: 'w * gain', reads: ['w', 'gain'] },
  ] as const;
  const inputs = [
    { role: 'w', view: w },
    { role: 'gain', view: weight },
    { role: 'shift', view: bias },
  ];
  const output = { ...scaled, shape: [n, k], strides: [1, n] };
  const spec = { name: 'fold_layer_norm', inputs, output, steps, flops: 5 * n * k };
  ctx.emit(rowKernel(spec, ctx.profile, origin));
  const column = (view: View) => operandOf(expandView(view, [c.m, n]), 0, 'middle');
  return {
    ...c,
    b: operandOf(scaled, 0, 'last'),
    epilogue: correctedProgram(c.epilogue),
    extras: [column(sums), column(moved), ...c.extras],
    normalise: { ...c.normalise!, folded: true },
  };
}

/** Over (sum, mean, rstd, s, t, further inputs...): the program over (product, further inputs...). */
function correctedProgram(program: MapProgram | undefined): MapProgram {
  const further = (program?.inputs ?? 1) - 1;
  const first = 5 + further;
  const correction: MapInstruction[] = [
    { op: 'mul', args: [1, 3] },
    { op: 'sub', args: [0, first] },
    { op: 'mul', args: [first + 1, 2] },
    { op: 'add', args: [first + 2, 4] },
  ];
  const renamed = (value: number) => {
    if (value === 0) return first + 3;
    return value + (value <= further ? 4 : 4 + correction.length);
  };
  const rest = (program?.instructions ?? []).map((instruction) =>
    instruction.op === 'constant' ? instruction : { ...instruction, args: instruction.args.map(renamed) },
  );
  return { inputs: first, instructions: [...correction, ...rest] };
}

/** Mean and 1 / sqrt(variance + eps) of the rows of a workgroup's tile, in its memory: `row_norm`. */
interface RowNorm {
  /** Declarations. */
  readonly head: string;
  /** Statements that a whole workgroup runs, in front of everything that uses `row_norm`. */
  readonly lines: readonly string[];
}

/**
 * An element `raw` of the left operand at row `outer` of the tile and `kk` of the whole K, normalised where
 * the product does so; four of them along K, where the operand is read as vec4s.
 */
export function normalisedValue({ normalise }: Contraction, { a, norm }: ProductArgs): string {
  if (!normalise || !norm) return 'raw';
  const { weight, bias } = normalise;
  const alongK = (arg: KernelArg, offset: number) => {
    if (a.width === 1) return load(arg, `kk + ${offset}u`);
    return `vec4<f32>(${[0, 1, 2, 3].map((q) => load(arg, `kk + ${offset + q}u`)).join(', ')})`;
  };
  const [scale, offset] = [alongK(norm.gain, weight.offset), alongK(norm.shift, bias.offset)];
  return `(raw - row_norm[outer].x) * row_norm[outer].y * ${scale} + ${offset}`;
}

/** How a workgroup spreads work: the number of an invocation, and how many there are. */
interface Lanes {
  readonly index: string;
  readonly count: number;
}

/** Every invocation joins the moments of a row; nothing where the product does not normalise. */
export function printRowNorm(c: Contraction, rows: number, m0: string, lanes: Lanes): RowNorm {
  if (!c.normalise) return { head: '', lines: [] };
  const { moments, eps } = c.normalise;
  const groups = moments.shape[1]!;
  const count = literal(groups);
  // Distances from the first group's mean: of the size of the spread itself, so that their squares lose nothing to it.
  const joined = Array.from({ length: groups }, (_, t) => [
    `{ let pair = row_stats[at + ${t}u]; let apart = pair.x - pivot;`,
    'm2 += pair.y; sum += apart; squares += apart * apart; }',
  ]).flat();
  return {
    head: `var<workgroup> row_norm: array<vec2<f32>, ${rows}>;\n`,
    lines: [
      `for (var row = ${lanes.index}; row < ${rows}u; row += ${lanes.count}u) {`,
      `let at = min(${m0} + row, ${c.m - 1}u) * ${groups}u + ${moments.offset / 2}u;`,
      'let pivot = row_stats[at].x; var m2 = 0.0; var sum = 0.0; var squares = 0.0;',
      ...joined,
      `let spread = m2 + ${literal(momentColumns)} * (squares - sum * sum / ${count});`,
      `row_norm[row] = vec2<f32>(pivot + sum / ${count}, inverseSqrt(max(spread, 0.0) / ${literal(groups * momentColumns)} + ${literal(eps)}));`,
      '}',
      'workgroupBarrier();',
    ],
  };
}

/**
 * Statements behind the stores of a tile, run by a whole workgroup: moments of the tile's rows to
 * `own_stats`, a row and group for each invocation. They read what was stored, so all schedules add up in one
 * order. Distances from a group's first column are summed: it is one of the values, so M2 loses at most some
 * 64 roundings however large their mean is.
 *
 * @param bound hides a loop's length from unrollers that would be harmed by it
 */
export function printResultMoments(
  c: Contraction,
  tile: { readonly rows: number; readonly columns: number; readonly m0: string; readonly n0: string },
  lanes: Lanes,
  printer: ResultPrinter,
  bound: (count: number) => string,
): string[] {
  if (!c.moments) return [];
  const groups = c.moments.shape[1]!;
  const inTile = tile.columns / momentColumns;
  const all = (v: string) => `((${v}.x + ${v}.y) + (${v}.z + ${v}.w))`;
  const count = literal(momentColumns);
  return [
    'storageBarrier();',
    `for (var row = ${lanes.index}; row < ${tile.rows * inTile}u; row += ${lanes.count}u) {`,
    `let m = ${tile.m0} + row % ${tile.rows}u; let first = ${tile.n0} + row / ${tile.rows}u * ${momentColumns}u;`,
    `if (m < ${c.m}u && first < ${c.n}u) {`,
    `let start = ${printer.kept('m', 'first')}; let pivot = start.x;`,
    'var sums = vec4<f32>(); var squares = vec4<f32>();',
    `for (var q = 0u; q < ${bound(momentColumns)}; q += 4u) { let n = first + q;`,
    `let apart = ${printer.kept('m', 'n')} - pivot; sums += apart; squares += apart * apart; }`,
    `let sum = ${all('sums')};`,
    `own_stats[m * ${groups}u + first / ${momentColumns}u + ${c.moments.offset / 2}u] =`,
    `vec2<f32>(pivot + sum / ${count}, max(${all('squares')} - sum * sum / ${count}, 0.0));`,
    '} }',
  ];
}
