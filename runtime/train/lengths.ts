/** How long the texts of a batch are, of the lengths that its step is planned for. */
import type { PlanTexts } from '../../compiler/plan/types.ts';
import type { HostArray } from '../types.ts';

/** Positions of the longest row, which ends with the first of its largest ids. */
export function longestRow(tokens: HostArray, context: number): number {
  let longest = 0;
  for (let row = 0; row < tokens.length; row += context) {
    let end = row;
    for (let i = row + 1; i < row + context; i++) if (tokens[i]! > tokens[end]!) end = i;
    longest = Math.max(longest, end - row + 1);
  }
  return longest;
}

/** The least of the lengths that holds all rows. @param rowsOf an input's */
export function lengthOf({ inputs, lengths }: PlanTexts, rowsOf: (name: string) => HostArray): number {
  const longest = Math.max(...inputs.map(({ name, context }) => longestRow(rowsOf(name), context)));
  return lengths.find((length) => length >= longest)!;
}
