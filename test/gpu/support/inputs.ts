/**
 * Random operands of kernels and how far results are from what was expected; free of the test runner, for
 * child processes.
 */
import type { Tolerance } from '../../../compiler/ops/op.ts';
import { randomNumbers } from '../../support/random.ts';
import type { TestInput } from './harness.ts';

/** f32 values in [-1, 1) times `scale` plus `shift`. */
export function randomInput(
  shape: readonly number[],
  seed: number,
  extra: Partial<TestInput> = {},
  { scale = 1, shift = 0 } = {},
): TestInput {
  const next = randomNumbers(seed);
  const count = shape.reduce((a, b) => a * b, 1);
  const data = Float64Array.from({ length: count }, () => Math.fround((next() * 2 - 1) * scale + shift));
  return { shape, data, ...extra };
}

/** i32 values in [0, below). */
export function randomIndices(
  shape: readonly number[],
  below: number,
  seed: number,
  extra: Partial<TestInput> = {},
): TestInput {
  const next = randomNumbers(seed);
  const count = shape.reduce((a, b) => a * b, 1);
  const data = Float64Array.from({ length: count }, () => Math.floor(next() * below));
  return { shape, data, dtype: 'i32', ...extra };
}

/** The worst error in units of what is allowed, and the element that has it; a NaN is infinitely wrong. */
export function excessOf(
  found: ArrayLike<number>,
  expected: ArrayLike<number>,
  { rtol, atol, perSqrtK }: Tolerance,
  terms = 1,
): { worst: number; at: number } {
  const growth = perSqrtK ? Math.sqrt(terms) : 1;
  let worst = 0;
  let at = 0;
  for (let i = 0; i < expected.length; i++) {
    const allowed = (atol + rtol * Math.abs(expected[i]!)) * growth;
    const error = Math.abs(found[i]! - expected[i]!);
    const excess = error === 0 ? 0 : error / allowed;
    if (!(excess <= worst)) {
      worst = Number.isNaN(excess) ? Number.POSITIVE_INFINITY : excess;
      at = i;
    }
  }
  return { worst, at };
}
