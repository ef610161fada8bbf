/**
 * One matrix product as kernels see it: sizes, strided operands, epilogue; and how its operands and results
 * are printed.
 *
 * Rows may stem from several axes (batch and token) as long as the right operand is shared by them; each
 * operand turns a row number into an address by itself, so that slices, transposes and repeated position
 * embeddings need no copy.
 */
import { alignUp } from '../../graph/dims.ts';
import { sizeOf } from '../../graph/types.ts';
import type { MapProgram } from '../../ops/map-program.ts';
import { indexExpression } from '../text/access.ts';
import type { KernelArg } from '../text/kernel.ts';
import { load, store } from '../text/memory.ts';
import type { View } from '../text/view.ts';
import { collapseAxes } from '../text/view-algebra.ts';
import { affine, printProgram } from '../text/wgsl.ts';

/** Axes of one operand over a group of the product's axes. */
interface AxisGroup {
  readonly shape: readonly number[];
  readonly strides: readonly number[];
}

export interface Operand {
  readonly view: View;
  /** Over the batch axes (one workgroup each). */
  readonly batch: AxisGroup;
  /** Over M for the left, over N for the right operand; both for results. */
  readonly outer: AxisGroup;
  /** Stride along K (left, right) or N (results). */
  readonly inner: number;
}

/** Strides of an image's batch, rows and columns; the stride of its channels is the operand's own. */
export interface ImageStrides {
  readonly batch: number;
  readonly row: number;
  readonly column: number;
}

/** A window that slides over an image: what every implicit product of a convolution shares. */
export interface SlidingWindow {
  /** Rows and columns of the convolution's result. */
  readonly grid: readonly [rows: number, columns: number];
  /** Rows and columns of its input. */
  readonly source: readonly [rows: number, columns: number];
  readonly kernel: readonly [rows: number, columns: number];
  readonly stride: number;
  readonly padding: number;
  /** Steps between taps. */
  readonly dilation: number;
  /** Of the left operand. */
  readonly image: ImageStrides;
}

/**
 * Rows of the product are pixels, its K axis is taps of the window times `channels`. The left operand is the
 * source and rows are the grid; with `transposed` (the gradient of the image) it is the other way round.
 */
export interface TapWalk extends SlidingWindow {
  readonly kind: 'taps';
  readonly transposed: boolean;
  readonly channels: number;
}

/**
 * Rows of the product are channels of the source, columns channels of the grid, its K axis is pixels of the
 * grid: the gradient of the filters. The batch axes are [pieces, groups, kernel rows, kernel columns]; each
 * piece sums `linesOfPiece` of all `lines`.
 */
export interface PixelWalk extends SlidingWindow {
  readonly kind: 'pixels';
  /** Rows of the grid in all images, and how many of them one piece sums. */
  readonly lines: number;
  readonly linesOfPiece: number;
  /** Shape of the product's batch. */
  readonly batchShape: readonly number[];
  /** Of the right operand. */
  readonly right: ImageStrides;
}

export type Walk = TapWalk | PixelWalk;

/** A layer norm of the left operand's rows, see normalised.ts. */
export interface Normalisation {
  /** [rows, groups, 2] */
  readonly moments: View;
  readonly eps: number;
  /** [K] */
  readonly weight: View;
  readonly bias: View;
  /**
   * It is part of the right operand and of the epilogue, which gets mean and 1 / deviation of the row behind
   * the product.
   */
  readonly folded?: true;
}

/** Where the sums of the left operand's rows go, `step` apart for each batch (which is a piece of K); see left-sums.ts. */
export interface LeftSums {
  readonly view: View;
  readonly step: number;
}

/** What a product stores beside its result: elementwise work on that, as it is stored, and on further operands. */
export interface SecondResult {
  readonly program: MapProgram;
  /** Which input of the program is the product, for each `undefined`, and which are extras in order. */
  readonly inputs: readonly (number | undefined)[];
  readonly extras: readonly Operand[];
  readonly result: Operand;
}

