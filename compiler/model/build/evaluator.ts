/** The one evaluator: where expressions and input types, which need each other, are tied together. */
import type { Expr } from '../../../grammar/ast.ts';
import { evaluateExpr } from '../evaluate/evaluate.ts';
import type { Context, Env, Evaluator } from '../values/scope.ts';
import type { Session } from '../values/session.ts';
import type { Value } from '../values/values.ts';
import { inputTypeOf } from './elaborate.ts';

const evaluator: Evaluator = { evaluate: evaluateExpr, inputTypeOf };

/** Told of each expression's value, in the order in which they are computed. */
export type Witness = (expr: Expr, value: Value, env: Env) => void;

const watched = new WeakMap<Session, Evaluator>();

/** From here on the witness sees what is evaluated in this session, bodies in the file `path` in any case. */
export function watch(session: Session, path: string, witness: Witness): void {
  const evaluate: Evaluator['evaluate'] = (expr, env) => {
    const value = evaluateExpr(expr, env);
    witness(expr, value, env);
    return value;
  };
  watched.set(session, { evaluate, inputTypeOf, watches: ({ span }) => span.file.path === path });
}

/** What evaluation in this session needs. */
export function contextOf(session: Session): Context {
  return { session, evaluator: watched.get(session) ?? evaluator };
}
