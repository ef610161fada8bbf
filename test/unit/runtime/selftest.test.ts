/** What the self-test calls an error. */
import { describe, expect, it } from 'vitest';
import { judge } from '../../../runtime/selftest/compare.ts';

const tensor = (...data: number[]) => ({ shape: [data.length], data: Float64Array.from(data) });
const values = (...data: number[]) => Float32Array.from(data);

/** Of values and what they should be, by name. */
function errorsOf(found: Record<string, Float32Array>, wanted: Record<string, ReturnType<typeof tensor>>) {
  return judge(new Map(Object.entries(found)), new Map(Object.entries(wanted)), { leastOfGradients: 1e-3 });
}

describe('an error', () => {
  it('is relative to the largest number of its output, with the element that is furthest off', () => {
    const wanted = { a: tensor(1, -4), b: tensor(0.25, 0) };
    expect([...errorsOf({ a: values(1, -4), b: values(0.25, 0) }, wanted).errors.values()]).toEqual([0, 0]);
    const { errors, worst } = errorsOf({ a: values(1.5, -4), b: values(0.25, 0.25) }, wanted);
    expect([...errors]).toEqual([
      ['a', 0.125],
      ['b', 1],
    ]);
    expect(worst.get('b')).toEqual({ element: 1, found: 0.25, expected: 0 });
  });

  it('is none where a value is no number, which no tolerance is above', () => {
    for (const broken of [Number.NaN, Number.POSITIVE_INFINITY]) {
      const { errors, worst } = errorsOf({ a: values(1, broken, 9) }, { a: tensor(1, 2, 3) });
      expect(errors.get('a')).toBeNaN();
      expect(worst.get('a')).toEqual({ element: 1, found: broken, expected: 2 });
    }
  });

  it('is measured by the other gradients where one is next to nothing', () => {
    const { errors } = errorsOf(
      { 'grad.w': values(2), 'grad.key.bias': values(2 ** -30), y: values(2 ** -30) },
      { 'grad.w': tensor(2), 'grad.key.bias': tensor(0), y: tensor(0) },
    );
    expect(errors.get('grad.key.bias')).toBeCloseTo(2 ** -30 / 2e-3, 12);
    expect(errors.get('y')).toBeGreaterThan(1e6);
  });
});
