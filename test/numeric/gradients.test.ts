/**
 * Every op's gradient rule against central differences of its own reference, on odd sizes and with broadcasting.
 *
 * The table has an entry for each op: cases, or why there is nothing to check. A new op without one does not compile.
 * Gradient-only ops (softmax_grad, attention_grad_q, ...) are what the rules of their forward ops are made of.
 */
import { describe, expect, test } from 'vitest';
import type { Builder } from '../../compiler/graph/builder.ts';
import type { OpAttributes, OpName } from '../../compiler/ops/attributes.ts';
import { momentsOf } from '../../compiler/ops/batch-norm.ts';
import { Expressions } from '../../compiler/ops/expressions.ts';
import type { BinaryMapOp, UnaryMapOp } from '../../compiler/ops/map-program.ts';
import type { RefTensor } from '../../compiler/ops/op.ts';
import { expectGradients, type GradientCase, gradientAt } from '../support/differences.ts';

type Cases = Readonly<Record<string, GradientCase>>;

const leaf = 'a leaf';
const piecewiseConstant = 'piecewise constant: the gradient is none';
const gradientOnly = 'made by gradients only; checked as part of its forward op';

function unary(op: UnaryMapOp, range: readonly [number, number] = [-2, 2]): Cases {
  return {
    'odd size': { weights: { x: [3, 7] }, range, build: (b, [x]) => b.add<UnaryMapOp>(op, [x!], {}) },
  };
}

function binary(op: BinaryMapOp, range: readonly [number, number] = [-2, 2]): Cases {
  const build = (b: Builder, w: readonly number[]) => b.add<BinaryMapOp>(op, w, {});
  return {
    'equal shapes': { weights: { x: [2, 7], y: [2, 7] }, range, build },
    'a row': { weights: { x: [2, 3, 5], y: [5] }, range, build },
    'a scalar on the left': { weights: { x: [], y: [3, 1] }, range, build },
    'both grow': { weights: { x: [2, 1, 3], y: [4, 1] }, range, build },
    'the same value twice': {
      weights: { x: [5] },
      range,
      build: (b, [x]) => b.add<BinaryMapOp>(op, [x!, x!], {}),
    },
  };
}

function over<K extends 'sum' | 'mean' | 'max'>(op: K): Cases {
  const reduce = (axes: number[], keep: boolean): GradientCase => ({
    weights: { x: [2, 3, 7] },
    build: (b, [x]) => b.add<'sum' | 'mean' | 'max'>(op, [x!], { axes, keep }),
  });
  return {
    'last axis': reduce([-1], false),
    'middle axis kept': reduce([1], true),
    'outer axes': reduce([0, 1], false),
    everything: reduce([0, 1, 2], false),
  };
}

function rows(op: 'softmax' | 'log_softmax' | 'l2_normalize'): Cases {
  const on = (shape: number[]): GradientCase => ({
    weights: { x: shape },
    build: (b, [x]) => b.add<'softmax' | 'log_softmax' | 'l2_normalize'>(op, [x!], {}),
  });
  return { 'odd rows': on([3, 7]), 'three axes': on([2, 1, 5]), 'one row': on([4]) };
}

function product(a: number[], b: number[], transposeA = false, transposeB = false): GradientCase {
  return {
    weights: { a, b },
    build: (builder, w) => builder.add('matmul', w, { transposeA, transposeB }),
  };
}

function attend(t: number, s: number, causal: boolean): GradientCase {
  return {
    weights: { q: [2, 2, t, 3], k: [2, 2, s, 3], v: [2, 2, s, 3] },
    build: (b, w) => b.add('attention', w, { causal, scale: 0.7 }),
  };
}

function normalise(shape: number[]): GradientCase {
  const width = shape.at(-1)!;
  return {
    weights: { x: shape, weight: [width], bias: [width] },
    build: (b, w) => b.add('layer_norm', w, { eps: 1e-5 }),
  };
}

const image = [2, 3, 2, 3];

