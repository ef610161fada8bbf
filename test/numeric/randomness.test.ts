/**
 * The generator behind dropout: Random123's known answers, and numbers that are uniform and know nothing of
 * each other across elements, places, samples and steps.
 */
import { describe, expect, it } from 'vitest';
import { keyWords, philox, randomKeys, uniformOf } from '../../compiler/ops/philox.ts';

describe('philox4x32-10', () => {
  it('gives the known answers of Random123 1.14', () => {
    const ones = 0xffffffff;
    expect(philox([0, 0, 0, 0], [0, 0])).toEqual([0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]);
    expect(philox([ones, ones, ones, ones], [ones, ones])).toEqual([
      0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd,
    ]);
    const digits = [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344] as const;
    expect(philox(digits, [0xa4093822, 0x299f31d0])).toEqual([
      0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1,
    ]);
  });

  it('keys a sample alike in whatever chunk it lies', () => {
    const whole = randomKeys(7, 3, 0, 8);
    for (const first of [0, 4, 6])
      expect([...randomKeys(7, 3, first, 2)]).toEqual([
        ...whole.subarray(first * keyWords, (first + 2) * keyWords),
      ]);
  });
});

const count = 1 << 14;

/** Numbers along one of what they are keyed by, the others fixed. */
const streams = {
  elements: (i: number) => at({ element: i }),
  places: (i: number) => at({ place: i }),
  samples: (i: number) => at({ sample: i }),
  steps: (i: number) => at({ step: i }),
  seeds: (i: number) => at({ seed: i }),
};

function at({ seed = 1, step = 2, sample = 3, place = 4, element = 5 }): number {
  const [key0, key1] = randomKeys(seed, step, sample, 1);
  return uniformOf(key0!, key1!, place, element);
}

const drawn = Object.fromEntries(
  Object.entries(streams).map(([name, of]) => [name, Float64Array.from({ length: count }, (_, i) => of(i))]),
);

describe('random numbers', () => {
  it.each(Object.keys(streams))('are uniform along %s', (name) => {
    const bins = new Array<number>(64).fill(0);
    for (const u of drawn[name]!) {
      expect(u >= 0 && u < 1).toBe(true);
      bins[Math.floor(u * 64)]!++;
    }
    const expected = count / 64;
    const chi2 = bins.reduce((sum, n) => sum + (n - expected) ** 2 / expected, 0);
    // 63 degrees of freedom: mean 63, deviation 11.2; five deviations either way.
    expect(chi2).toBeGreaterThan(7);
    expect(chi2).toBeLessThan(119);
  });

  it.each(Object.keys(streams))('say nothing about their neighbours along %s', (name) => {
    const u = drawn[name]!;
    for (const lag of [1, 2, 3, 4, 7, 64]) {
      let sum = 0;
      for (let i = 0; i + lag < count; i++) sum += (u[i]! - 0.5) * (u[i + lag]! - 0.5);
      // A correlation of independent numbers has the deviation 1 / sqrt(count).
      expect(Math.abs((12 * sum) / (count - lag)), `lag ${lag}`).toBeLessThan(5 / Math.sqrt(count));
    }
  });

  it('of two streams are independent', () => {
    const names = Object.keys(streams);
    for (const a of names)
      for (const b of names) {
        if (a >= b) continue;
        let sum = 0;
        for (let i = 0; i < count; i++) sum += (drawn[a]![i]! - 0.5) * (drawn[b]![i]! - 0.5);
        expect(Math.abs((12 * sum) / count), `${a}, ${b}`).toBeLessThan(5 / Math.sqrt(count));
      }
  });
});
