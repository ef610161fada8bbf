/**
 * Elementwise ops with one input. They differ in a few facts only, so each is one entry of the table here and
 * nothing anywhere else: its name, type, kernel, word and tests follow from it.
 *
 * Where it is cheaper, a derivative is written in the result y rather than in x. Its return type has to be
 * written out (`: Id`): names of ops come from this table, so `tsc` must be able to type it without looking
 * into bodies that use them. Tolerances follow WGSL's accuracy rules (correctly rounded negation; exp within
 * 3 + 2|x| units in the last place; ln 2^-21 absolute near 1; tanh through exp; erf is our own polynomial).
 */
import type { None, UnaryMapOp } from './attributes.ts';
import { perElement } from './costs.ts';
import { elementwiseTraits } from './elementwise.ts';
import { erf, erfSource } from './erf.ts';
import { cases, floats, integers as ints } from './examples.ts';
import { Expressions } from './expressions.ts';
import type { Language } from './language.ts';
import { defineOp, type OpDefinition, type Tolerance } from './op.ts';
import { accept, isFloat, refuseIntegers } from './shapes.ts';
import { sineSource } from './sine.ts';
import { zeroWhereUnchosen } from './unchosen.ts';
import type { Lane } from './wgsl.ts';

declare module './attributes.ts' {
  interface UnaryAttributes extends Record<keyof typeof table, None> {}
}

/** A node of the graph. */
type Id = number;

/** What makes one unary op. */
interface UnaryRow {
  /** Floating-point operations for each element. */
  readonly flops: number;
  readonly tolerance: Tolerance;
  /** Values that examples are made of, where the function is smooth all but surely. */
  readonly domain: readonly [low: number, high: number];
  /** Reference in f64. */
  readonly f64: (x: number) => number;
  /** The expression in WGSL; `x` is a name or in parentheses. */
  readonly wgsl: (x: string, lane: Lane) => string;
  /** A function in WGSL that the expression calls. */
  readonly helper?: (lane: Lane) => string;
  /** dx from (x, y, dy), or that there is none because the function is constant but for jumps. */
  readonly derivative: ((e: Expressions, x: Id, y: Id, dy: Id) => Id) | 'none';
  /**
   * The word for it, of the op's name, and what it gives for static numbers if it takes those; or how else it
   * is written.
   */
  readonly language:
    | { readonly about: string; readonly source: string; readonly numbers?: 'float' | 'int' | 'same' }
    | { readonly written: (x: string) => string }
    | 'none';
  /**
   * The reference on i32, which wraps around as the device does, where integers have the op; its WGSL is the
   * same.
   */
  readonly integers?: (x: number) => number;
  /** Plain arithmetic: its WGSL is right for scalars and vec4s alike, whichever it is printed for. */
  readonly plain?: true;
}

const exact: Tolerance = { rtol: 0, atol: 0 };
const rounded = (rtol: number, atol = 1e-30): Tolerance => ({ rtol, atol });

const around0 = [-2, 2] as const;
const positive = [0.2, 3] as const;

/** As WGSL, IEEE 754 and PyTorch round. */
function roundHalfToEven(x: number): number {
  const below = Math.floor(x);
  if (x - below !== 0.5) return Math.round(x);
  return below % 2 === 0 ? below : below + 1;
}

/** To whole numbers: constant but for jumps. */
function rounding(name: 'floor' | 'ceil' | 'round', f64: (x: number) => number, about: string) {
  return {
    flops: 1,
    tolerance: exact,
    domain: around0,
    // Not -0, which a sum and a product would turn to 0 as well.
    f64: (x: number) => f64(x) + 0,
    wgsl: (x: string) => `${name}(${x})`,
    derivative: 'none',
    language: { about, source: `torch.${name}`, numbers: 'int' },
  } as const;
}

