/**
 * Elementwise ops with two inputs that broadcast, each one entry of the table here and nothing anywhere else,
 * as in unary.ts. A gradient is summed back over what broadcasting repeated.
 *
 * At ties `maximum` and `minimum` give half of the gradient to each input, as PyTorch does.
 */

import { constantValue } from '../graph/constants.ts';
import type { BinaryMapOp, None } from './attributes.ts';
import { perElement } from './costs.ts';
import { elementwiseTraits } from './elementwise.ts';
import { cases, type Examples, floats, integers as ints } from './examples.ts';
import { Expressions } from './expressions.ts';
import { floorDivide, floorRemainder, floorSource, remainder, remainderSource } from './floor-division.ts';
import type { Language } from './language.ts';
import { defineOp, type OpDefinition, type Tolerance } from './op.ts';
import { constantPower, powerSource } from './powers.ts';
import { accept, broadcastShapes, isFloat, refuseIntegers, refuseMixed } from './shapes.ts';
import { broadcastTo } from './tensors.ts';
import { zeroWhereUnchosen } from './unchosen.ts';
import type { Lane } from './wgsl.ts';

declare module './attributes.ts' {
  interface BinaryAttributes extends Record<keyof typeof table, None> {}
}

/** A node of the graph. */
type Id = number;
/** Unsummed gradients of both inputs, made only when asked for; null where there is none. */
type Gradients = readonly [left: () => Id | null, right: () => Id | null];

/** What makes one binary op. */
export interface BinaryRow {
  /** As a refusal says it: "cannot add [2] and [3]". */
  readonly verb: string;
  /** Floating-point operations for each element. */
  readonly flops: number;
  readonly tolerance: Tolerance;
  /** Values of both operands that examples are made of, where the function is smooth all but surely. */
  readonly domain: readonly [low: number, high: number];
  /** Reference in f64; a comparison's serves integers as well. */
  readonly f64: (a: number, b: number) => number;
  /** The expression in WGSL; operands are names or in parentheses. */
  readonly wgsl: (a: string, b: string, lane: Lane) => string;
  /** Functions in WGSL that the expression calls. */
  readonly helper?: (lane: Lane) => string;
  /**
   * The expression where the right operand is a number known here; undefined where that is the usual one.
   * Statements in front of it are added to `lines`, with names that begin with `name`.
   */
  readonly byConstant?: (
    a: string,
    b: number,
    lane: Lane,
    name: string,
    lines: string[],
  ) => string | undefined;
  /** From (x, y, result, dy), or that there are none because the function is constant but for jumps. */
  readonly derivative: ((e: Expressions, x: Id, y: Id, result: Id, dy: Id) => Gradients) | 'none';
  /** The operator between two tensors that means it, or how else it is written. */
  readonly language:
    | { readonly operator: string }
    | { readonly written: (a: string, b: string) => string }
    | 'none';
  /**
   * On i32, where integers have the op: the reference, which wraps around as the device does; WGSL where it
   * is another.
   */
  readonly integers?: {
    readonly of: (a: number, b: number) => number;
    readonly wgsl?: (a: string, b: string, lane: Lane) => string;
    readonly helper?: (lane: Lane) => string;
  };
  /** The result is a mask of f32, 1 where true, else 0, whatever the operands are. */
  readonly mask?: true;
  /** Plain arithmetic: its WGSL is right for scalars and vec4s alike, whichever it is printed for. */
  readonly plain?: true;
  /** What changes nothing on that side: x + 0 = x. */
  readonly neutral?: { readonly left?: number; readonly right: number };
}

/**
 * d(x^y)/dx = y x^(y-1), for constant exponents right at x = 0 as well: x^0 has no gradient, that of x^1 is
 * 1.
 */
function powerRule(e: Expressions, x: Id, y: Id, dy: Id): Id | null {
  const c = constantValue((id) => e.b.node(id), y);
  if (c === undefined) return e.mul(dy, e.mul(y, e.binary('pow', x, e.sub(y, e.scalar(y, 1)))));
  if (c === 0) return null;
  const rest = c === 1 ? undefined : c === 2 ? x : e.binary('pow', x, e.scalar(x, c - 1));
  return rest === undefined ? dy : e.mul(dy, e.scale(rest, c));
}

function maximumRule(e: Expressions, x: Id, y: Id, dy: Id): Id {
  const tie = e.scale(e.binary('equal', x, y), 0.5);
  return e.mul(dy, e.add(e.unary('step', e.sub(x, y)), tie));
}

function minimumRule(e: Expressions, x: Id, y: Id, dy: Id): Id {
  const tie = e.scale(e.binary('equal', x, y), 0.5);
  return e.mul(dy, e.add(e.unary('step', e.sub(y, x)), tie));
}

