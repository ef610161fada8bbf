/** Ids against what an input may hold: apart from what finds that out, which pages that only run plans do not load. */
import type { Range } from './types.ts';

/** The position of the first integer that an input may not hold; -1 where there is none. */
export function outside(values: ArrayLike<number>, { min, max }: Range): number {
  return Array.prototype.findIndex.call(values, (id: number) => id < min || id > max);
}
