/** Rows as curves of a bounded number of points. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Curves, mostPoints } from '../../../runtime/report/curves.ts';
import { row } from '../../support/reports/run-folder.ts';

function curvesOf(rows: readonly object[]): Curves {
  const curves = new Curves();
  for (const one of rows) curves.add(one as Record<string, unknown>);
  return curves;
}

const values = fc.array(fc.double({ min: -1e6, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 5000 });

describe('a curve', () => {
  it('has every row while they are few', () => {
    const { steps, values } = curvesOf([3, 4, 7].map((step) => row(step, { loss: step / 2 }))).curve('loss')!;
    expect(steps).toEqual([3, 4, 7]);
    expect(values).toEqual([1.5, 2, 3.5]);
  });

  it('has at most 2000 of the rows, in order, with the first, the last, the smallest and the largest', () => {
    fc.assert(
      fc.property(
        values,
        fc.integer({ min: 0, max: 10_000 }),
        fc.integer({ min: 1, max: 7 }),
        (all, begin, every) => {
          const kept = all.map((v) => Number(v.toPrecision(6)));
          const stepOf = (i: number) => begin + i * every;
          const curve = curvesOf(all.map((loss, i) => ({ step: stepOf(i), loss }))).curve('loss')!;
          expect(curve.steps.length).toBeLessThanOrEqual(mostPoints);
          expect(curve.values).toHaveLength(curve.steps.length);
          for (const [i, step] of curve.steps.entries()) {
            if (i > 0) expect(step).toBeGreaterThan(curve.steps[i - 1]!);
            expect(curve.values[i]).toBe(kept[(step - begin) / every]);
          }
          expect([curve.steps[0], curve.steps.at(-1)]).toEqual([stepOf(0), stepOf(all.length - 1)]);
          expect(Math.min(...curve.values)).toBe(Math.min(...kept));
          expect(Math.max(...curve.values)).toBe(Math.max(...kept));
        },
      ),
      { numRuns: 50 },
    );
  });

  it('loses no spike of a million rows', () => {
    const curves = new Curves();
    for (let step = 0; step < 1_000_000; step++)
      curves.add({ step, loss: step === 654_321 ? 99 : Math.sin(step) });
    const { steps, values } = curves.curve('loss')!;
    expect(steps.length).toBeLessThanOrEqual(mostPoints);
    expect(steps.length).toBeGreaterThan(mostPoints / 2 - 500);
    expect(values[steps.indexOf(654_321)]).toBe(99);
  });

  it('leaves out what is no number: an overflow’s norm, texts, columns that come later', () => {
    const curves = curvesOf([
      row(0, { grad_norm: null, remark: 'x' }),
      row(1, { grad_norm: 2, overflow: true }),
    ]);
    expect(curves.curve('grad_norm')).toEqual({ steps: [1], values: [2] });
    expect(curves.curve('overflow')).toEqual({ steps: [1], values: [1] });
    expect(curves.curve('remark')).toBeUndefined();
    expect(curves.curve('nothing')).toBeUndefined();
  });

  it('of a rate is the mean of the last eight steps: numbers of several steps may arrive together', () => {
    const rates = [100, 1e9, 50, 1e9, 50, 1e9, 50, 1e9, 50, 1e9];
    const { values } = curvesOf(rates.map((r, i) => row(i, { samples_per_second: r }))).curve(
      'samples_per_second',
    )!;
    expect(values[0]).toBe(100);
    // Four of eight steps took 1 / 50 s a pair, the others next to nothing.
    expect(values.at(-1)).toBeCloseTo(100, 3);
  });
});

describe('totals', () => {
  it('count every row, however many points are kept', () => {
    const curves = curvesOf(
      Array.from({ length: 5000 }, (_, step) =>
        row(step, { samples_per_second: 200, data_wait_ms: 3, sync_wait_ms: 1, skipped: step % 2 }),
      ),
    );
    expect(curves.totals.rows).toBe(5000);
    expect(curves.totals.secondsPerPair).toBeCloseTo(25, 6);
    expect(curves.totals.waitMilliseconds).toBe(20_000);
    expect(curves.totals.skipped).toBe(2500);
    expect(curves.last).toMatchObject({ step: 4999 });
  });
});