const exact: Tolerance = { rtol: 0, atol: 0 };
const rounded = (rtol: number): Tolerance => ({ rtol, atol: 1e-30 });

const around0 = [-2, 2] as const;
const awayFrom0 = [0.5, 2] as const;

/** A comparison: 1 where true, else 0. It is constant but for jumps; one with NaN is false, but for `!=`. */
function comparison(operator: string, f64: (a: number, b: number) => boolean) {
  return {
    verb: 'compare',
    flops: 1,
    tolerance: exact,
    domain: around0,
    f64: (a: number, b: number) => (f64(a, b) ? 1 : 0),
    wgsl: (a: string, b: string, { lanes }: Lane) =>
      lanes === 1
        ? `select(0.0, 1.0, ${a} ${operator} ${b})`
        : `select(vec4<f32>(0.0), vec4<f32>(1.0), ${a} ${operator} ${b})`,
    derivative: 'none',
    language: { operator },
    mask: true,
  } as const;
}

const table = {
  add: {
    verb: 'add',
    flops: 1,
    tolerance: rounded(2e-7),
    domain: around0,
    f64: (a, b) => a + b,
    wgsl: (a, b) => `(${a} + ${b})`,
    derivative: (_e, _x, _y, _r, dy): Gradients => [() => dy, () => dy],
    language: { operator: '+' },
    integers: { of: (a, b) => (a + b) | 0 },
    plain: true,
    neutral: { left: 0, right: 0 },
  },
  sub: {
    verb: 'subtract',
    flops: 1,
    tolerance: rounded(2e-7),
    domain: around0,
    f64: (a, b) => a - b,
    wgsl: (a, b) => `(${a} - ${b})`,
    derivative: (e, _x, _y, _r, dy): Gradients => [() => dy, () => e.neg(dy)],
    language: { operator: '-' },
    integers: { of: (a, b) => (a - b) | 0 },
    plain: true,
    neutral: { right: 0 },
  },
  mul: {
    verb: 'multiply',
    flops: 1,
    tolerance: rounded(2e-7),
    domain: around0,
    f64: (a, b) => a * b,
    wgsl: (a, b) => `(${a} * ${b})`,
    derivative: (e, x, y, _r, dy): Gradients => [() => e.mul(dy, y), () => e.mul(dy, x)],
    language: { operator: '*' },
    integers: { of: Math.imul },
    plain: true,
    neutral: { left: 1, right: 1 },
  },
  div: {
    verb: 'divide',
    flops: 1,
    tolerance: rounded(4e-7),
    domain: awayFrom0,
    f64: (a, b) => a / b,
    wgsl: (a, b) => `(${a} / ${b})`,
    derivative: (e, _x, y, result, dy): Gradients => [
      () => e.div(dy, y),
      () => e.neg(e.div(e.mul(dy, result), y)),
    ],
    language: { operator: '/' },
    integers: {
      of: floorDivide,
      wgsl: (a, b, { lanes }) => `floor_div_${lanes}(${a}, ${b})`,
      helper: floorSource,
    },
    plain: true,
    neutral: { right: 1 },
  },
  pow: {
    verb: 'take the power of',
    flops: 16,
    tolerance: rounded(2e-5),
    domain: awayFrom0,
    f64: (a, b) => a ** b,
    wgsl: (a, b, { lanes }) => `power_${lanes}(${a}, ${b})`,
    helper: powerSource,
    byConstant: constantPower,
    derivative: (e, x, y, result, dy): Gradients => [
      () => powerRule(e, x, y, dy),
      () => e.mul(dy, e.mul(result, e.unary('ln', x))),
    ],
    language: { operator: '^' },
    neutral: { right: 1 },
  },
  maximum: {
    verb: 'take the maximum of',
    flops: 1,
    tolerance: exact,
    domain: around0,
    f64: Math.max,
    wgsl: (a, b) => `max(${a}, ${b})`,
    derivative: (e, x, y, _r, dy): Gradients => [
      () => maximumRule(e, x, y, dy),
      () => maximumRule(e, y, x, dy),
    ],
    language: { written: (a, b) => `max(${a}, ${b})` },
    integers: { of: Math.max },
  },
  minimum: {
    verb: 'take the minimum of',
    flops: 1,
    tolerance: exact,
    domain: around0,
    f64: Math.min,
    wgsl: (a, b) => `min(${a}, ${b})`,
    derivative: (e, x, y, _r, dy): Gradients => [
      () => minimumRule(e, x, y, dy),
      () => minimumRule(e, y, x, dy),
    ],
    language: { written: (a, b) => `min(${a}, ${b})` },
    integers: { of: Math.min },
  },
  /**
   * The remainder with the divisor's sign; of integers 0 where that is 0. In f32 it is off by the rounding of
   * the quotient's multiple, 2^-23 of |a|; it is exact where the divisor is a power of 2.
   */
  mod: {
    verb: 'take the remainder of',
    flops: 4,
    tolerance: { rtol: 1e-6, atol: 1e-6 },
    domain: awayFrom0,
    f64: remainder,
    wgsl: (a, b, { lanes }) => `remainder_${lanes}(${a}, ${b})`,
    helper: remainderSource,
    derivative: (e, x, y, _r, dy): Gradients => [
      () => dy,
      () => e.neg(e.mul(dy, e.unary('floor', e.div(x, y)))),
    ],
    language: { operator: '%' },
    integers: {
      of: floorRemainder,
      wgsl: (a, b, { lanes }) => `floor_mod_${lanes}(${a}, ${b})`,
      helper: floorSource,
    },
  },
  equal: comparison('==', (a, b) => a === b),
  not_equal: comparison('!=', (a, b) => a !== b),
  less: comparison('<', (a, b) => a < b),
  less_equal: comparison('<=', (a, b) => a <= b),
  greater: comparison('>', (a, b) => a > b),
  greater_equal: comparison('>=', (a, b) => a >= b),
} satisfies Readonly<Record<string, BinaryRow>>;

