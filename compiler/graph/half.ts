/**
 * IEEE binary16 as the reference sees it: the value that storage in half precision leaves of a number.
 *
 * Rounds to nearest, ties to even; from 65 520 on to infinity; below 2^-14 in steps of 2^-24.
 */

const smallestNormal = -14;
const fractionBits = 10;
/** Half way between the largest half, 65 504, and the power of two behind it. */
const overflow = 65520;

export function roundToHalf(value: number): number {
  const magnitude = Math.abs(value);
  if (Number.isNaN(value) || magnitude === 0) return value;
  if (magnitude >= overflow) return Math.sign(value) * Number.POSITIVE_INFINITY;
  const exponent = Math.max(exponentOf(magnitude), smallestNormal);
  // Adding and taking away a number whose last bit is worth one step rounds to steps, ties to even.
  const anchor = 1.5 * 2 ** (52 + exponent - fractionBits);
  return Math.sign(value) * (magnitude + anchor - anchor);
}

/** The largest e with 2^e <= x. */
function exponentOf(x: number): number {
  const guess = Math.floor(Math.log2(x));
  if (2 ** guess > x) return guess - 1;
  return 2 ** (guess + 1) <= x ? guess + 1 : guess;
}
