/**
 * What the self-test computes of each kernel family: small graphs of odd sizes whose results and gradients each come from few
 * kernels, so that a wrong one can be named.
 *
 * `loss` is the sum of all results, each element times a number of its own, so the gradient that flows back is that number.
 */

import type { Variable } from '../../compiler/autodiff/differentiate.ts';
import type { Precision } from '../../compiler/compile.ts';
import type { Builder } from '../../compiler/graph/builder.ts';
import { createBuilder } from '../../compiler/graph/create-builder.ts';
import { type Graph, numericShape } from '../../compiler/graph/types.ts';
import type { ScheduleFamily } from '../../compiler/kernels/text/choices.ts';
import { halfOf } from '../../compiler/ops/index.ts';
import type { CompareOptions } from './compare.ts';
import { jointGraph, type OpCase, oneOfEach, operandName, sumOf, weightsOf } from './op-cases.ts';
import { weight } from './values.ts';

/** A graph and how far its results may be off. */
export interface SelftestCase extends Omit<CompareOptions, 'gradients' | 'precision'> {
  /** The loss only carries gradients back, and cancels to whatever it does: it is not judged. */
  readonly carrier?: true;
  readonly graph: Graph;
  readonly gradients: readonly Variable[];
  /** Largest error of a result, and of a gradient, over its largest value. */
  readonly tolerances: { readonly results: number; readonly gradients: number };
  /** The same in two halves, where it has several parts: for devices that refuse one. */
  readonly split?: () => SelftestCase[];
}

/** One unit of a stored half. A kernel and the reference may round a value near a tie to different neighbours. */
const unit = 2 ** -11;
/** Of that, 3 for a result and 6 for a gradient, which passes the way twice. */
const halves = { results: 3 * unit, gradients: 6 * unit } as const;

/** Adds graphs up: each part names its operands, gives results, and all are weighed into the loss. */
class Parts {
  readonly b: Builder = createBuilder();
  readonly gradients: string[] = [];
  readonly #halved: boolean;
  readonly #outputs: { name: string; node: number }[] = [];
  readonly #terms: number[] = [];

  constructor(precision: Precision) {
    this.#halved = precision === 'mixed';
  }

