/**
 * Plain arithmetic that alone reads a kernel's result, done where the result is stored: residuals, embeddings of positions.
 */
import { type Node, numericShape } from '../../graph/types.ts';
import { programOf } from '../../ops/map-program.ts';
import type { LowerContext } from '../text/kernel.ts';
import type { View } from '../text/view.ts';
import { expandView } from '../text/view-algebra.ts';
import { arithmeticExpression } from '../text/wgsl.ts';
import type { RowInput } from './rows.ts';

export interface Behind {
  /** The value to store, over the kernel's own value and the extras' roles; for scalars and vec4s alike. */
  readonly value: string;
  /** Further operands, seen in the result's shape. */
  readonly extras: readonly RowInput[];
  /** The result of the arithmetic, which the kernel makes instead of its own. */
  readonly output: View;
}

/** What the plan wants done with the value `own` of `node`; undefined where it is to be stored as it is. */
export function arithmeticBehind(ctx: LowerContext, node: Node, own: string): Behind | undefined {
  const user = ctx.joined(node, 'epilogue');
  const program = user && programOf(user);
  if (!user || !program) return undefined;
  const others = user.inputs.filter((id) => id !== node.id);
  const names = user.inputs.map((id) => (id === node.id ? `(${own})` : `extra${others.indexOf(id)}`));
  const output = ctx.result(user);
  const shape = numericShape(node.type);
  const extras = others.map((id, i) => ({ role: `extra${i}`, view: expandView(ctx.view(id), shape) }));
  return { value: arithmeticExpression(program, names), extras, output };
}
