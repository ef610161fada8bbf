/** Powers in WGSL, whose own `pow` knows positive bases alone. */
import type { Lane } from './wgsl.ts';

/** Exponents up to this are products. */
const mostFactors = 1024;

/**
 * x^n by repeated squaring, for any sign of x and n; x^0 is 1. Squares become `let`s in `lines`, named after `name`.
 * @returns undefined where n is no whole number or too large
 */
export function constantPower(
  x: string,
  n: number,
  { of }: Lane,
  name: string,
  lines: string[],
): string | undefined {
  if (!Number.isInteger(n) || Math.abs(n) > mostFactors) return undefined;
  const factors: string[] = [];
  let square = x;
  for (let rest = Math.abs(n); rest > 0; rest = Math.floor(rest / 2)) {
    if (rest % 2 === 1) factors.push(square);
    if (rest < 2) break;
    const next = `${name}_${lines.length}`;
    lines.push(`let ${next} = ${square} * ${square};`);
    square = next;
  }
  const power = factors.length === 0 ? of('1.0') : factors.join(' * ');
  return n < 0 ? `(${of('1.0')} / (${power}))` : `(${power})`;
}

/** x^y: WGSL's own, which knows positive x alone, for whole y of either sign of x; anything to the power of 0 is 1. */
export function powerSource({ lanes, type: t }: Lane): string {
  return `fn power_${lanes}(x: ${t}, y: ${t}) -> ${t} {
  let size = pow(abs(x), y);
  let odd = fract(y * 0.5) != ${t}(0.0);
  let negative = (x < ${t}(0.0)) & (fract(y) == ${t}(0.0));
  let signed = select(select(pow(x, y), size, (x >= ${t}(0.0)) | negative), -size, negative & odd);
  return select(signed, ${t}(1.0), y == ${t}(0.0));
}
`;
}
