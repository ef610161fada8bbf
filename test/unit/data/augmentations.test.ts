/** Augmentations, and the random numbers that they and the order of samples are drawn by. */
import { describe, expect, it } from 'vitest';
import { makeAugmentation } from '../../../runtime/data/pictures/augment.ts';
import {
  randomBelow,
  randomChoice,
  randomKey,
  randomPermutation,
  randomUnit,
} from '../../../runtime/data/random.ts';
import { staticCall as call } from '../../support/training/static-call.ts';

describe('augmentations', () => {
  const size = 8;
  const picture = Uint8Array.from({ length: size * size * 3 }, (_, i) => (i * 37) % 256);
  const at = (bytes: Uint8Array, x: number, y: number) => [
    ...bytes.subarray((y * size + x) * 3, (y * size + x) * 3 + 3),
  ];
  const run = (name: string, value: number, index: number) =>
    makeAugmentation(call(name, [value]))(picture, size, randomKey(5, index));

  it('shift moves by whole pixels within its bound and repeats the edge', () => {
    const seen = new Set<string>();
    for (let k = 0; k < 200; k++) {
      const moved = run('shift', 2, k);
      const offsets = [-2, -1, 0, 1, 2].flatMap((dy) => [-2, -1, 0, 1, 2].map((dx) => [dx, dy] as const));
      const clamp = (v: number) => Math.max(0, Math.min(v, size - 1));
      const found = offsets.filter(([dx, dy]) =>
        Array.from({ length: size * size }, (_, i) => i).every(
          (i) =>
            String(at(moved, i % size, Math.floor(i / size))) ===
            String(at(picture, clamp((i % size) - dx), clamp(Math.floor(i / size) - dy))),
        ),
      );
      expect(found.length).toBe(1);
      seen.add(String(found[0]));
    }
    expect(seen.size).toBe(25);
  });

  it('flip mirrors about as often as asked', () => {
    let flips = 0;
    for (let k = 0; k < 400; k++) {
      const out = run('flip', 0.25, k);
      if (String(out) === String(picture)) continue;
      flips++;
      expect(at(out, 0, 3)).toEqual(at(picture, 7, 3));
    }
    expect(Math.abs(flips / 400 - 0.25)).toBeLessThan(0.09);
  });

  it('scale and color_jitter of no strength change nothing', () => {
    expect(run('scale', 1, 0)).toEqual(picture);
    expect(run('color_jitter', 0, 0)).toEqual(picture);
    expect(run('scale', 0.2, 0)).not.toEqual(picture);
    expect(run('color_jitter', 0.5, 0)).not.toEqual(picture);
  });
});

describe('random numbers', () => {
  it('are a function of key and index, and look uniform', () => {
    const key = randomKey(1, 'a', 2);
    expect(randomKey(1, 'a', 2)).toEqual(key);
    const keys = [
      randomKey(2, 'a', 2),
      randomKey(1 + 2 ** 32, 'a', 2),
      randomKey(1, 'b', 2),
      randomKey(1, 'a', 3),
      randomKey(1, 2, 'a'),
    ];
    for (const other of keys) expect(other).not.toEqual(key);
    const n = 20000;
    for (const k of [key, ...keys]) {
      const values = Array.from({ length: n }, (_, i) => randomUnit(k, i));
      const mean = values.reduce((a, b) => a + b, 0) / n;
      const lag = values.reduce((a, v, i) => a + (v - 0.5) * (values[(i + 1) % n]! - 0.5), 0) / n;
      // Five standard deviations.
      expect(Math.abs(mean - 0.5)).toBeLessThan(5 * Math.sqrt(1 / 12 / n));
      expect(Math.abs(lag)).toBeLessThan((5 / 12) * Math.sqrt(1 / n));
    }
  });

  it('permute, choose and count within bounds', () => {
    const order = randomPermutation(randomKey(3), 100);
    expect([...order].toSorted((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, i) => i));
    expect([...order]).not.toEqual([...order].toSorted((a, b) => a - b));
    const draws = Array.from({ length: 1000 }, (_, i) => randomChoice(randomKey(4), i, [0, 3, 0, 1, 0]));
    expect(new Set(draws)).toEqual(new Set([1, 3]));
    expect(Math.abs(draws.filter((d) => d === 1).length / 1000 - 0.75)).toBeLessThan(0.07);
    expect(new Set(Array.from({ length: 100 }, (_, i) => randomBelow(randomKey(5), i, 3)))).toEqual(
      new Set([0, 1, 2]),
    );
  });
});
