/** The choice among pairs: its probability, and that a hash decides as chance would. */
import { describe, expect, it } from 'vitest';
import { Balance } from '../../../../runtime/data/curate/balance.ts';
import { Queries } from '../../../../runtime/data/curate/queries.ts';

const captions = [
  ...Array.from({ length: 40 }, (_, i) => `a dog ${i}`),
  ...Array.from({ length: 10 }, (_, i) => `a dog and a cat ${i}`),
  ...Array.from({ length: 6 }, (_, i) => `a red cat ${i}`),
  ...Array.from({ length: 3 }, () => 'an owl'),
  'nothing at all',
];
const words = ['dog', 'cat', 'red cat', 'owl', 'unseen'];
const perQuery = 5;
const queries = new Queries(words);
const matches = captions.map((caption) => queries.match(caption));
const counts = new Float64Array(words.length);
for (const found of matches) for (const query of found) counts[query]!++;

/** That at least one coin of several falls, over all ways in which they can. */
function anyOf(coins: readonly number[]): number {
  let sum = 0;
  for (let ways = 1; ways < 2 ** coins.length; ways++)
    sum += coins.reduce((p, coin, i) => p * ((ways >> i) & 1 ? coin : 1 - coin), 1);
  return sum;
}

describe('balance', () => {
  it('counts a pair once for each query', () => {
    expect([...counts]).toEqual([50, 16, 6, 3, 0]);
  });

  it('keeps a pair where a coin of one of its queries falls', () => {
    const balance = new Balance(counts, perQuery, 0);
    const coin = [5 / 50, 5 / 16, 5 / 6, 1, 1];
    // Sums and products of a few numbers below 1.
    for (const found of matches)
      expect(1 - balance.dropped(found)).toBeCloseTo(anyOf(found.map((query) => coin[query]!)), 14);
  });

  it('keeps what is rare, drops what matches nothing, and decides the rest as chance does', () => {
    const seeds = 4000;
    const kept = captions.map(() => 0);
    let [sum, both] = [0, 0];
    for (let seed = 0; seed < seeds; seed++) {
      const balance = new Balance(counts, perQuery, seed);
      const now = captions.map((_, i) => balance.keeps(`key${i}`, matches[i]!));
      for (const [i, keeps] of now.entries()) if (keeps) kept[i]!++;
      if (now[0]) sum++;
      if (now[0] && now[1]) both++;
    }
    const balance = new Balance(counts, perQuery, 0);
    for (const [i, found] of matches.entries()) {
      const p = found.length === 0 ? 0 : 1 - balance.dropped(found);
      // Five standard deviations of a binomial; none where nothing is left to chance.
      expect(Math.abs(kept[i]! - seeds * p), captions[i]).toBeLessThanOrEqual(
        5 * Math.sqrt(seeds * p * (1 - p)),
      );
    }
    // Two keys of one seed are decided independently: both are kept with p squared.
    expect(sum).toBeGreaterThan(0);
    expect(Math.abs(both - seeds * 0.1 ** 2)).toBeLessThan(5 * Math.sqrt(seeds * 0.01 * 0.99));
  });

  it('is a function of key and seed', () => {
    const choice = (seed: number) =>
      captions.map((_, i) => new Balance(counts, perQuery, seed).keeps(`key${i}`, matches[i]!));
    expect(choice(7)).toEqual(choice(7));
    expect(choice(7)).not.toEqual(choice(8));
  });
});