  /** A weight with a gradient. In mixed precision one with the axes of an activation is stored as a half. */
  operand(name: string, shape: readonly number[]): number {
    this.gradients.push(name);
    const made = weight(this.b, name, shape);
    if (!this.#halved || shape.length < 3) return made;
    return this.b.add('mul', [made, this.b.add('constant', [], { value: 0.5, dtype: 'f32', shape: [] })], {});
  }

  input(name: string, dtype: 'f32' | 'i32', shape: readonly number[]): number {
    return this.b.add('input', [], { name, dtype, shape: [...shape] });
  }

  /** In mixed precision it is seen as the sums of its rows, since results of a plan are f32 and it is to be a half. */
  result(name: string, y: number): void {
    const { b } = this;
    const r = this.input(`${name}.r`, 'f32', numericShape(b.type(y)));
    this.#terms.push(sumOf(b, b.add('mul', [y, r], {})));
    const isActivation = this.#halved && b.type(y).shape.length > 2;
    this.#outputs.push({ name, node: isActivation ? b.add('sum', [y], { axes: [-1], keep: true }) : y });
  }

  finish(): Graph {
    const loss = this.#terms.reduce((sum, term) => this.b.add('add', [sum, term], {}));
    return this.b.finish([...this.#outputs, { name: 'loss', node: loss }]);
  }
}

export interface Product {
  readonly batch: number;
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly transposeA: boolean;
  readonly transposeB: boolean;
  readonly batchedB: boolean;
}

/** Quick GELU of a product with bias, plus a residual that repeats over the batch. */
export function fusedProduct(
  b: Builder,
  { transposeA, transposeB }: Pick<Product, 'transposeA' | 'transposeB'>,
  { x, w, bias, residual }: Readonly<Record<'x' | 'w' | 'bias' | 'residual', number>>,
): number {
  const u = b.add('add', [b.add('matmul', [x, w], { transposeA, transposeB }), bias], {});
  const slope = b.add('constant', [], { value: 1.702, dtype: 'f32', shape: [] });
  const gate = b.add('sigmoid', [b.add('mul', [u, slope], {})], {});
  return b.add('add', [b.add('mul', [u, gate], {}), residual], {});
}

function addProduct(parts: Parts, product: Product, name: string): void {
  const { batch, m, n, k, transposeA, transposeB, batchedB } = product;
  const x = parts.operand(`${name} x`, transposeA ? [batch, k, m] : [batch, m, k]);
  const w = parts.operand(`${name} w`, [...(batchedB ? [batch] : []), ...(transposeB ? [n, k] : [k, n])]);
  const bias = parts.operand(`${name} bias`, [n]);
  const residual = parts.input(`${name} residual`, 'f32', [m, n]);
  parts.result(name, fusedProduct(parts.b, product, { x, w, bias, residual }));
}

const plain = { batch: 1, transposeA: false, transposeB: false, batchedB: false } as const;

const products: readonly Product[] = [
  // Larger than every tile in both directions, but by little.
  { ...plain, m: 131, n: 137, k: 19 },
  // Columns in fours, as vec4s want them; the left operand by columns, and by rows with sums of several parts.
  { ...plain, m: 132, n: 68, k: 36, transposeA: true, transposeB: true },
  { ...plain, m: 53, n: 36, k: 150 },
  // Two pieces of K on GPUs.
  { ...plain, m: 20, n: 12, k: 262, transposeA: true },
  { batch: 3, m: 33, n: 17, k: 31, transposeA: true, transposeB: true, batchedB: true },
];

interface Convolution {
  readonly x: readonly number[];
  readonly w: readonly number[];
  readonly stride: number;
  readonly groups: number;
}

const convolutions: readonly Convolution[] = [
  { x: [2, 6, 9, 7], w: [10, 3, 3, 3], stride: 2, groups: 2 },
  { x: [2, 8, 7, 8], w: [12, 8, 3, 3], stride: 1, groups: 1 },
];

function addConvolution(parts: Parts, { x, w, stride, groups }: Convolution, name: string): void {
  const operands = [parts.operand(`${name} x`, x), parts.operand(`${name} w`, w)];
  parts.result(name, parts.b.add('conv2d', operands, { stride, groups, padding: 1, dilation: 1 }));
}

export interface Heads {
  readonly batch: number;
  readonly heads: number;
  readonly queries: number;
  readonly keys: number;
  readonly width: number;
  readonly causal: boolean;
}

const attentions: readonly Heads[] = [
  { batch: 2, heads: 1, queries: 1, keys: 1, width: 64, causal: false },
  { batch: 1, heads: 3, queries: 7, keys: 7, width: 40, causal: true },
  { batch: 1, heads: 2, queries: 50, keys: 33, width: 64, causal: false },
  { batch: 1, heads: 1, queries: 77, keys: 77, width: 36, causal: true },
  // More than one tile of subgroup matrices both ways, where a workgroup holds no head.
  { batch: 1, heads: 1, queries: 97, keys: 103, width: 20, causal: true },
];

function addAttention(parts: Parts, sizes: Heads, name: string): void {
  const { batch, heads, queries, keys, width, causal } = sizes;
  const operand = (part: string, rows: number) =>
    parts.operand(`${name} ${part}`, [batch, heads, rows, width]);
  const operands = [operand('q', queries), operand('k', keys), operand('v', keys)];
  parts.result(name, parts.b.add('attention', operands, { causal, scale: 1 / Math.sqrt(width) }));
}

/** One row, one column, less and more rows than a workgroup has invocations, odd and whole vec4s. */
const matrices: readonly (readonly [rows: number, length: number])[] = [
  [1, 577],
  [130, 3],
  [37, 19],
  [65, 64],
];

function addRows(parts: Parts, [rows, length]: (typeof matrices)[number], name: string): void {
  const { b } = parts;
  const x = parts.operand(`${name} x`, [1, rows, length]);
  const along = { axes: [-1], keep: true };
  const scale = parts.operand(`${name} scale`, [length]);
  const bias = parts.operand(`${name} bias`, [length]);
  const labels = parts.input(`${name} labels`, 'i32', [1, rows]);
  const logs = b.add('log_softmax', [x], {});
  parts.result(`${name} layer_norm`, b.add('layer_norm', [x, scale, bias], { eps: 1e-5 }));
  parts.result(`${name} softmax`, b.add('softmax', [x], {}));
  parts.result(`${name} log_softmax`, logs);
  parts.result(`${name} l2_normalize`, b.add('l2_normalize', [x], {}));
  parts.result(`${name} mean`, b.add('mul', [x, b.add('mean', [x], along)], {}));
  parts.result(`${name} sum`, b.add('mul', [x, b.add('sum', [x], along)], {}));
  parts.result(`${name} max`, b.add('max', [x], along));
  parts.result(`${name} loss`, b.add('take', [logs, labels], { axis: 2 }));
}

interface Family {
  readonly items: readonly unknown[];
  readonly f32: SelftestCase['tolerances'];
  readonly options?: Pick<CompareOptions, 'integersBelow' | 'least'>;
  add(parts: Parts, item: never, name: string): void;
}

const both = (tolerance: number) => ({ results: tolerance, gradients: tolerance });

/**
 * Tolerances of f32: sums of up to 3000 products or exponentials, which rounding moves by some 1e-6 of the largest, and functions
 * that WGSL allows some twenty units in the last place. Rows are divided by their norm, of which short ones may be small.
 */
const families: Readonly<Record<ScheduleFamily | 'convolution', Family>> = {
  contract: { items: products, add: addProduct, f32: both(1e-5) },
  convolution: { items: convolutions, add: addConvolution, f32: both(1e-5) },
  attention: { items: attentions, add: addAttention, f32: both(2e-5), options: { least: 1 } },
  // Labels are places in a row: all rows have one.
  rows: { items: matrices, add: addRows, f32: both(1e-4), options: { integersBelow: 1 } },
};

function caseOf(name: string, family: Family, items: readonly unknown[], precision: Precision): SelftestCase {
  const parts = new Parts(precision);
  for (const item of items) family.add(parts, item as never, `${name} ${family.items.indexOf(item) + 1}`);
  return {
    ...family.options,
    carrier: true,
    graph: parts.finish(),
    gradients: parts.gradients,
    tolerances: precision === 'mixed' ? halves : family.f32,
    ...splitting(items, (some) => caseOf(name, family, some, precision)),
  };
}

function splitting<T>(
  items: readonly T[],
  make: (some: readonly T[]) => SelftestCase,
): Pick<SelftestCase, 'split'> {
  if (items.length < 2) return {};
  const middle = items.length >> 1;
  return { split: () => [items.slice(0, middle), items.slice(middle)].map(make) };
}

/** A case with what it is called. */
export interface NamedCase {
  readonly what: string;
  readonly one: SelftestCase;
}

/** Work of the families that have several schedules. */
export const scheduledCases: Readonly<Record<ScheduleFamily, (precision: Precision) => NamedCase[]>> = {
  contract: (precision) => [
    { what: 'products', one: caseOf('product', families.contract, products, precision) },
    { what: 'convolutions', one: caseOf('convolution', families.convolution, convolutions, precision) },
  ],
  attention: (precision) => [
    { what: 'attention', one: caseOf('attention', families.attention, attentions, precision) },
  ],
  rows: (precision) => [{ what: 'rows', one: caseOf('rows', families.rows, matrices, precision) }],
};

/** What an example of an op gives is a chain of the op, a tanh, a product and a sum. */
const operationTolerances = { f32: both(5e-5), mixed: halves } as const;

function operationsOf(cases: readonly OpCase[], precision: Precision): SelftestCase {
  const differentiable = cases.filter(({ definition }) => typeof definition.gradient !== 'string');
  return {
    carrier: true,
    graph: jointGraph(cases, precision === 'mixed'),
    gradients: differentiable.flatMap(weightsOf),
    feeds: new Map(cases.flatMap((c) => c.operands.map(({ data }, i) => [operandName(c, i), data] as const))),
    least: 1e-2,
    tolerances: operationTolerances[precision],
    ...splitting(cases, (some) => operationsOf(some, precision)),
  };
}

/** Operations of one graph: few enough that no run of it takes long anywhere. */
const together = 12;

/** One example of every operation. */
export function operations(precision: Precision): NamedCase[] {
  // Integers have no halves.
  const cases = oneOfEach().filter(
    ({ op, type }) => precision === 'f32' || (halfOf(op) !== 'full' && type.dtype === 'f32'),
  );
  return Array.from({ length: Math.ceil(cases.length / together) }, (_, i) => {
    const some = cases.slice(i * together, (i + 1) * together);
    return { what: `${some[0]!.op} … ${some.at(-1)!.op}`, one: operationsOf(some, precision) };
  });
}
