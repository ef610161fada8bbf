/**
 * Which C: the sweep of CLIP's paper (section A.3). The penalty's weight 1 / C lies on 96 logarithmic steps of
 * [1e-6, 1e6]; seven of them are tried, then the interval around the best is halved down to 8 steps a decade.
 */

/** Steps of a decade. */
const finest = 8;
const decades = 6;

/** Exponents of ten that are tried first. */
const first = [-6, -4, -2, 0, 2, 4, 6] as const;

/**
 * The best C by `accuracy`, of equal ones the one with the stronger penalty.
 * @param accuracy on rows held out, of the probe with this C; called once for each C
 */
export async function bestC(accuracy: (C: number) => Promise<number>): Promise<number> {
  const tried = new Map<number, number>();
  const attempt = async (exponent: number): Promise<void> => {
    if (Math.abs(exponent) > decades || tried.has(exponent)) return;
    tried.set(exponent, await accuracy(10 ** exponent));
  };
  const peak = () =>
    [...tried].reduce((best, other) =>
      other[1] > best[1] || (other[1] === best[1] && other[0] < best[0]) ? other : best,
    )[0];
  // From the strongest penalty: each fit starts from its neighbour's, which has the shortest way from there.
  for (const exponent of first) await attempt(exponent);
  for (let step = 1; step >= 1 / finest; step /= 2) {
    const best = peak();
    await attempt(best - step);
    await attempt(best + step);
  }
  return 10 ** peak();
}