/** Normalised by statistics that are weights themselves, or by the moments of x. */
function batchNorm(moments: boolean): GradientCase {
  const own = { weight: [3], bias: [3] };
  return {
    weights: { x: image, ...own, ...(moments ? {} : { mean: [3], variance: [3] }) },
    range: [0.2, 1.5],
    build: (b, w) => {
      const [x, weight, bias, ...given] = w as [number, number, number, ...number[]];
      const { mean, variance } = momentsOf(new Expressions(b), x);
      const [m, v] = moments ? [mean, variance] : given;
      return b.add('batch_norm', [x, weight, bias, m!, v!], { eps: 1e-5 });
    },
  };
}

function convolution(x: number[], w: number[], attrs: OpAttributes['conv2d']): GradientCase {
  return { weights: { x, w }, build: (b, ids) => b.add('conv2d', ids, attrs) };
}

function integers(shape: number[], values: number[]): RefTensor {
  return { shape, data: Float64Array.from(values) };
}

function integerInput(b: Builder, name: string, shape: number[]): number {
  return b.add('input', [], { name, dtype: 'i32', shape });
}

const cases: { readonly [K in OpName]: Cases | string } = {
  input: leaf,
  param: leaf,
  constant: leaf,
  iota: leaf,

  neg: unary('neg'),
  exp: unary('exp'),
  ln: unary('ln', [0.2, 3]),
  tanh: unary('tanh'),
  erf: unary('erf'),
  sqrt: unary('sqrt', [0.2, 3]),
  rsqrt: unary('rsqrt', [0.2, 3]),
  sigmoid: unary('sigmoid'),
  relu: unary('relu'),
  abs: unary('abs'),
  step: piecewiseConstant,
  cast: {
    // Rounding to f16 is piecewise constant: that its gradient passes is tested in unit/precision.test.ts.
    'to f32': { weights: { x: [7] }, build: (b, [x]) => b.add('cast', [x!], { to: 'f32' }) },
  },
  mask_future: {
    'more keys than queries': {
      weights: { x: [2, 3, 5] },
      build: (b, [x]) => b.add('softmax', [b.add('mask_future', [x!], {})], {}),
    },
  },

  add: binary('add'),
  sub: binary('sub'),
  mul: binary('mul'),
  div: binary('div', [0.5, 2]),
  pow: {
    ...binary('pow', [0.5, 2]),
    ...Object.fromEntries(
      [-0.5, 1, 2, 3].map((value) => [
        `constant exponent ${value}`,
        {
          weights: { x: [7] },
          range: [0.5, 2],
          build: (b: Builder, [x]: readonly number[]) =>
            b.add('pow', [x!, b.add('constant', [], { value, dtype: 'f32', shape: [] })], {}),
        } satisfies GradientCase,
      ]),
    ),
    ...Object.fromEntries(
      [-3, -2, -1, 1, 2, 3, 5].map((value) => [
        `constant exponent ${value} of negative numbers`,
        {
          weights: { x: [7] },
          range: [-2, -0.5],
          build: (b: Builder, [x]: readonly number[]) => {
            const exponent = b.add('constant', [], { value, dtype: 'f32', shape: [1] });
            return b.add('pow', [x!, b.add('expand', [exponent], { shape: [7] })], {});
          },
        } satisfies GradientCase,
      ]),
    ),
  },
  maximum: Object.fromEntries(Object.entries(binary('maximum')).filter(([name]) => !name.includes('twice'))),
  minimum: Object.fromEntries(Object.entries(binary('minimum')).filter(([name]) => !name.includes('twice'))),
  mod: 'of integers alone',
  equal: piecewiseConstant,
  map: 'made by passes behind differentiation',
  group_moments: 'made by passes behind differentiation',

  sum: over('sum'),
  mean: over('mean'),
  max: over('max'),
  argmax: piecewiseConstant,
  softmax: rows('softmax'),
  softmax_grad: gradientOnly,
  log_softmax: rows('log_softmax'),
  log_softmax_grad: gradientOnly,

  layer_norm: {
    'odd rows': normalise([3, 7]),
    'three axes': normalise([2, 3, 5]),
    'one row': normalise([7]),
  },
  layer_norm_grad: gradientOnly,
  layer_norm_grad_weight: gradientOnly,
  l2_normalize: rows('l2_normalize'),
  l2_normalize_grad: gradientOnly,

  matmul: {
    plain: product([3, 7], [7, 5]),
    'a transposed': product([7, 3], [7, 5], true),
    'b transposed': product([3, 7], [5, 7], false, true),
    'both transposed': product([7, 3], [5, 7], true, true),
    'shared weight': product([2, 3, 7], [7, 5]),
    'shared transposed weight': product([2, 1, 3, 7], [5, 7], false, true),
    'shared weight, a transposed': product([2, 7, 3], [7, 5], true),
    'shared on the left': product([3, 7], [2, 7, 5]),
    'batches of products': product([2, 3, 4], [2, 5, 4], false, true),
    'batches that broadcast': product([2, 1, 3, 4], [3, 4, 1]),
    'one row, one column': product([1, 1], [1, 1]),
  },
  conv2d: {
    'windows that tile': convolution([2, 3, 6, 4], [5, 3, 2, 2], { stride: 2, padding: 0, groups: 1 }),
    'stride 1, padded': convolution([2, 2, 4, 5], [3, 2, 3, 3], { stride: 1, padding: 1, groups: 1 }),
    'stride 1, narrow window': convolution([2, 2, 4, 5], [3, 2, 1, 3], { stride: 1, padding: 0, groups: 1 }),
    'stride 2, padded': convolution([2, 3, 5, 5], [2, 3, 3, 3], { stride: 2, padding: 1, groups: 1 }),
    'stride 2, rest behind the last window': convolution([1, 2, 6, 7], [2, 2, 3, 3], {
      stride: 2,
      padding: 1,
      groups: 1,
    }),
    'stride 3 over windows of 2': convolution([1, 2, 7, 7], [3, 2, 2, 2], {
      stride: 3,
      padding: 0,
      groups: 1,
    }),
    '1 by 1': convolution([2, 3, 3, 5], [4, 3, 1, 1], { stride: 1, padding: 0, groups: 1 }),
    '1 by 1, stride 2': convolution([2, 3, 3, 5], [4, 3, 1, 1], { stride: 2, padding: 0, groups: 1 }),
    'padded by a whole window': convolution([1, 1, 3, 3], [1, 1, 2, 2], { stride: 1, padding: 2, groups: 1 }),
    'two groups': convolution([2, 4, 4, 3], [6, 2, 3, 3], { stride: 1, padding: 1, groups: 2 }),
    depthwise: convolution([2, 3, 4, 5], [3, 1, 3, 3], { stride: 2, padding: 1, groups: 3 }),
  },
  conv2d_grad_input: {
    'stride 2, two groups': {
      weights: { dy: [2, 4, 2, 3], w: [4, 2, 3, 3] },
      build: (b, w) =>
        b.add('conv2d_grad_input', w, { stride: 2, padding: 1, groups: 2, rows: 4, columns: 6 }),
    },
  },
  conv2d_grad_weight: {
    'stride 2, two groups': {
      weights: { x: [2, 4, 4, 6], dy: [2, 4, 2, 3] },
      build: (b, w) => b.add('conv2d_grad_weight', w, { stride: 2, padding: 1, groups: 2, kernel: [3, 3] }),
    },
  },
  avg_pool: {
    'windows of 2': { weights: { x: [2, 3, 4, 6] }, build: (b, w) => b.add('avg_pool', w, { kernel: 2 }) },
  },
  avg_pool_grad: {
    'windows of 3': {
      weights: { dy: [2, 3, 2, 1] },
      build: (b, w) => b.add('avg_pool_grad', w, { kernel: 3 }),
    },
  },
  batch_norm: { 'given statistics': batchNorm(false), 'moments of x': batchNorm(true) },
  batch_moments: { images: { weights: { x: image }, build: (b, w) => b.add('batch_moments', w, {}) } },
  batch_norm_sums: gradientOnly,

  attention: {
    'all keys': attend(3, 5, false),
    causal: attend(4, 4, true),
    'causal with a past': attend(2, 5, true),
    'one query': attend(1, 7, false),
  },
  attention_lse: gradientOnly,
  attention_grad_q: gradientOnly,
  attention_grad_k: gradientOnly,
  attention_grad_v: gradientOnly,

  reshape: {
    merge: { weights: { x: [2, 3, 5] }, build: (b, w) => b.add('reshape', w, { shape: [6, 5] }) },
  },
  transpose: {
    'three axes': { weights: { x: [2, 3, 5] }, build: (b, w) => b.add('transpose', w, { perm: [2, 0, 1] }) },
  },
  slice: {
    box: { weights: { x: [3, 5] }, build: (b, w) => b.add('slice', w, { starts: [1, 2], ends: [3, 4] }) },
  },
  expand: {
    'two axes': { weights: { x: [1, 3, 1] }, build: (b, w) => b.add('expand', w, { shape: [2, 3, 5] }) },
  },
  concat: {
    'three pieces': {
      weights: { x: [2, 1, 3], y: [2, 4, 3], z: [2, 2, 3] },
      build: (b, w) => b.add('concat', w, { axis: 1 }),
    },
  },
  pad: {
    'both ends': {
      weights: { x: [2, 3] },
      build: (b, w) => b.add('pad', w, { before: [1, 0], after: [2, 1] }),
    },
  },
  embedding: {
    'repeated ids': {
      weights: { table: [5, 3] },
      integers: { ids: integers([2, 3], [4, 0, 4, 1, 4, 0]) },
      build: (b, [table]) => b.add('embedding', [table!, integerInput(b, 'ids', [2, 3])], {}),
    },
  },
  embedding_grad: gradientOnly,
  take: {
    'middle axis': {
      weights: { x: [3, 5, 2] },
      integers: { at: integers([3], [4, 0, 4]) },
      build: (b, [x]) => b.add('take', [x!, integerInput(b, 'at', [3])], { axis: 1 }),
    },
    'last axis': {
      weights: { x: [3, 4] },
      integers: { at: integers([3], [1, 3, 0]) },
      build: (b, [x]) => b.add('take', [x!, integerInput(b, 'at', [3])], { axis: 1 }),
    },
  },
  take_grad: gradientOnly,
  all_gather: {
    'one chunk': { weights: { x: [3, 5] }, build: (b, w) => b.add('all_gather', w, {}) },
  },
  recompute: {
    'beside the value itself': {
      weights: { x: [3, 5] },
      build: (b, [x]) => b.add('mul', [x!, b.add('recompute', [x!], {})], {}),
    },
  },
};

