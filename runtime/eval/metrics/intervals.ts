/** How sure a share is. */

/** The normal deviate of a two-sided 95 %. */
const z = 1.959963984540054;

/**
 * Wilson's interval of 95 % for a share of `n` independent trials.
 * @param share in [0, 1]
 */
export function wilson(share: number, n: number): readonly [low: number, high: number] {
  const square = z * z;
  const middle = share + square / (2 * n);
  const half = z * Math.sqrt((share * (1 - share)) / n + square / (4 * n * n));
  const whole = 1 + square / n;
  return [Math.max(0, (middle - half) / whole), Math.min(1, (middle + half) / whole)];
}