export interface Contraction {
  readonly batch: number;
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly a: Operand;
  readonly b: Operand;
  readonly result: Operand;
  /**
   * How K runs where it is not one affine axis; the operands then give offset, batch and channel strides
   * only.
   */
  readonly walk?: Walk;
  readonly epilogue: MapProgram | undefined;
  readonly extras: readonly Operand[];
  readonly normalise?: Normalisation;
  /** Where the moments of the result's rows go. */
  readonly moments?: View;
  readonly leftSums?: LeftSums;
  readonly second?: SecondResult;
}

/** Splits a view's axes into batch axes, the outer (row or column) axes and the innermost. */
export function operandOf(view: View, batchAxes: number, outer: 'middle' | 'last'): Operand {
  const rank = view.shape.length;
  const innerAxis = outer === 'middle' ? rank - 1 : rank - 2;
  const outerAxes = view.shape.map((_, i) => i).filter((i) => i >= batchAxes && i !== innerAxis);
  const pick = (axes: readonly number[]) => ({
    shape: axes.map((i) => view.shape[i]!),
    strides: axes.map((i) => view.strides[i]!),
  });
  return {
    view,
    batch: pick(view.shape.map((_, i) => i).slice(0, batchAxes)),
    outer: pick(outerAxes),
    inner: view.strides[innerAxis]!,
  };
}

/**
 * Address part of a linear index over an axis group: `m * 768u`, or with divisions where axes do not merge.
 */
export function groupIndex(name: string, group: AxisGroup): string {
  return indexExpression(name, group.shape, group.strides);
}

/** Whether consecutive rows (or columns) lie `1` apart throughout. */
export function unitStride(group: AxisGroup): boolean {
  const { shape, strides } = collapseAxes(group.shape, [group.strides]);
  return shape.length === 1 && strides[0]![0] === 1;
}

/** Whether every address that vec4 loads along the unit axis would use is a multiple of 4. */
export function vectorAligned(operand: Operand, along: 'outer' | 'inner'): boolean {
  const outer = collapseAxes(operand.outer.shape, [operand.outer.strides]).strides[0]!;
  const others = along === 'outer' ? [operand.inner] : outer;
  return [operand.view.offset, ...operand.batch.strides, ...others].every((n) => n % 4 === 0);
}

/** Constant offset plus batch part. */
export function baseIndex(operand: Operand, batchName: string): string {
  const batch = groupIndex(batchName, operand.batch);
  return affine(operand.view.offset, batch === '0u' ? [] : [[`(${batch})`, 1]]);
}

/** The arguments that hold what a product reads; operands of one storage share one. Vectors lie along M or N. */
export interface ProductArgs {
  readonly a: KernelArg;
  readonly b: KernelArg;
  readonly extras: readonly KernelArg[];
  /** Weight and bias of a normalisation that is not folded. */
  readonly norm: { readonly gain: KernelArg; readonly shift: KernelArg } | undefined;
  /** What the second result reads, and where it goes. */
  readonly second?: { readonly extras: readonly KernelArg[]; readonly result: KernelArg } | undefined;
  /** Holds the sums of the left operand's rows. */
  readonly sums?: KernelArg | undefined;
}

/**
 * How results are written and, for the epilogue, read again; `m` and `n` are identifiers, `n` a multiple of
 * 4.
 */
export interface ResultPrinter {
  /** Whether the result is dense along its rows, so that vec4s of four rows are stored. */
  readonly byColumns: boolean;
  /** Statements that store the vec4 `acc` at row `m`, columns `n`..`n+3`, as it is. */
  keep(acc: string, m: string, n: string): string[];
  /** The vec4 that was kept there (columns behind the edge repeat the last one). */
  kept(m: string, n: string): string;
  /**
   * Statements that load, once for all rows, what the epilogue reads of columns `n`..`n+3`; `Down`: of column
   * `n`, the `q`th of four.
   */
  columnValues(n: string): string[];
  columnValuesDown(n: string, q: number): string[];
  /** Statements that map `acc` by the epilogue and store it. */
  store(acc: string, m: string, n: string): string[];
  /** By columns, for rows `m`..`m+3` of column `n`: the same three. */
  keepDown(acc: string, m: string, n: string): string;
  keptDown(m: string, n: string): string;
  storeDown(acc: string, m: string, n: string, q: number): string[];
}

