/**
 * Arithmetic on dimensions that may still be symbolic.
 *
 * A `Dim` can hold one symbol times a number, so a product of two symbols or a sum of unlike terms has no
 * dimension; the functions then return `undefined` and the shape rule that asked says why. Sizes of whole
 * shapes are compared as monomials (a coefficient and a multiset of symbols), so `[B, 4, 7]` reshapes to
 * `[4*B, 7]` and back.
 */
import type { Dim } from './types.ts';

/** The number of elements of a shape: `coefficient` times the product of `symbols` (sorted). */
interface Monomial {
  readonly coefficient: number;
  readonly symbols: readonly string[];
}

export function elementsOf(shape: readonly Dim[]): Monomial {
  let coefficient = 1;
  const symbols: string[] = [];
  for (const dim of shape) {
    if (typeof dim === 'number') coefficient *= dim;
    else {
      coefficient *= dim.mul;
      symbols.push(dim.symbol);
    }
  }
  return { coefficient, symbols: symbols.sort() };
}

export function sameElements(a: readonly Dim[], b: readonly Dim[]): boolean {
  const left = elementsOf(a);
  const right = elementsOf(b);
  return (
    left.coefficient === right.coefficient &&
    left.symbols.length === right.symbols.length &&
    left.symbols.every((s, i) => s === right.symbols[i])
  );
}

/** `4 * B` as a number if no symbol is left. */
function dimOf(coefficient: number, symbol: string | undefined): Dim {
  return symbol === undefined ? coefficient : { symbol, mul: coefficient };
}

/** The product of some dimensions as one dimension, or `undefined` where two symbols meet. */
export function multiplyDims(dims: readonly Dim[]): Dim | undefined {
  const { coefficient, symbols } = elementsOf(dims);
  return symbols.length > 1 ? undefined : dimOf(coefficient, symbols[0]);
}

/** `a / b` where it is exact, else `undefined`. */
export function divideDims(a: Dim, b: Dim): Dim | undefined {
  const top = elementsOf([a]);
  const bottom = elementsOf([b]);
  if (bottom.coefficient === 0 || top.coefficient % bottom.coefficient !== 0) return undefined;
  const quotient = top.coefficient / bottom.coefficient;
  if (bottom.symbols.length === 0) return dimOf(quotient, top.symbols[0]);
  return top.symbols[0] === bottom.symbols[0] ? quotient : undefined;
}

/**
 * `a + b` of like terms (two numbers, or multiples of one symbol), else `undefined`. Adding 0 always works.
 */
export function addDims(a: Dim, b: Dim): Dim | undefined {
  if (a === 0) return b;
  if (b === 0) return a;
  if (typeof a === 'number') return typeof b === 'number' ? a + b : undefined;
  if (typeof b === 'number' || a.symbol !== b.symbol) return undefined;
  return { symbol: a.symbol, mul: a.mul + b.mul };
}

/** `a - b` of like terms, else `undefined`; equal dimensions give 0. */
export function subtractDims(a: Dim, b: Dim): Dim | undefined {
  if (b === 0) return a;
  if (typeof a === 'number') return typeof b === 'number' ? a - b : undefined;
  if (typeof b === 'number' || a.symbol !== b.symbol) return undefined;
  return a.mul === b.mul ? 0 : { symbol: a.symbol, mul: a.mul - b.mul };
}

/** The smallest multiple of `to` that is at least `n`: padded rows, aligned offsets. */
export function alignUp(n: number, to: number): number {
  return Math.ceil(n / to) * to;
}

/** The smallest size a dimension can have: symbols stand for numbers of at least 1. */
export function leastOf(dim: Dim): number {
  return typeof dim === 'number' ? dim : dim.mul;
}
