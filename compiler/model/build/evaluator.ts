/** The one evaluator: where expressions and input types, which need each other, are tied together. */
import { evaluateExpr } from '../evaluate/evaluate.ts';
import type { Context, Evaluator } from '../values/scope.ts';
import type { Session } from '../values/session.ts';
import { inputTypeOf } from './elaborate.ts';

const evaluator: Evaluator = { evaluate: evaluateExpr, inputTypeOf };

/** What evaluation in this session needs. */
export function contextOf(session: Session): Context {
  return { session, evaluator };
}