/** Whether an epilogue input (or the result) can be accessed as vec4 along N. */
export function vectorExtra(c: Contraction, operand: Operand): boolean {
  return c.n % 4 === 0 && operand.inner === 1 && vectorAligned(operand, 'inner');
}

const four = [0, 1, 2, 3];

/** Whether an epilogue input can be accessed as vec4 along M, four rows at a time from a multiple of 4. */
export function vectorExtraDown(c: Contraction, { view, batch, outer, inner }: Operand): boolean {
  const rows = alignUp(c.m, 4);
  return (
    batch.shape.length === 0 &&
    unitStride(outer) &&
    view.offset % 4 === 0 &&
    inner % 4 === 0 &&
    inner >= rows &&
    view.storage.elements >= view.offset + (c.n - 1) * inner + rows
  );
}

/** Whether a register tile stores its result column by column: dense along the rows, in blocks of 4×4. */
export function storesByColumns(c: Contraction): boolean {
  return (
    !vectorExtra(c, c.result) &&
    c.batch === 1 &&
    c.m > 1 &&
    c.n % 4 === 0 &&
    unitStride(c.result.outer) &&
    vectorAligned(c.result, 'outer') &&
    c.result.inner >= alignUp(c.m, 4)
  );
}

/** Whether the result is bound as vec4: along its rows, or down its columns. */
export function storesVectors(c: Contraction, byColumns: boolean): boolean {
  return byColumns || vectorExtra(c, c.result);
}

