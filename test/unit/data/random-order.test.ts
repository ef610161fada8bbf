/** The order of an epoch: each number once, none likelier at a place than another, at any size. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { randomKey, randomOrder } from '../../../runtime/data/random.ts';

const orderOf = (seed: number, count: number) => {
  const order = randomOrder(randomKey(seed, 'order', 0), count);
  return Array.from({ length: count }, (_, place) => order(place));
};

/** How far counts are from equal ones, in deviations of its distribution. */
function surplus(counts: readonly number[]): number {
  const mean = counts.reduce((a, b) => a + b, 0) / counts.length;
  const chi2 = counts.reduce((sum, n) => sum + (n - mean) ** 2 / mean, 0);
  const freedom = counts.length - 1;
  return (chi2 - freedom) / Math.sqrt(2 * freedom);
}

describe('a random order', () => {
  it('has every number once', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 3000 }), fc.nat(), (count, seed) => {
        expect(new Set(orderOf(seed, count)).size).toBe(count);
      }),
      { numRuns: 200, seed: 1 },
    );
  });

  it.each([2, 3, 4, 7, 10, 12])('of %i numbers puts each at every place equally often', (count) => {
    const counts = Array<number>(count * count).fill(0);
    for (let seed = 0; seed < 4000; seed++)
      orderOf(seed, count).forEach((number, place) => {
        counts[place * count + number]!++;
      });
    // Rows and columns of the table sum to constants, so that fewer cells are free than are counted.
    expect(Math.abs(surplus(counts))).toBeLessThan(5);
  });

  it.each([3, 4, 10, 1000])('of %i numbers has neighbours at all distances equally often', (count) => {
    const counts = Array<number>(count - 1).fill(0);
    for (let seed = 0; seed < Math.max(40, 20000 / count); seed++) {
      const order = orderOf(seed, count);
      for (let i = 1; i < count; i++) counts[((order[i]! - order[i - 1]! + count) % count) - 1]!++;
    }
    expect(Math.abs(surplus(counts))).toBeLessThan(5);
  });

  it('of 10^12 numbers needs no memory, and keeps within bounds', () => {
    const count = 1e12;
    const order = randomOrder(randomKey(1), count);
    const found = Array.from({ length: 1000 }, (_, i) => order(i * 999_999_937));
    expect(new Set(found).size).toBe(1000);
    expect(found.every((n) => Number.isSafeInteger(n) && n >= 0 && n < count)).toBe(true);
    const mean = found.reduce((a, b) => a + b, 0) / 1000 / count;
    // Five standard deviations.
    expect(Math.abs(mean - 0.5)).toBeLessThan(5 * Math.sqrt(1 / 12 / 1000));
  });

  it('differs by key', () => {
    expect(orderOf(1, 50)).not.toEqual(orderOf(2, 50));
    expect(orderOf(1, 50)).toEqual(orderOf(1, 50));
  });
});
