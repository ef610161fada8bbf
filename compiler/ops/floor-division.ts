/**
 * Quotients and remainders that floor, as NumPy has them: on numbers for the reference, as WGSL for kernels.
 */
import type { Lane } from './wgsl.ts';

/** Towards minus infinity, and 0 where the divisor is 0. */
export function floorDivide(a: number, b: number): number {
  return b === 0 ? 0 : Math.floor(a / b) | 0;
}

/** With the divisor's sign, and 0 where that is 0. */
export function floorRemainder(a: number, b: number): number {
  return b === 0 ? 0 : (((a % b) + b) % b) | 0;
}

/** WGSL divides towards zero; x / 0 is x there and x % 0 is 0. */
export function floorSource({ lanes, type: t }: Lane): string {
  const apart = `(r != ${t}(0)) & ((r < ${t}(0)) != (b < ${t}(0)))`;
  return `fn floor_div_${lanes}(a: ${t}, b: ${t}) -> ${t} {
  let q = a / b;
  let r = a - q * b;
  return select(q - select(${t}(0), ${t}(1), ${apart}), ${t}(0), b == ${t}(0));
}
fn floor_mod_${lanes}(a: ${t}, b: ${t}) -> ${t} {
  let r = a % b;
  return select(r, r + b, ${apart});
}
`;
}

/** Of floats, with the divisor's sign. */
export function remainder(a: number, b: number): number {
  const r = a % b;
  return r !== 0 && r < 0 !== b < 0 ? r + b : r;
}

/**
 * As C's fmod with the divisor added where the signs differ: the sum may round to the divisor, from which nothing
 * must be taken again. The quotient is off by one where rounding took it over a whole number.
 */
export function remainderSource({ lanes, type: t }: Lane): string {
  return `fn remainder_${lanes}(a: ${t}, b: ${t}) -> ${t} {
  var r = a - b * trunc(a / b);
  r = select(r, r - sign(r) * abs(b), abs(r) >= abs(b));
  return select(r, r + b, (r != ${t}(0.0)) & ((r < ${t}(0.0)) != (b < ${t}(0.0))));
}
`;
}
