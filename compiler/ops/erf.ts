/** The error function: in f64 for the reference, as WGSL for kernels. */
import { type Lane, literal } from './wgsl.ts';

/**
 * The error function to about 1e-15: erf x = 2/sqrt(pi) exp(-x²) Σ 2ⁿ x^(2n+1) / (1·3·…·(2n+1)) (Abramowitz
 * and Stegun 7.1.6), a series of positive terms; beyond 6 it is 1 in f64.
 */
export function erf(x: number): number {
  const a = Math.abs(x);
  if (a >= 6) return Math.sign(x);
  let term = a;
  let sum = a;
  for (let n = 1; term > sum * 1e-17; n++) {
    term *= (2 * a * a) / (2 * n + 1);
    sum += term;
  }
  return Math.sign(x) * (2 / Math.sqrt(Math.PI)) * Math.exp(-a * a) * sum;
}

/**
 * erf to about 1 ULP of 1 (absolute 1.2e-7): below 1 its Maclaurin series (12 terms), above the continued
 * Chebyshev fit of erfc with fractional error 1.2e-7 (Numerical Recipes, section 6.2, `erfcc`).
 */
export function erfSource({ lanes, type }: Lane): string {
  const series: string[] = [];
  let factorial = 1;
  const coefficients: number[] = [];
  for (let n = 0; n <= 11; n++) {
    if (n > 0) factorial *= n;
    coefficients.push((n % 2 === 0 ? 1 : -1) / (factorial * (2 * n + 1)));
  }
  series.push(`var p = ${type}(${literal(coefficients[11]!)});`);
  for (let n = 10; n >= 0; n--) series.push(`p = p * x2 + ${literal(coefficients[n]!)};`);
  const fit = [
    -1.26551223, 1.00002368, 0.37409196, 0.09678418, -0.18628806, 0.27886807, -1.13520398, 1.48851587,
    -0.82215223, 0.17087277,
  ];
  const tail = [`var q = ${type}(${literal(fit[9]!)});`];
  for (let n = 8; n >= 0; n--) tail.push(`q = q * k + ${literal(fit[n]!)};`);
  return `fn erf_${lanes}(x: ${type}) -> ${type} {
  let x2 = x * x;
  ${series.join('\n  ')}
  let near = x * p * ${literal(2 / Math.sqrt(Math.PI))};
  let z = min(abs(x), ${type}(10.0));
  let k = 1.0 / (1.0 + 0.5 * z);
  ${tail.join('\n  ')}
  let far = sign(x) * (1.0 - k * exp(-z * z + q));
  return select(far, near, abs(x) < ${type}(1.0));
}
`;
}
