/** How far tensors are from what they should be. */
import { gradientPrefix } from '../../../compiler/graph/types.ts';
import type { NamedResult } from '../../../zoo/api/types.ts';

/**
 * A gradient that is zero in exact arithmetic (of the keys' bias: softmax does not see it) is rounding of what it is a sum of. So
 * errors of gradients are measured by no less than this part of the largest one.
 */
const leastOfLargest = 1e-3;

function largestOf(values: ArrayLike<number>): number {
  let most = 0;
  for (let i = 0; i < values.length; i++) most = Math.max(most, Math.abs(values[i]!));
  return most;
}

/** The largest error of all tensors, and the one that has it. */
export function worstOf(
  found: Readonly<Record<string, NamedResult>>,
  wanted: ReadonlyMap<string, NamedResult>,
): { readonly worst: number; readonly where: string } {
  const isGradient = (name: string): boolean => name.startsWith(gradientPrefix);
  const gradients = [...wanted].flatMap(([name, { data }]) => (isGradient(name) ? [largestOf(data)] : []));
  const least = leastOfLargest * largestOf(gradients);
  let worst = 0;
  let where = '';
  for (const [name, { data }] of wanted) {
    const other = found[name]!.data;
    // What is no number is as wrong as can be.
    const off = (i: number): number =>
      Number.isFinite(other[i]) ? other[i]! - data[i]! : Number.POSITIVE_INFINITY;
    const difference = largestOf(Array.from(data, (_, i) => off(i)));
    const error = difference === 0 ? 0 : difference / Math.max(largestOf(data), isGradient(name) ? least : 0);
    if (error >= worst) [worst, where] = [error, name];
  }
  return { worst, where };
}