/** The table by name. */
export const binaryTable: Readonly<Record<BinaryMapOp, BinaryRow>> = table;
export const binaryMapOps = Object.keys(table) as readonly BinaryMapOp[];

/** Ops by the operator that means them. */
export const binaryOperators: ReadonlyMap<string, BinaryMapOp> = new Map(
  binaryMapOps.flatMap((name) => {
    const { language } = binaryTable[name];
    return language !== 'none' && 'operator' in language ? [[language.operator, name] as const] : [];
  }),
);

function languageOf({ language }: BinaryRow): Language<None> {
  if (language === 'none') return 'none';
  if ('written' in language) return { written: ([a, b]) => language.written(a!, b!) };
  return { written: ([a, b]) => `${a} ${language.operator} ${b}` };
}

function examplesOf({ domain, integers, mask }: BinaryRow): Examples<None> {
  const of = (...shapes: (readonly number[])[]) => shapes.map((shape) => floats(shape, ...domain));
  const onFloats = {
    'equal shapes': of([2, 3, 7], [2, 3, 7]),
    'a row': of([2, 3, 5], [5]),
    'a scalar on the left': of([], [3, 1]),
    'both grow': of([2, 1, 3], [4, 1]),
  };
  const onIntegers = { integers: [ints([2, 3, 5], 9), ints([5], 4)] };
  return cases({}, { ...onFloats, ...(integers === undefined && !mask ? {} : onIntegers) });
}

function binary<K extends BinaryMapOp>(name: K): OpDefinition<K, 'kernel'> {
  const row = binaryTable[name];
  const { verb, f64, flops, tolerance, derivative, integers, mask = false } = row;
  return defineOp<K>({
    name,
    arity: 2,
    shape(inputs) {
      const mixed = refuseMixed(verb, inputs);
      if (mixed) return mixed;
      const first = inputs[0]!;
      if (!isFloat(first) && integers === undefined && !mask) return refuseIntegers(verb, inputs)!;
      const result = broadcastShapes(verb, inputs);
      if ('refusal' in result) return result.refusal;
      const dtype = mask && !isFloat(first) ? 'f32' : first.dtype;
      return accept({ dtype, shape: result.shape });
    },
    gradient(b, node, dy, wanted, unchosen) {
      if (derivative === 'none') return [null, null];
      const e = new Expressions(b);
      const [x, y] = node.inputs;
      return derivative(e, x, y, node.id, dy).map((make, i) => {
        const whole = wanted[i] ? make() : null;
        if (whole === null) return null;
        return e.sumTo(unchosen ? zeroWhereUnchosen(e, dy, whole) : whole, e.shape(node.inputs[i]!));
      });
    },
    reference([x, y], _attrs, shape, dtype) {
      const f = dtype === 'i32' && integers !== undefined ? integers.of : f64;
      const a = broadcastTo(x, shape).data;
      const b = broadcastTo(y, shape).data;
      return { shape, data: a.map((v, i) => f(v, b[i]!)) };
    },
    cost: perElement(flops),
    tolerance,
    traits: elementwiseTraits,
    language: languageOf(row),
    examples: examplesOf(row),
  });
}

export const binaryOps = Object.fromEntries(binaryMapOps.map((name) => [name, binary(name)])) as unknown as {
  readonly [K in BinaryMapOp]: OpDefinition<K, 'kernel'>;
};
