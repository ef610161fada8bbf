/**
 * Checks one operation's kernels against its f64 reference, for both kinds of schedules on whatever adapter there is.
 *
 * Tolerances are those of the op's definition; where it says `perSqrtK`, rtol and atol grow with the square root of the
 * number of terms that were added, as rounding errors of a sum do.
 */
import { expect } from 'vitest';
import type { Lower } from '../../compiler/kernels/kernel.ts';
import type { OpAttributes, OpName } from '../../compiler/ops/attributes.ts';
import { opOf } from '../../compiler/ops/index.ts';
import type { Tolerance } from '../../compiler/ops/op.ts';
import type { DeviceKind, DeviceProfile } from '../../compiler/profile.ts';
import { profileOf, runOp, type TestGpu, type TestInput } from './harness.ts';

export const kinds: readonly DeviceKind[] = ['cpu', 'gpu'];
/** Odd lengths, multiples of 4, and the sequence lengths of the published models. */
export const lengths = [1, 4, 7, 50, 77, 197, 577];

/** A small generator (mulberry32), so that failures repeat. */
export function randomizer(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** f32 values in [-1, 1) times `scale` plus `shift`. */
export function randomInput(
  shape: readonly number[],
  seed: number,
  extra: Partial<TestInput> = {},
  { scale = 1, shift = 0 } = {},
): TestInput {
  const next = randomizer(seed);
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
  const next = randomizer(seed);
  const count = shape.reduce((a, b) => a * b, 1);
  const data = Float64Array.from({ length: count }, () => Math.floor(next() * below));
  return { shape, data, dtype: 'i32', ...extra };
}

export interface Check<K extends OpName> {
  readonly gpu: TestGpu;
  readonly op: K;
  readonly lower: Lower<K>;
  readonly attrs: OpAttributes[K];
  readonly inputs: readonly TestInput[];
  readonly profile?: DeviceProfile;
  /** Terms of a sum, for tolerances that grow with them. */
  readonly terms?: number;
}

/** Runs the op's kernels (for both kinds of device unless a profile is given) and compares with the reference. */
export async function checkOp<K extends OpName>(check: Check<K>): Promise<void> {
  const { op, attrs, inputs, gpu, lower } = check;
  const definition = opOf(op);
  const typed = definition.shape(
    inputs.map(({ shape, dtype }) => ({ shape, dtype: dtype ?? 'f32' })),
    attrs,
  );
  if (!typed.ok) throw new Error(typed.error.message);
  const shape = typed.type.shape as number[];
  const expected = definition.reference(inputs, attrs, shape).data;
  for (const profile of check.profile ? [check.profile] : kinds.map((kind) => profileOf(kind))) {
    const found = await runOp(gpu, lower, op, attrs, inputs, typed.type, profile);
    expectClose(found, expected, definition.tolerance, `${op} ${profile.kind}`, check.terms);
  }
}

/** Every element within the tolerance; NaN never is. */
export function expectClose(
  found: ArrayLike<number>,
  expected: ArrayLike<number>,
  { rtol, atol, perSqrtK }: Tolerance,
  label: string,
  terms = 1,
): void {
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
  expect(found.length, label).toBe(expected.length);
  expect(worst, `${label}: element ${at} is ${found[at]}, expected ${expected[at]}`).toBeLessThanOrEqual(1);
}
