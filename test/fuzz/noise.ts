/**
 * How far a result may lie from the f64 reference: measured on the very graph, by evaluating it again with errors put in.
 *
 * A fixed tolerance is too wide for what is exact and too narrow for what cancels. So the reference runs a few times over with every
 * op's result moved by random errors of the size that the op's own definition allows (its `tolerance`), and with the terms of every sum
 * moved by half a unit of f32, as their rounding would; how far the outputs then move is what rounding can do to them. That covers
 * cancellation, deep chains and kinks (a sign of relu, a largest element) without a word about any of them. Errors are put in `boost`
 * times too large, so that a kink close by is crossed in few runs, and the spread is doubled; for results stored as f16 the reference
 * rounds as the plan does. A wrong kernel is wrong by far more: by the size of the result itself.
 *
 * One run more sets to zero every sum that cancels to nothing but rounding errors: f32 may meet zero exactly there, and what divides by
 * it is then no number, in any implementation.
 */

import { roundToHalf } from '../../compiler/graph/half.ts';
import type { Feeds } from '../../compiler/graph/reference.ts';
import { type Graph, type Node, nodeAt, numericShape } from '../../compiler/graph/types.ts';
import type { OpName } from '../../compiler/ops/attributes.ts';
import { opOf } from '../../compiler/ops/index.ts';
import {
  isElementwise,
  isMap,
  type MapInstruction,
  type MapProgram,
} from '../../compiler/ops/map-program.ts';
import { operandCount } from '../../compiler/ops/matmul.ts';
import type { RefTensor } from '../../compiler/ops/op.ts';
import { evaluateProgram } from '../../compiler/ops/scalar.ts';
import { Draw } from '../support/draw.ts';

/** Errors are put in so many times larger than an op may make them. */
const boost = 6;
/** Half a unit in the last place of f32. */
const half = 2 ** -24;
/** Runs with errors: a few, and so many before a result is called wrong. */
const runs = { few: 3, many: 41 } as const;

/** Integers, and ops that only move values, compare or choose: they make no error. */
function isExact(node: Node): boolean {
  if (node.type.dtype === 'i32') return true;
  const { rtol, atol } = opOf(node.op).tolerance;
  return rtol === 0 && atol === 0;
}

/** Ops whose result is made of many terms, each of which is rounded on its way. */
function accumulates(node: Node): boolean {
  return !isExact(node) && !isMap(node.op) && node.op !== 'cast';
}

/** Ops of which WGSL demands the f32 that is nearest to the exact result: what f32 holds has no error. */
const correctlyRounded: ReadonlySet<string> = new Set<OpName>(['add', 'sub', 'mul']);

/** How far off a result may be: relative to each element, and absolute; `nearest` where what f32 holds is exact. */
interface Errors {
  readonly relative: number;
  readonly absolute?: number;
  readonly nearest?: boolean;
}

function moved(x: RefTensor, draw: Draw, { relative, absolute = 0, nearest = false }: Errors): RefTensor {
  const data = x.data.map((v) =>
    nearest && Math.fround(v) === v
      ? v
      : v + (2 * draw.unit() - 1) * boost * (relative * Math.abs(v) + absolute),
  );
  return { shape: x.shape, data };
}

/** What f32 holds of a constant. */
function asSingle({ shape, data }: RefTensor): RefTensor {
  return { shape, data: data.map(Math.fround) };
}

/** Whole numbers that f32 adds up without an error, in any order. */
function addsExactly(node: Node, [x]: readonly RefTensor[]): boolean {
  if (node.op !== 'sum' || x === undefined || !x.data.every(Number.isInteger)) return false;
  return x.data.reduce((total, v) => total + Math.abs(v), 0) <= 2 ** 24;
}

/** Sums of terms that may cancel, and the op that adds the same terms without cancelling. */
const sums = new Map<OpName, OpName>([
  ['add', 'add'],
  ['sub', 'add'],
  ['sum', 'sum'],
  ['mean', 'mean'],
  ['matmul', 'matmul'],
]);

/** The result with zeros where it is less than the rounding of its terms. */
function cancelled(node: Node, inputs: readonly RefTensor[], result: RefTensor): RefTensor {
  const adding = sums.get(node.op);
  if (adding === undefined) return result;
  const sizes = inputs.map(({ shape, data }) => ({ shape, data: data.map(Math.abs) }));
  const terms = opOf(adding).reference(sizes, node.attrs as never, result.shape);
  const data = result.data.map((v, i) => (Math.abs(v) <= boost * half * terms.data[i]! ? 0 : v));
  return { shape: result.shape, data };
}

/** Of numbers: what a choice leaves out may be none. */
const largestOf = ({ data }: RefTensor) =>
  data.reduce((most, v) => (Number.isFinite(v) ? Math.max(most, Math.abs(v)) : most), 0);