const table = {
  neg: {
    flops: 1,
    tolerance: exact,
    domain: around0,
    f64: (x) => -x,
    wgsl: (x) => `-(${x})`,
    derivative: (e, _x, _y, dy): Id => e.neg(dy),
    language: { written: (x) => `-${x}` },
    integers: (x) => -x | 0,
    plain: true,
  },
  exp: {
    flops: 8,
    tolerance: rounded(5e-6),
    domain: around0,
    f64: Math.exp,
    wgsl: (x) => `exp(${x})`,
    derivative: (e, _x, y, dy): Id => e.mul(dy, y),
    language: { about: 'e to the power of x', source: 'torch.exp', numbers: 'float' },
  },
  ln: {
    flops: 8,
    tolerance: rounded(5e-7, 5e-7),
    domain: positive,
    f64: Math.log,
    wgsl: (x) => `log(${x})`,
    derivative: (e, x, _y, dy): Id => e.div(dy, x),
    language: { about: 'natural logarithm', source: 'torch.log', numbers: 'float' },
  },
  tanh: {
    flops: 12,
    tolerance: rounded(1e-5, 1e-6),
    domain: around0,
    f64: Math.tanh,
    // tanh overflows in some implementations for large arguments; its value there is ±1.
    wgsl: (x, { of }) => `tanh(clamp(${x}, ${of('-15.0')}, ${of('15.0')}))`,
    derivative: (e, _x, y, dy): Id => e.mul(dy, e.sub(e.scalar(y, 1), e.mul(y, y))),
    language: { about: 'hyperbolic tangent', source: 'torch.tanh' },
  },
  erf: {
    flops: 20,
    tolerance: rounded(2e-6, 1e-6),
    domain: around0,
    f64: erf,
    wgsl: (x, { lanes }) => `erf_${lanes}(${x})`,
    helper: erfSource,
    derivative: (e, x, _y, dy): Id =>
      e.mul(dy, e.scale(e.unary('exp', e.neg(e.mul(x, x))), 2 / Math.sqrt(Math.PI))),
    language: { about: 'error function', source: 'torch.erf' },
  },
  sqrt: {
    flops: 2,
    tolerance: rounded(1e-6),
    domain: positive,
    f64: Math.sqrt,
    wgsl: (x) => `sqrt(${x})`,
    derivative: (e, _x, y, dy): Id => e.div(e.scale(dy, 0.5), y),
    language: { about: 'square root', source: 'torch.sqrt', numbers: 'float' },
  },
  rsqrt: {
    flops: 2,
    tolerance: rounded(5e-7),
    domain: positive,
    f64: (x) => 1 / Math.sqrt(x),
    wgsl: (x) => `inverseSqrt(${x})`,
    derivative: (e, _x, y, dy): Id => e.mul(e.scale(dy, -0.5), e.mul(y, e.mul(y, y))),
    language: { about: '1 / sqrt(x)', source: 'torch.rsqrt' },
  },
  sigmoid: {
    flops: 10,
    tolerance: rounded(5e-6),
    domain: around0,
    f64: (x) => 1 / (1 + Math.exp(-x)),
    wgsl: (x) => `(1.0 / (1.0 + exp(-(${x}))))`,
    derivative: (e, _x, y, dy): Id => e.mul(dy, e.mul(y, e.sub(e.scalar(y, 1), y))),
    language: { about: '1 / (1 + exp(-x))', source: 'torch.sigmoid' },
  },
  relu: {
    flops: 1,
    tolerance: exact,
    domain: around0,
    f64: (x) => Math.max(x, 0),
    wgsl: (x, { of }) => `max(${x}, ${of('0.0')})`,
    derivative: (e, _x, y, dy): Id => e.mul(dy, e.unary('step', y)),
    language: { about: 'max(x, 0)', source: 'torch.relu' },
  },
  abs: {
    flops: 1,
    tolerance: exact,
    domain: around0,
    f64: Math.abs,
    wgsl: (x) => `abs(${x})`,
    derivative: (e, x, _y, dy): Id => e.mul(dy, e.sub(e.unary('step', x), e.unary('step', e.neg(x)))),
    language: { about: 'absolute value', source: 'torch.abs', numbers: 'same' },
    integers: (x) => Math.abs(x) | 0,
  },
  sin: {
    flops: 20,
    tolerance: rounded(2e-6, 3e-7),
    domain: around0,
    f64: Math.sin,
    wgsl: (x, { lanes }) => `sine_${lanes}(${x}, 0.0)`,
    helper: sineSource,
    derivative: (e, x, _y, dy): Id => e.mul(dy, e.unary('cos', x)),
    language: { about: 'sine of an angle in radians', source: 'torch.sin', numbers: 'float' },
  },
  cos: {
    flops: 20,
    tolerance: rounded(2e-6, 3e-7),
    domain: around0,
    f64: Math.cos,
    wgsl: (x, { lanes }) => `sine_${lanes}(${x}, 1.0)`,
    helper: sineSource,
    derivative: (e, x, _y, dy): Id => e.neg(e.mul(dy, e.unary('sin', x))),
    language: { about: 'cosine of an angle in radians', source: 'torch.cos', numbers: 'float' },
  },
  floor: rounding('floor', Math.floor, 'largest whole number not above x'),
  ceil: rounding('ceil', Math.ceil, 'smallest whole number not below x'),
  round: rounding('round', roundHalfToEven, 'nearest whole number, the even one of two'),
  sign: {
    flops: 1,
    tolerance: exact,
    domain: around0,
    f64: (x) => Math.sign(x) + 0,
    wgsl: (x) => `sign(${x})`,
    derivative: 'none',
    language: { about: '-1, 0 or 1', source: 'torch.sign', numbers: 'same' },
    integers: Math.sign,
  },
  /** 1 where x > 0, else 0 (the derivative of relu). */
  step: {
    flops: 1,
    tolerance: exact,
    domain: around0,
    f64: (x) => (x > 0 ? 1 : 0),
    wgsl: (x, { of }) => `select(${of('0.0')}, ${of('1.0')}, ${x} > ${of('0.0')})`,
    derivative: 'none',
    language: 'none',
  },
} satisfies Readonly<Record<string, UnaryRow>>;