/** Prints results and their epilogue, whose further inputs are in `extras`. */
export function resultPrinter(
  c: Contraction,
  extras: readonly KernelArg[],
  result: KernelArg,
  byColumns: boolean,
  secondArgs?: ProductArgs['second'],
): ResultPrinter {
  const along = vectorExtra(c, c.result);
  const rowOf = (operand: Operand, m: string) =>
    `(${baseIndex(operand, 'batch')} + ${groupIndex(m, operand.outer)})`;
  const place = (m: string, column: string) => `${rowOf(c.result, m)} + (${column}) * ${c.result.inner}u`;
  const loadFrom = (arg: KernelArg, extra: Operand, m: string, n: string) => {
    if (arg.width === 4) return load(arg, `(${rowOf(extra, m)} + ${n}) / 4u`);
    if (extra.inner === 0) return `vec4<f32>(${load(arg, rowOf(extra, m))})`;
    // Columns behind the edge are read clamped; their results are not stored.
    const at = (q: number) => `${rowOf(extra, m)} + min(${n} + ${q}u, ${c.n - 1}u) * ${extra.inner}u`;
    return `vec4<f32>(${four.map((q) => load(arg, at(q))).join(', ')})`;
  };
  const loadAlong = (extra: Operand, i: number, m: string, n: string) => loadFrom(extras[i]!, extra, m, n);
  const isColumn = c.extras.map(
    ({ outer, batch }) =>
      sizeOf(batch.shape) === 1 && outer.strides.every((s, axis) => s === 0 || outer.shape[axis] === 1),
  );
  const loadDown = (extra: Operand, i: number, m: string, n: string) => {
    const arg = extras[i]!;
    if (arg.width === 4) return load(arg, `(${rowOf(extra, m)} + ${n} * ${extra.inner}u) / 4u`);
    const at = (row: string) => load(arg, `${rowOf(extra, row)} + ${n} * ${extra.inner}u`);
    if (isColumn[i]) return `vec4<f32>(${at(m)})`;
    return `vec4<f32>(${four.map((q) => at(`min(${m} + ${q}u, ${c.m - 1}u)`)).join(', ')})`;
  };
  /** What an extra is called; `q` tells the columns of a block apart. */
  const named = (i: number, q: number) => (isColumn[i] ? `e${i}_${q}` : `e${i}`);
  /** Loads of the extras that are the same for all rows, or of the others. */
  const lets = (columns: boolean, load: (extra: Operand, i: number) => string, q = 0) =>
    c.extras.flatMap((extra, i) =>
      isColumn[i] === columns ? [`let ${named(i, q)} = ${load(extra, i)};`] : [],
    );
  /** Mean and 1 / deviation of rows, where the epilogue normalises. */
  const rowPair = (pick: (part: string) => string) => (c.normalise?.folded ? [pick('x'), pick('y')] : []);
  const map = (acc: string, rows: readonly string[], loads: readonly string[], q = 0) => {
    if (!c.epilogue) return { lines: [], value: acc };
    const values = [acc, ...rows, ...c.extras.map((_, i) => named(i, q))];
    const { lines, result } = printProgram(c.epilogue, values, 4, 'p');
    return { lines: [...loads, ...lines], value: result };
  };
  const put = (arg: KernelArg, operand: Operand, acc: string, m: string, n: string): string[] => {
    if (vectorExtra(c, operand)) return [store(arg, `(${rowOf(operand, m)} + ${n}) / 4u`, acc)];
    const one = (q: number) => {
      const at = `${rowOf(operand, m)} + (${n} + ${q}u) * ${operand.inner}u`;
      return `if (${n} + ${q}u < ${c.n}u) { ${store(arg, at, `r[${q}]`)} }`;
    };
    return ['{', `let r = ${acc};`, ...four.map(one), '}'];
  };
  const keep = (acc: string, m: string, n: string) => put(result, c.result, acc, m, n);
  /** Elementwise work on what was stored, halves included. */
  const storeSecond = (acc: string, m: string, n: string): string[] => {
    if (!c.second || !secondArgs) return [];
    const { program, inputs, extras: more, result: own } = c.second;
    const half = c.result.view.storage.dtype === 'f16';
    const names = inputs.map((i) => (i === undefined ? 'stored' : `second${i}`));
    const { lines, result: value } = printProgram(program, names, 4, 's');
    return [
      '{',
      `let stored = ${half ? `vec4<f32>(vec4<f16>(${acc}))` : acc};`,
      ...more.map((extra, i) => `let second${i} = ${loadFrom(secondArgs.extras[i]!, extra, m, n)};`),
      ...lines,
      ...put(secondArgs.result, own, value, m, n),
      '}',
    ];
  };
  const placeDown = (m: string, n: string) =>
    `(${c.result.view.offset}u + ${n} * ${c.result.inner}u + ${m}) / 4u`;
  const kept = (m: string, n: string): string => {
    if (along) return load(result, `(${rowOf(c.result, m)} + ${n}) / 4u`);
    const one = (q: number) =>
      byColumns
        ? `${load(result, placeDown(m, `(${n} + ${q}u)`))}[${m} & 3u]`
        : load(result, place(m, `min(${n} + ${q}u, ${c.n - 1}u)`));
    return `vec4<f32>(${four.map(one).join(', ')})`;
  };
  return {
    byColumns,
    keep,
    kept,
    columnValues: (n) => lets(true, (extra, i) => loadAlong(extra, i, '0u', n)),
    columnValuesDown: (n, q) => lets(true, (extra, i) => loadDown(extra, i, '0u', n), q),
    store(acc, m, n) {
      const rows = rowPair((part) => `vec4<f32>(row_norm[${m} - m0].${part})`);
      const { lines, value } = map(
        acc,
        rows,
        lets(false, (extra, i) => loadAlong(extra, i, m, n)),
      );
      return [...lines, ...keep(value, m, n), ...storeSecond(value, m, n)];
    },
    keepDown: (acc, m, n) => store(result, placeDown(m, n), acc),
    keptDown: (m, n) => load(result, placeDown(m, n)),
    storeDown(acc, m, n, q) {
      const rows = rowPair(
        (part) => `vec4<f32>(${four.map((r) => `row_norm[${m} - m0 + ${r}u].${part}`).join(', ')})`,
      );
      const { lines, value } = map(
        acc,
        rows,
        lets(false, (extra, i) => loadDown(extra, i, m, n)),
        q,
      );
      return [...lines, store(result, placeDown(m, n), value)];
    },
  };
}