/**
 * The size of the terms whose difference a gradient along rows is. They may cancel for any operands (in rows of two, a layer norm's
 * gradient nearly vanishes), so errors put into operands do not show it.
 */
function innerSize(node: Node, inputs: readonly RefTensor[]): number {
  const [x, second, third] = inputs as [RefTensor, RefTensor, RefTensor];
  const width = x.shape.at(-1) ?? 1;
  const rows = Array.from({ length: x.data.length / width }, (_, i) =>
    x.data.subarray(i * width, (i + 1) * width),
  );
  if (node.op === 'layer_norm_grad') {
    const deviations = rows.map((row) => {
      const mean = row.reduce((a, v) => a + v, 0) / width;
      return Math.sqrt(row.reduce((a, v) => a + (v - mean) ** 2, 0) / width + node.attrs.eps);
    });
    return (largestOf(second) * largestOf(third)) / Math.min(...deviations);
  }
  if (node.op === 'softmax_grad') return largestOf(x) * largestOf(second);
  if (node.op === 'log_softmax_grad') return width * largestOf(second);
  if (node.op === 'l2_normalize_grad')
    return largestOf(second) / Math.min(...rows.map((row) => Math.hypot(...row)));
  return 0;
}

/** What an op may be off; absolute errors for results below 1 are less. */
function allowed(node: Node, inputs: readonly RefTensor[], result: RefTensor): Errors {
  // Its tolerance is that of halves.
  if (node.op === 'cast' && node.attrs.to !== 'f16') return { relative: half, nearest: true };
  const { rtol, atol } = opOf(node.op).tolerance;
  return {
    relative: Math.max(rtol, half),
    absolute: atol * Math.min(1, largestOf(result)) + 2 * half * innerSize(node, inputs),
    nearest: correctlyRounded.has(node.op),
  };
}

/** A chain with an error behind every step: what a fused kernel subtracts on its way cancels like what a node subtracts. */
function movedProgram(
  program: MapProgram,
  inputs: readonly RefTensor[],
  shape: readonly number[],
  draw: Draw,
): RefTensor {
  const values = [...inputs];
  for (const step of program.instructions) {
    const alone = { ...step, args: step.args.map((_, i) => i) } as MapInstruction;
    const operands = step.args.map((at) => values[at]!);
    const result = evaluateProgram({ inputs: operands.length, instructions: [alone] }, operands, shape);
    const { rtol, atol } = isElementwise(step.op) ? opOf(step.op).tolerance : { rtol: 0, atol: 0 };
    const exact = rtol === 0 && atol === 0;
    const errors = {
      relative: Math.max(rtol, half),
      absolute: atol * Math.min(1, largestOf(result)),
      nearest: correctlyRounded.has(step.op),
    };
    values.push(step.op === 'constant' ? asSingle(result) : exact ? result : moved(result, draw, errors));
  }
  return values.at(-1)!;
}

/** A node's result with errors: of the op itself, and of every step of a chain that was fused into it. */
function withErrors(
  node: Node,
  terms: readonly RefTensor[],
  shape: readonly number[],
  draw: Draw,
): RefTensor {
  if (node.op === 'map') return movedProgram(node.attrs.program, terms, shape, draw);
  const epilogue = node.op === 'matmul' || node.op === 'conv2d' ? node.attrs.epilogue : undefined;
  const attrs = { ...node.attrs, epilogue: undefined };
  const count = epilogue === undefined ? terms.length : node.op === 'matmul' ? operandCount(node.attrs) : 2;
  const own = terms.slice(0, count);
  const exact = opOf(node.op).reference(own as never, (epilogue ? attrs : node.attrs) as never, shape);
  const result = moved(exact, draw, allowed(node, own, exact));
  return epilogue === undefined
    ? result
    : movedProgram(epilogue, [result, ...terms.slice(count)], shape, draw);
}

/** Values of all outputs: exactly, as the reference computes them; with errors that are drawn; or with cancelled sums as zero. */
function evaluate(graph: Graph, feeds: Feeds, errors?: Draw | 'cancelled'): Map<string, RefTensor> {
  const draw = errors === 'cancelled' ? undefined : errors;
  const values: RefTensor[] = [];
  for (const node of graph.nodes) {
    const shape = numericShape(node.type);
    if (node.op === 'input' || node.op === 'param') {
      const fed = (node.op === 'input' ? feeds.inputs : feeds.params).get(node.attrs.name);
      if (fed === undefined) throw new Error(`${node.attrs.name} was not fed`);
      values.push({ shape, data: fed.data });
      continue;
    }
    const inputs = node.inputs.map((id) => values[id]!);
    const whole = addsExactly(node, inputs);
    const terms =
      draw && accumulates(node) && !whole
        ? inputs.map((x, i) => (isInteger(graph, node.inputs[i]!) ? x : moved(x, draw, { relative: half })))
        : inputs;
    // What is computed of constants is rounded like all else.
    const made = node.inputs.length > 0 || node.op === 'map';
    const errs = !isExact(node) && node.type.dtype !== 'i32' && made && !whole;
    let value =
      draw && errs
        ? withErrors(node, terms, shape, draw)
        : opOf(node.op).reference(terms as never, node.attrs as never, shape, node.type.dtype);
    if (draw && node.op === 'constant' && node.type.dtype !== 'i32') value = asSingle(value);
    if (errors === 'cancelled' && node.type.dtype !== 'i32') value = cancelled(node, inputs, value);
    values.push(node.type.dtype === 'f16' ? { shape, data: value.data.map(roundToHalf) } : value);
  }
  return new Map(graph.outputs.map(({ name, node }) => [name, values[node]!]));
}

