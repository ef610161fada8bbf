/** `a % b` of floats where one of them is far larger, or a multiple of the other, by the text of both kinds of schedules. */
import { test } from 'vitest';
import { mapLowerings } from '../../../compiler/kernels/moves/map.ts';
import { checkOp } from '../support/check-op.ts';

const signs = [
  [1, 1],
  [-1, 1],
  [1, -1],
  [-1, -1],
] as const;

/** Multiples of the divisor are exact in f32, so that nothing but the sum with it is rounded. */
const magnitudes = [
  // The sum with the divisor rounds to the divisor.
  [1e-9, 1],
  [1e-30, 3],
  [3.9336636066436768, 77318392],
  // Next to a whole number of times.
  [2.9999998, 1],
  [3, 1],
  [3.0000002, 1],
  [7.5, 2],
  [0, 3],
] as const;

const pairs = magnitudes.flatMap(([a, b]) => signs.map(([s, t]) => [s * a, t * b] as const));

test.each([
  ['vec4s', pairs],
  ['an odd number', pairs.slice(1)],
])('in %s have the sign of the divisor and are right to the last digits', async (_, some) => {
  const operand = (side: 0 | 1) => ({
    shape: [some.length],
    data: Float64Array.from(some, (pair) => Math.fround(pair[side])),
  });
  await checkOp({
    gpu: { subgroup: 1 },
    op: 'mod',
    lower: mapLowerings.mod,
    attrs: {},
    inputs: [operand(0), operand(1)],
  });
});
