/**
 * Plain arithmetic that alone reads a kernel's result, done where the result is stored: residuals, embeddings of positions.
 */
import { type Node, numericShape, sameShape } from '../graph/types.ts';
import { programOf } from '../ops/map-program.ts';
import type { LowerContext } from './kernel.ts';
import type { RowInput } from './rows.ts';
import type { View } from './view.ts';
import { expandView } from './view-algebra.ts';
import { arithmeticExpression } from './wgsl.ts';

export interface Behind {
  /** The value to store, over the kernel's own value and the extras' roles; for scalars and vec4s alike. */
  readonly value: string;
  /** Further operands, seen in the result's shape. */
  readonly extras: readonly RowInput[];
  /** The result of the arithmetic, which the kernel makes instead of its own. */
  readonly output: View;
}

/** What the only reader of `node` does with its value `own`, claimed; undefined where that is more than plain arithmetic. */
export function arithmeticBehind(ctx: LowerContext, node: Node, own: string): Behind | undefined {
  const user = ctx.soleConsumer(node.id);
  if (user === undefined || !sameShape(user.type.shape, node.type.shape)) return undefined;
  const program = programOf(user);
  const others = user.inputs.filter((id) => id !== node.id);
  if (program === undefined || !others.every((id) => ctx.isLowered(id))) return undefined;
  const names = user.inputs.map((id) => (id === node.id ? `(${own})` : `extra${others.indexOf(id)}`));
  const value = arithmeticExpression(program, names);
  const output = value === undefined ? undefined : ctx.claim(user);
  if (value === undefined || output === undefined) return undefined;
  const shape = numericShape(node.type);
  const extras = others.map((id, i) => ({ role: `extra${i}`, view: expandView(ctx.view(id), shape) }));
  return { value, extras, output };
}
