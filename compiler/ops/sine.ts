/**
 * Sine and cosine in WGSL, whose own are good to 2^-11 between -π and π and promise nothing beyond.
 */
import { type Lane, literal } from './wgsl.ts';

/**
 * π/2 in three parts of which the first two have few digits, so that their multiples by whole numbers up to
 * 2^15 are exact in f32 (Cody and Waite 1980, chapter 8).
 */
const parts = [1.5703125, 0.0004837512969970703, 7.54978995489188e-8];

/** Taylor coefficients of sin r / r and of cos r in r²: their remainders are below 2^-26 for |r| <= π/4. */
const odd = [1, -1 / 6, 1 / 120, -1 / 5040, 1 / 362880];
const even = [1, -1 / 2, 1 / 24, -1 / 720, 1 / 40320, -1 / 3628800];

const horner = (x: string, coefficients: readonly number[]) =>
  coefficients.reduceRight((text, c) => (text === '' ? literal(c) : `(${text} * ${x} + ${literal(c)})`), '');

/**
 * `sine(x, quarters)` is sin(x + quarters · π/2), to 2^-22 for |x| up to 50 000; further out f32 itself tells
 * angles apart by less than that.
 */
export function sineSource({ lanes, type: t }: Lane): string {
  const [first, second, third] = parts.map(literal);
  return `fn sine_${lanes}(x: ${t}, quarters: f32) -> ${t} {
  let n = round(x * ${literal(2 / Math.PI)});
  let r = ((x - n * ${first}) - n * ${second}) - n * ${third};
  let r2 = r * r;
  let q = n + quarters;
  let quadrant = q - 4.0 * floor(q * 0.25);
  let odd = r * ${horner('r2', odd)};
  let even = ${t}(1.0) * ${horner('r2', even)};
  let size = select(odd, even, (quadrant == ${t}(1.0)) | (quadrant == ${t}(3.0)));
  return select(size, -size, quadrant >= ${t}(2.0));
}
`;
}
