/** Runs the body of a function or forward over what its scope binds: `let` by `let`, then the result. */
import type { Callable } from '../../../grammar/ast.ts';
import { type Env, evaluate } from '../values/scope.ts';
import type { Value } from '../values/values.ts';

export function runBody(callable: Callable, env: Env): Value {
  for (const item of callable.body.lets) {
    env.scope.bind(item.name.text, { value: evaluate(item.value, env) });
  }
  return evaluate(callable.body.result, env);
}
