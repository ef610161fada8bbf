/**
 * Checks one operation's kernels against its f64 reference, for both kinds of schedules on whatever adapter
 * there is.
 *
 * Tolerances are those of the op's definition; where it says `perSqrtK`, rtol and atol grow with the square
 * root of the number of terms that were added, as rounding errors of a sum do.
 */
import { expect } from 'vitest';
import type { Lower } from '../../../compiler/kernels/text/kernel.ts';
import type { InputsOf, OpAttributes, OpName } from '../../../compiler/ops/attributes.ts';
import { opOf } from '../../../compiler/ops/index.ts';
import type { RefTensor, Tolerance } from '../../../compiler/ops/op.ts';
import type { DeviceKind, DeviceProfile } from '../../../compiler/profile.ts';
import type { TextRunner } from './by-text.ts';
import { profileOf, runOp, type TestGpu, type TestInput } from './harness.ts';
import { excessOf } from './inputs.ts';

export { randomIndices, randomInput } from './inputs.ts';

export const kinds: readonly DeviceKind[] = ['cpu', 'gpu'];
/** Odd lengths, multiples of 4, and the sequence lengths of the published models. */
export const lengths = [1, 4, 7, 50, 77, 197, 577];

export interface Check<K extends OpName> {
  /** A device, or the text of kernels. */
  readonly gpu: TestGpu | TextRunner;
  readonly op: K;
  readonly lower: Lower<K>;
  readonly attrs: OpAttributes[K];
  readonly inputs: readonly TestInput[];
  readonly profile?: DeviceProfile;
  /** Terms of a sum, for tolerances that grow with them. */
  readonly terms?: number;
}

/**
 * Runs the op's kernels (for both kinds of device unless a profile is given) and compares with the reference.
 */
export async function checkOp<K extends OpName>(check: Check<K>): Promise<void> {
  const { op, attrs, inputs, gpu, lower } = check;
  const definition = opOf(op);
  const typed = definition.shape(
    inputs.map(({ shape, dtype }) => ({ shape, dtype: dtype ?? 'f32' })),
    attrs,
  );
  if (!typed.ok) throw new Error(typed.error.message);
  const shape = typed.type.shape as number[];
  const expected = definition.reference(
    inputs as readonly RefTensor[] as InputsOf<K, RefTensor>,
    attrs,
    shape,
    typed.type.dtype,
  ).data;
  for (const profile of check.profile ? [check.profile] : kinds.map((kind) => profileOf(kind))) {
    const found = await runOp(gpu, lower, op, attrs, inputs, typed.type, profile);
    expectClose(found, expected, definition.tolerance, `${op} ${profile.kind}`, check.terms);
  }
}

/** Every element within the tolerance; NaN never is. */
export function expectClose(
  found: ArrayLike<number>,
  expected: ArrayLike<number>,
  tolerance: Tolerance,
  label: string,
  terms = 1,
): void {
  const { worst, at } = excessOf(found, expected, tolerance, terms);
  expect(found.length, label).toBe(expected.length);
  expect(worst, `${label}: element ${at} is ${found[at]}, expected ${expected[at]}`).toBeLessThanOrEqual(1);
}
