/** An objective as a recipe or the command line names it: `contrastive`, `coca(caption = 1.0)`. */
import type { Expr } from '../../../grammar/ast.ts';
import { parseExpression } from '../../../grammar/parser.ts';
import { contextOf } from '../build/evaluator.ts';
import { zooPackage } from '../modules/imports.ts';
import { inSession } from '../resolve/resolve.ts';
import type { ModuleHost, ObjectiveChoice, Result, StaticScalar, StaticValueData } from '../types.ts';
import { type Env, staticEnv } from '../values/scope.ts';
import { callData } from './data.ts';

/** The objective that a text names, by itself in `option`. */
export function objectiveOf(host: ModuleHost, text: string, option: string): Result<ObjectiveChoice> {
  return inSession(host, (loader, session) => {
    const { expression, diagnostics } = parseExpression({ path: option, text });
    session.adopt(diagnostics);
    const module = loader.loadBundled(zooPackage);
    if (module === undefined || session.hasErrors) return undefined;
    return readObjective(expression, staticEnv(contextOf(session), module));
  });
}

/** Undefined after a report. */
export function readObjective(expr: Expr, env: Env): ObjectiveChoice | undefined {
  if (expr.kind === 'group') return readObjective(expr.inner, env);
  if (expr.kind === 'name') return { name: expr.text };
  if (expr.kind === 'string') return { name: expr.value };
  const call = expr.kind === 'call' ? callData(expr, env) : undefined;
  if (call !== undefined && call.args.length === 0 && Object.values(call.named).every(isScalar))
    return { name: call.name, arguments: call.named as Readonly<Record<string, StaticScalar>> };
  if (expr.kind !== 'call' || call !== undefined)
    env.session.report(
      'Z502',
      expr.span,
      '`objective` is the name of an objective, with numbers for its static parameters by name: objective = coca(caption = 1.0)',
    );
  return undefined;
}

function isScalar(data: StaticValueData): data is StaticScalar {
  return typeof data !== 'object';
}
