/**
 * Weights from initialisers: their distributions, and that nothing but (seed, name, index) decides a value.
 */
import { crc32 } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { initialWeight } from '../../../zoo/weights/initial-weights.ts';

const n = 200_000;
const normal = (seed: number, name: string, count = n) =>
  initialWeight(seed, name, [count], { kind: 'normal', std: 0.02 });

function moments(values: Float32Array): { mean: number; variance: number; kurtosis: number } {
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  const central = (p: number) => values.reduce((a, v) => a + (v - mean) ** p, 0) / values.length;
  const variance = central(2);
  return { mean, variance, kurtosis: central(4) / variance ** 2 };
}

describe('initial weights', () => {
  it('are normal with the deviation asked for', () => {
    const { mean, variance, kurtosis } = moments(normal(0, 'visual.proj'));
    // Five standard errors of each estimate.
    expect(Math.abs(mean)).toBeLessThan((5 * 0.02) / Math.sqrt(n));
    expect(Math.abs(Math.sqrt(variance) / 0.02 - 1)).toBeLessThan(5 / Math.sqrt(2 * n));
    expect(Math.abs(kurtosis - 3)).toBeLessThan(5 * Math.sqrt(24 / n));
  });

  it('have independent neighbours, names and seeds', () => {
    const a = normal(0, 'a');
    const correlation = (b: Float32Array) => a.reduce((s, v, i) => s + v * b[i]!, 0) / n / 0.02 ** 2;
    for (const other of [normal(0, 'b'), normal(1, 'a'), a.slice(1), a.slice(2)].map((v) =>
      v.slice(0, n - 2),
    )) {
      const padded = new Float32Array(n);
      padded.set(other);
      expect(Math.abs(correlation(padded))).toBeLessThan(5 / Math.sqrt(n));
    }
  });

  it('are uniform within the bound', () => {
    const values = initialWeight(0, 'x', [n], { kind: 'uniform', bound: 0.5 });
    const { mean, variance } = moments(values);
    expect(values.every((v) => v >= -0.5 && v < 0.5)).toBe(true);
    expect(Math.abs(mean)).toBeLessThan(5 * Math.sqrt(1 / 12 / n));
    expect(Math.abs(variance * 12 - 1)).toBeLessThan(0.02);
  });

  it('are constant where that is asked, also for scalars', () => {
    expect([...initialWeight(0, 'logit_scale', [], { kind: 'const', value: 2.5 })]).toEqual([2.5]);
    expect([...initialWeight(0, 'b', [2], { kind: 'const', value: 0 })]).toEqual([0, 0]);
  });

  it('depend on seed, name and index alone: a longer weight begins as the shorter', () => {
    expect(normal(7, 'w', 1001).slice(0, 1000)).toEqual(normal(7, 'w', 1000));
    expect(normal(7, 'w', 3)).not.toEqual(normal(8, 'w', 3));
    expect(normal(2 ** 40, 'w', 3)).not.toEqual(normal(0, 'w', 3));
  });

  it('have the variances of Glorot and of He, counted as PyTorch counts', () => {
    const variance = (values: Float32Array) => values.reduce((sum, v) => sum + v * v, 0) / values.length;
    const shape = [40, 25, 3, 3];
    const glorot = initialWeight(0, 'x', shape, { kind: 'xavier_uniform' });
    expect(Math.max(...glorot.map(Math.abs))).toBeLessThanOrEqual(Math.sqrt(6 / ((25 + 40) * 9)));
    // 9000 values: the variance is within five of its deviations.
    expect(variance(glorot) * ((25 + 40) * 4.5)).toBeCloseTo(1, 1);
    expect(variance(initialWeight(0, 'x', shape, { kind: 'kaiming_normal' })) * 112.5).toBeCloseTo(1, 1);
  });

  it('are cut at ±2 by trunc_normal, whatever the deviation', () => {
    const wide = initialWeight(0, 'x', [20000], { kind: 'trunc_normal', std: 1 });
    expect(Math.max(...wide.map(Math.abs))).toBeLessThanOrEqual(2);
    // The variance of a normal cut at two deviations: 1 - 4 φ(2) / (2 Φ(2) - 1).
    expect(wide.reduce((sum, v) => sum + v * v, 0) / wide.length).toBeCloseTo(0.7737, 1);
    const narrow = { kind: 'trunc_normal', std: 0.02 } as const;
    expect(initialWeight(3, 'x', [500], narrow)).toEqual(
      initialWeight(3, 'x', [500], { kind: 'normal', std: 0.02 }),
    );
  });

  it.each([[[12, 30]], [[30, 12]], [[8, 3, 3, 3]]])('are orthonormal: %j', (shape) => {
    const values = initialWeight(5, 'x', shape, { kind: 'orthogonal', gain: 2 });
    const rows = shape[0]!;
    const columns = values.length / rows;
    const wide = rows <= columns;
    const at = (vector: number, i: number) => values[wide ? vector * columns + i : i * columns + vector]!;
    for (let a = 0; a < Math.min(rows, columns); a++)
      for (let b = 0; b <= a; b++) {
        let sum = 0;
        for (let i = 0; i < Math.max(rows, columns); i++) sum += at(a, i) * at(b, i);
        expect(sum).toBeCloseTo(a === b ? 4 : 0, 5);
      }
  });

  // The numbers come from the same definition written in Python: every old seed would change if these did.
  it('are the same on every machine', () => {
    const bytes = (a: Float32Array) => crc32(new Uint8Array(a.buffer));
    expect(bytes(normal(1, 'visual.proj', 1000))).toBe(1526228715);
    expect(bytes(initialWeight(1, 'x', [1000], { kind: 'uniform', bound: 1 }))).toBe(1982573468);
  });
});