function isInteger(graph: Graph, id: number): boolean {
  return nodeAt(graph, id).type.dtype === 'i32';
}

/** What the reference says of a graph, and how far its outputs may be off; more runs are made as they are asked for. */
export class Expectation {
  readonly graph: Graph;
  readonly values: ReadonlyMap<string, RefTensor>;
  readonly #feeds: Feeds;
  readonly #spreads = new Map<string, Float64Array>();
  readonly #draw: Draw;
  #runs = 0;

  constructor(graph: Graph, feeds: Feeds) {
    this.graph = graph;
    this.#feeds = feeds;
    this.#draw = new Draw(graph.nodes.length);
    this.values = evaluate(graph, feeds);
    for (const [name, { data }] of this.values) this.#spreads.set(name, new Float64Array(data.length));
  }

  /** Largest deviation of each element of an output in at least `count` runs with errors. */
  spread(name: string, count: number): Float64Array {
    for (; this.#runs < count; this.#runs++) {
      const errors = this.#runs === 0 ? 'cancelled' : this.#draw;
      for (const [output, { data }] of evaluate(this.graph, this.#feeds, errors)) {
        const spread = this.#spreads.get(output)!;
        const exact = this.values.get(output)!.data;
        for (let i = 0; i < data.length; i++) {
          const deviation = Math.abs(data[i]! - exact[i]!);
          spread[i] = Math.max(spread[i]!, Number.isNaN(deviation) ? Number.POSITIVE_INFINITY : deviation);
        }
      }
    }
    return this.#spreads.get(name)!;
  }
}

export interface Mismatch {
  readonly output: string;
  readonly element: number;
  readonly found: number;
  readonly expected: number;
  readonly tolerance: number;
  /** Of the largest element of the output. */
  readonly share: number;
}

/** Whether anything could be found wrong: a tolerance of more than a tenth of the result says nothing. */
export type Verdict = 'compared' | 'vague' | 'undefined';

export interface Comparison {
  readonly verdict: Verdict;
  /** The largest deviation, of the largest element of the output. */
  readonly error: number;
  /** The largest deviation of what it may be: above 1 for a mismatch. */
  readonly excess: number;
  readonly mismatch?: Mismatch;
}

/** Compares one output; the mismatch is the element that is off the most against its tolerance. */
export function compareOutput(
  expectation: Expectation,
  output: string,
  found: ArrayLike<number>,
): Comparison {
  const { data } = expectation.values.get(output)!;
  if (!data.every(Number.isFinite)) return { verdict: 'undefined', error: Number.NaN, excess: Number.NaN };
  const largest = data.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
  const deviations = data.map((v, i) => Math.abs(found[i]! - v));
  const error = deviations.reduce((most, d) => Math.max(most, d), 0) / Math.max(largest, 1e-30);
  for (const count of [runs.few, 8, runs.many]) {
    const spread = expectation.spread(output, count);
    if (spread.includes(Number.POSITIVE_INFINITY)) return { verdict: 'undefined', error, excess: Number.NaN };
    const typical = Math.sqrt(spread.reduce((sum, s) => sum + s * s, 0) / Math.max(1, spread.length));
    const tolerance = (i: number) => 2 * Math.max(spread[i]!, typical) + 1e-7 * largest + 1e-30;
    const vague = typical > 0.1 * largest && largest > 0;
    let element = 0;
    let excess = 0;
    for (const [i, deviation] of deviations.entries()) {
      const over = Number.isNaN(deviation) ? Number.POSITIVE_INFINITY : deviation / tolerance(i);
      if (over <= excess) continue;
      excess = over;
      element = i;
    }
    if (excess <= 1) return { verdict: vague ? 'vague' : 'compared', error, excess };
    if (count < runs.many) continue;
    const mismatch = {
      output,
      element,
      found: found[element]!,
      expected: data[element]!,
      tolerance: tolerance(element),
      share: deviations[element]! / Math.max(largest, 1e-30),
    };
    return { verdict: 'compared', error, excess, mismatch };
  }
  throw new Error('unreachable');
}
