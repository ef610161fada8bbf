/**
 * Gradient rules against central differences where neither one example of the op (every-op.test.ts) nor a word
 * (test/words) shows it: a value used twice, constant exponents.
 */
import { describe, expect, test } from 'vitest';
import type { Builder } from '../../compiler/graph/builder.ts';
import type { BinaryMapOp } from '../../compiler/ops/attributes.ts';
import { binaryMapOps, binaryTable } from '../../compiler/ops/binary.ts';
import type { RefTensor } from '../../compiler/ops/op.ts';
import { expectGradients, type GradientCase, gradientAt } from '../support/ops/differences.ts';

function integers(shape: number[], values: number[]): RefTensor {
  return { shape, data: Float64Array.from(values) };
}

const cases: Readonly<Record<string, GradientCase>> = {
  // At x = x maximum, minimum and comparisons are not smooth.
  ...Object.fromEntries(
    binaryMapOps
      .filter((op) => !['maximum', 'minimum'].includes(op) && !binaryTable[op].mask)
      .map((op): [string, GradientCase] => [
        `${op} of the same value twice`,
        {
          weights: { x: [5] },
          range: binaryTable[op].domain,
          build: (b, [x]) => b.add<BinaryMapOp>(op, [x!, x!], {}),
        },
      ]),
  ),
  ...Object.fromEntries(
    [-0.5, 1, 2, 3].map((value): [string, GradientCase] => [
      `pow with the constant exponent ${value}`,
      {
        weights: { x: [7] },
        range: [0.5, 2],
        build: (b, [x]) => b.add('pow', [x!, b.add('constant', [], { value, dtype: 'f32', shape: [] })], {}),
      },
    ]),
  ),
  ...Object.fromEntries(
    [-3, -2, -1, 1, 2, 3, 5].map((value): [string, GradientCase] => [
      `pow of negative numbers with the constant exponent ${value}, behind a view`,
      {
        weights: { x: [7] },
        range: [-2, -0.5],
        build: (b, [x]) => {
          const exponent = b.add('constant', [], { value, dtype: 'f32', shape: [1] });
          return b.add('pow', [x!, b.add('expand', [exponent], { shape: [7] })], {});
        },
      },
    ]),
  ),
  'recompute beside the value itself': {
    weights: { x: [3, 5] },
    build: (b, [x]) => b.add('mul', [x!, b.add('recompute', [x!], {})], {}),
  },
};

describe('gradients agree with central differences', () => {
  test.each(Object.entries(cases))('%s', (_name, gradientCase) => expectGradients(gradientCase));
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

test('no gradient flows through integers, whose mean is a float again', () => {
  const x = { shape: [3], data: Float64Array.of(1.5, -2.25, 4.5) };
  const gradient = gradientAt(x, (b, id) => {
    const whole = b.add('mean', [b.add('cast', [id], { to: 'i32' })], { axes: [0], keep: false });
    return b.add('sum', [b.add('mul', [id, whole], {})], { axes: [0], keep: false });
  });
  expect(gradient).toEqual([1, 1, 1]);
});

describe('what a where does not choose has the gradient 0, where its derivative is infinite or unknown', () => {
  const x = { shape: [2, 3], data: Float64Array.of(0, 4, -1, 0, 1, -2) };
  const positive = (b: Builder, id: number, values: number) => {
    const zero = b.add('constant', [], { value: 0, dtype: 'f32', shape: [] });
    const chosen = b.add('where', [b.add('greater', [id, zero], {}), values, zero], {});
    return b.add('sum', [chosen], { axes: [0, 1], keep: false });
  };
  const root = (b: Builder, id: number) =>
    b.add('pow', [id, b.add('constant', [], { value: 0.5, dtype: 'f32', shape: [] })], {});

  test.each<[string, (b: Builder, x: number) => number, (x: number) => number]>([
    ['ln', (b, id) => b.add('ln', [id], {}), (v) => 1 / v],
    ['a root', root, (v) => 0.5 / Math.sqrt(v)],
    ['a quotient', (b, id) => b.add('div', [root(b, id), id], {}), (v) => -0.5 * v ** -1.5],
    ['x ln(x)', (b, id) => b.add('mul', [id, b.add('ln', [id], {})], {}), (v) => 1 + Math.log(v)],
    [
      'a sum behind a view',
      (b, id) => {
        const parts = b.add('reshape', [b.add('ln', [id], {})], { shape: [2, 3, 1] });
        return b.add('sum', [b.add('exp', [parts], {})], { axes: [2], keep: false });
      },
      () => 1,
    ],
  ])('%s', (_name, of, derivative) => {
    const found = gradientAt(x, (b, id) => positive(b, id, of(b, id)));
    const right = [...x.data].map((v) => (v > 0 ? derivative(v) : 0));
    for (const [i, value] of right.entries()) expect(found[i]).toBeCloseTo(value, 12);
  });

  test('a value that broadcasts sums what was chosen alone', () => {
    const found = gradientAt({ shape: [3], data: Float64Array.of(0, 2, -1) }, (b, id) => {
      const rows = b.add('constant', [], { value: 1, dtype: 'f32', shape: [2, 3] });
      return positive(b, id, b.add('mul', [b.add('ln', [id], {}), rows], {}));
    });
    expect(found).toEqual([0, 1, 0]);
  });

  test('elsewhere a product keeps its NaN, which shows what went wrong', () => {
    const gradient = gradientAt({ shape: [1], data: Float64Array.of(0) }, (b, id) => {
      const zero = b.add('constant', [], { value: 0, dtype: 'f32', shape: [] });
      return b.add('sum', [b.add('mul', [b.add('ln', [id], {}), zero], {})], { axes: [0], keep: false });
    });
    expect(gradient).toEqual([Number.NaN]);
  });
});
