/**
 * Gradients of what a `where` did not choose: 0, whatever the derivative is there.
 *
 * The gradient that arrives at `ln(x)` in `where(x > 0, ln(x), 0)` is 0 where x is 0, and the derivative is
 * infinite: their product would be NaN. So behind a `where` a derivative is chosen as well, not multiplied
 * alone. Differentiation (autodiff/differentiate.ts) says which nodes stand there; all others keep the plain
 * product, in which a NaN shows what went wrong.
 */
import type { Builder } from '../graph/builder.ts';
import { constantValue } from '../graph/constants.ts';
import type { Expressions } from './expressions.ts';

/** Whether a gradient is made of `dy`, constants and indices alone, so that no value of the model spoils it. */
export function isLinear(b: Builder, gradient: number, dy: number): boolean {
  const [open, seen] = [[gradient], new Set<number>()];
  for (let id = open.pop(); id !== undefined; id = open.pop()) {
    const { inputs, type } = b.node(id);
    const known = constantValue((other) => b.node(other), id) !== undefined;
    if (seen.has(id) || id === dy || type.dtype === 'i32' || known) continue;
    if (inputs.length === 0) return false;
    seen.add(id);
    open.push(...inputs);
  }
  return true;
}

/** The elementwise gradient, 0 where `dy` is. */
export function zeroWhereUnchosen(e: Expressions, dy: number, gradient: number): number {
  return isLinear(e.b, gradient, dy) ? gradient : e.where(dy, gradient, e.scalar(gradient, 0));
}
