/** What the page's check of an adapter calls an error. */
import { describe, expect, it } from 'vitest';
import { worstOf } from '../../../web/worker/compare/worst.ts';

const tensor = (...data: number[]) => ({ shape: [data.length], data: Float32Array.from(data) });

describe('the worst error', () => {
  it('is relative to the largest number of its tensor', () => {
    const wanted = new Map([
      ['a', tensor(1, -4)],
      ['b', tensor(0.25, 0)],
    ]);
    expect(worstOf({ a: tensor(1, -4), b: tensor(0.25, 0) }, wanted).worst).toBe(0);
    expect(worstOf({ a: tensor(1.5, -4), b: tensor(0.25, 0) }, wanted)).toEqual({ worst: 0.125, where: 'a' });
    expect(worstOf({ a: tensor(1, -3), b: tensor(0.25, 0.25) }, wanted)).toEqual({ worst: 1, where: 'b' });
  });

  it('is infinite for what is no number', () => {
    for (const broken of [Number.NaN, Number.POSITIVE_INFINITY])
      expect(worstOf({ a: tensor(1, broken) }, new Map([['a', tensor(1, 2)]])).worst).toBe(
        Number.POSITIVE_INFINITY,
      );
  });

  it('is measured by the other gradients where one is next to nothing', () => {
    const wanted = new Map([
      ['grad.w', tensor(2)],
      ['grad.key.bias', tensor(0)],
    ]);
    const { worst, where } = worstOf({ 'grad.w': tensor(2), 'grad.key.bias': tensor(2 ** -30) }, wanted);
    expect(where).toBe('grad.key.bias');
    expect(worst).toBeCloseTo(2 ** -30 / 2e-3, 12);
    expect(worstOf({ y: tensor(2 ** -30) }, new Map([['y', tensor(0)]])).worst).toBe(
      Number.POSITIVE_INFINITY,
    );
  });
});
