/**
 * Gradient rules against central differences where neither one example of the op (every-op.test.ts) nor a word
 * (test/words) shows it: a value used twice, constant exponents.
 */
import { describe, expect, test } from 'vitest';
import type { Builder } from '../../compiler/graph/builder.ts';
import type { BinaryMapOp } from '../../compiler/ops/attributes.ts';
import { binaryMapOps, binaryTable } from '../../compiler/ops/binary.ts';
import type { RefTensor } from '../../compiler/ops/op.ts';
import { expectGradients, type GradientCase, gradientAt } from '../support/differences.ts';

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