/** The table by name. */
export const unaryTable: Readonly<Record<UnaryMapOp, UnaryRow>> = table;
export const unaryMapOps = Object.keys(table) as readonly UnaryMapOp[];

function languageOf({ language, f64, derivative }: UnaryRow): Language<None> {
  if (language === 'none') return 'none';
  if ('written' in language) return { written: ([x]) => language.written(x!) };
  const numbers = language.numbers ? { numbers: { of: f64, give: language.numbers } } : {};
  const gradient = derivative === 'none' ? '0' : 'yes';
  const facts = { about: language.about, shapes: '[...]', gradient, source: language.source };
  return { word: { ...facts, operands: ['x'], settings: {}, ...numbers } };
}

function unary<K extends UnaryMapOp>(name: K): OpDefinition<K, 'kernel'> {
  const row = unaryTable[name];
  const { f64, flops, tolerance, derivative, integers, domain } = row;
  return defineOp<K>({
    name,
    arity: 1,
    shape(inputs) {
      const x = inputs[0]!;
      if (!isFloat(x) && integers === undefined) return refuseIntegers(`take ${name} of`, inputs)!;
      return accept(x);
    },
    gradient(b, node, dy, wanted, unchosen) {
      if (!wanted[0] || derivative === 'none') return [null];
      const e = new Expressions(b);
      const dx = derivative(e, node.inputs[0], node.id, dy);
      return [unchosen ? zeroWhereUnchosen(e, dy, dx) : dx];
    },
    reference([x], _attrs, shape, dtype) {
      const f = dtype === 'i32' && integers !== undefined ? integers : f64;
      return { shape, data: x!.data.map((v) => f(v)) };
    },
    cost: perElement(flops),
    tolerance,
    traits: elementwiseTraits,
    language: languageOf(row),
    examples: cases(
      {},
      {
        'odd size': [floats([3, 7], ...domain)],
        'three axes': [floats([2, 3, 5], ...domain)],
        ...(row.integers ? { integers: [ints([2, 3, 5], 9)] } : {}),
      },
    ),
  });
}

export const unaryOps = Object.fromEntries(unaryMapOps.map((name) => [name, unary(name)])) as unknown as {
  readonly [K in UnaryMapOp]: OpDefinition<K, 'kernel'>;
};
