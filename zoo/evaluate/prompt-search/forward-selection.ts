/**
 * Sequential forward selection: the set that grows by whichever candidate raises its value most. It finds no optimum, which
 * would take all subsets, but as many values a step as there are candidates left.
 */

/** A candidate that was added, and what the set is worth with it. */
export interface Step {
  readonly added: number;
  readonly value: number;
}

export interface Selection {
  /** What each candidate is worth alone. */
  readonly singles: readonly number[];
  /** From the best single one on. */
  readonly steps: readonly Step[];
}

function firstBest(values: readonly number[]): number {
  return values.reduce((best, value, i) => (value > values[best]! ? i : best), 0);
}

/**
 * Ends where no candidate raises the value. Of equal ones the first is taken.
 * @param valuesOf what sets of candidates are worth, each in the order in which they were added
 * @param most members at most
 */
export async function forwardSelection(
  candidates: number,
  valuesOf: (sets: readonly (readonly number[])[]) => Promise<readonly number[]>,
  most = candidates,
): Promise<Selection> {
  let left = Array.from({ length: candidates }, (_, i) => i);
  const singles = await valuesOf(left.map((i) => [i]));
  const steps: Step[] = [];
  let values = singles;
  while (left.length > 0) {
    const best = firstBest(values);
    const value = values[best]!;
    if (steps.length > 0 && value <= steps.at(-1)!.value) break;
    steps.push({ added: left[best]!, value });
    if (steps.length === most) break;
    const members = steps.map(({ added }) => added);
    left = left.filter((i) => !members.includes(i));
    values = await valuesOf(left.map((i) => [...members, i]));
  }
  return { singles, steps };
}