describe('gradients agree with central differences', () => {
  for (const [op, entry] of Object.entries(cases)) {
    if (typeof entry === 'string') continue;
    for (const [name, gradientCase] of Object.entries(entry)) {
      test(`${op}: ${name}`, () => expectGradients(gradientCase));
    }
  }
});

describe('gradients at ties follow PyTorch', () => {
  const tied: RefTensor = integers([4], [1, 3, 3, 2]);
  const gradientOfTied = (build: (b: Builder, x: number) => number) => gradientAt(tied, build);

  test('max shares evenly among the largest', () => {
    expect(gradientOfTied((b, x) => b.add('max', [x], { axes: [0], keep: false }))).toEqual([0, 0.5, 0.5, 0]);
  });
  test('maximum gives half to each side', () => {
    const three = (b: Builder) => b.add('constant', [], { value: 3, dtype: 'f32', shape: [4] });
    const build = (b: Builder, x: number) =>
      b.add('sum', [b.add('maximum', [x, three(b)], {})], { axes: [0], keep: false });
    expect(gradientOfTied(build)).toEqual([0, 0.5, 0.5, 0]);
  });
  test('relu and abs are flat at 0', () => {
    const zero = integers([2], [0, 0]);
    for (const op of ['relu', 'abs'] as const) {
      const build = (b: Builder, x: number) =>
        b.add('sum', [b.add<'relu' | 'abs'>(op, [x], {})], { axes: [0], keep: false });
      expect(gradientAt(zero, build).map(Math.abs)).toEqual([0, 0]);
    }
  });
});
