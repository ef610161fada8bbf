/** The names that a piece of syntax reads, in order: for questions to the text that need no values. */
import type { NameExpr } from '../../../grammar/ast.ts';

export function* namesIn(syntax: unknown): Generator<NameExpr> {
  if (typeof syntax !== 'object' || syntax === null) return;
  if ((syntax as Partial<NameExpr>).kind === 'name') yield syntax as NameExpr;
  else
    for (const [key, child] of Object.entries(syntax))
      if (key !== 'span' && key !== 'opSpan') yield* namesIn(child);
}
