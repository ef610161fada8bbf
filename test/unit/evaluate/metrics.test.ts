/** Pure parts of evaluation: lines of robustness, intervals, neighbours, the sweep of a probe. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { randomKey, randomUnit } from '../../../runtime/data/random.ts';
import { hostBlocks } from '../../../runtime/eval/metrics/blocks.ts';
import { wilson } from '../../../runtime/eval/metrics/intervals.ts';
import { nearest, vote } from '../../../runtime/eval/metrics/nearest.ts';
import {
  bootstrapBand,
  effectiveRobustness,
  expectedShift,
  fitLine,
} from '../../../runtime/eval/metrics/robustness.ts';
import { bestC } from '../../../runtime/eval/probe/sweep.ts';

describe('effective robustness', () => {
  const golden = JSON.parse(readFileSync('test/fixtures/evaluate/robustness.json', 'utf8'));
  const models = (golden.baseline_in as number[]).map((base, i) => ({
    base,
    shift: golden.baseline_shift[i],
  }));
  const line = fitLine(models);

  it('is what lies above the line through the logits of standard models', () => {
    expect(line.slope).toBeCloseTo(golden.slope, 12);
    expect(line.intercept).toBeCloseTo(golden.intercept, 12);
    for (const [i, base] of (golden.models_in as number[]).entries()) {
      expect(expectedShift(line, base)).toBeCloseTo(golden.expected[i], 12);
      expect(effectiveRobustness(line, { base, shift: golden.models_shift[i] })).toBeCloseTo(
        golden.effective[i],
        12,
      );
    }
  });

  it('has a band around the line that the same draws give again', () => {
    const band = () => {
      let drawn = 0;
      const key = randomKey(0, 'bootstrap');
      return bootstrapBand(models, 0.7, () => randomUnit(key, drawn++));
    };
    const [low, high] = band();
    expect(low).toBeLessThan(expectedShift(line, 0.7));
    expect(high).toBeGreaterThan(expectedShift(line, 0.7));
    // The points scatter by 0.05 in logits: a band of a few tenths of that, at 0.58.
    expect(high - low).toBeLessThan(0.03);
    expect(band()).toEqual([low, high]);
  });
});

describe("Wilson's interval", () => {
  // Values of SciPy's binomtest(...).proportion_ci(method = 'wilson').
  it.each([
    [0.5, 10, 0.23659309051256394, 0.7634069094874361],
    [1, 20, 0.8388749419471501, 1],
    [0, 20, 0, 0.16112505805284988],
    [0.7, 1000, 0.6708761390827828, 0.7275931575229951],
  ])('of %d in %d', (share, n, low, high) => {
    const found = wilson(share, n);
    expect(found[0]).toBeCloseTo(low, 6);
    expect(found[1]).toBeCloseTo(high, 6);
  });
});

describe('nearest neighbours', () => {
  it('puts the first of equal ones first, and the smallest of equal classes', async () => {
    const candidates = Float32Array.of(0, 1, 1, 0, 1, 0, 0, 1);
    const [list] = await nearest(hostBlocks(Float32Array.of(1, 0), candidates, 2), 1, 3);
    expect(list!.map(({ index }) => index)).toEqual([1, 2, 0]);
    expect(vote(list!.slice(0, 2), [0, 7, 3, 0])).toBe(3);
    expect(vote(list!, [5, 7, 5, 0], 1)).toBe(5);
  });

  it('are fewer than asked for where there are not so many', async () => {
    const [list] = await nearest(hostBlocks(Float32Array.of(1), Float32Array.of(2, 3), 1), 1, 20);
    expect(list!.map(({ index }) => index)).toEqual([1, 0]);
  });
});

describe('the sweep over C', () => {
  it.each([-6, -2.375, 0, 1.25, 6])(
    'finds a single peak at 10^%d on steps of an eighth of a decade',
    async (peak) => {
      const tried: number[] = [];
      const best = await bestC(async (C) => {
        tried.push(C);
        return -Math.abs(Math.log10(C) - peak);
      });
      expect(Math.log10(best)).toBeCloseTo(peak, 9);
      expect(new Set(tried).size).toBe(tried.length);
      // Seven to begin with and two for each of the four halvings.
      expect(tried.length).toBeLessThanOrEqual(15);
    },
  );

  it('takes the stronger penalty of equally good ones', async () => {
    expect(await bestC(async () => 0.5)).toBeCloseTo(1e-6, 12);
  });
});
