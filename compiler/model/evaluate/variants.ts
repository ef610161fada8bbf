/**
 * Models and their variants: `"ViT-L/14" with resolution = 336`, chains of `with`, and models with
 * parameters.
 *
 * A model evaluates to a block value; overrides that name a model's parameter set it, all other changes
 * travel to the block and are applied when it is instantiated, later ones over earlier ones.
 */
import type { Expr, ModelDecl, WithExpr } from '../../../grammar/ast.ts';
import type { Span } from '../../../grammar/source.ts';
import { lookup, lookupModel, visibleModels } from '../modules/imports.ts';
import { reportMissing } from '../nodes/arguments.ts';
import * as mistakes from '../values/mistakes.ts';
import type { ModelDeclaration, Module } from '../values/module.ts';
import { type Context, type Env, evaluate, Scope, staticEnv } from '../values/scope.ts';
import type { Session } from '../values/session.ts';
import { corrected, didYouMean } from '../values/suggest.ts';
import type { BlockValue, Change, Override, Poison, Value } from '../values/values.ts';
import { describe, formatValue, poison } from '../values/values.ts';
import { coerceStatic } from './match.ts';

const underWay = new WeakMap<Session, ModelDecl[]>();

/** The block value of a model under changes, or poison after a report. */
export function evaluateModel(model: ModelDeclaration, changes: readonly Change[], context: Context): Value {
  const { session } = context;
  const stack = underWay.get(session) ?? [];
  underWay.set(session, stack);
  if (stack.includes(model.decl)) {
    const names = [...stack.slice(stack.indexOf(model.decl)), model.decl].map((d) => d.name.text);
    return session.report('Z203', model.decl.name.span, `model cycle: ${names.join(' -> ')}`);
  }
  stack.push(model.decl);
  try {
    return session.within(model.decl.value.span, () => inParameters(model, changes, context));
  } finally {
    stack.pop();
  }
}

function inParameters(model: ModelDeclaration, changes: readonly Change[], context: Context): Value {
  const { session } = context;
  const scope = new Scope();
  const env = staticEnv(context, model.module, scope);
  const names = model.decl.params.map((p) => p.name.text);
  const forMe = (c: Change): c is Override =>
    c.kind === 'override' && c.path.length === 1 && names.includes(c.path[0]!);
  const mine = changes.filter(forMe);
  for (const param of model.decl.params) {
    const { text: name } = param.name;
    const override = mine.findLast((o) => o.path[0] === name);
    const what = `\`${name}\` of model ${model.decl.name.text}`;
    const given = override?.value ?? (param.default === undefined ? undefined : evaluate(param.default, env));
    const span = override?.span ?? param.default?.span ?? param.span;
    if (given === undefined) {
      reportMissing(
        session,
        `model ${model.decl.name.text}`,
        [{ name, type: paramType(param), required: true }],
        param.span,
      );
      return poison;
    }
    const value = coerceStatic(given, param.type, what, span, session);
    if (value.kind === 'poison') return poison;
    scope.bind(name, { value, provenance: { name, text: formatValue(value), path: name, span } });
  }
  return varied(
    model.decl.value,
    changes.filter((c) => !forMe(c)),
    env,
  );
}

function paramType(param: ModelDecl['params'][number]): string {
  return param.type.kind === 'static-type' ? param.type.name : 'value';
}

/** The value of an expression under changes; chains of `with` reach the model at their base. */
function varied(expr: Expr, changes: readonly Change[], env: Env): Value {
  if (expr.kind === 'group') return varied(expr.inner, changes, env);
  if (expr.kind === 'with') {
    const own = ownChanges(expr, env);
    return own === undefined ? poison : varied(expr.base, [...own, ...changes], env);
  }
  const base = baseModel(expr, env);
  if (base === null) return poison;
  if (base !== undefined) return evaluateModel(base, changes, env);
  const value = evaluate(expr, env);
  if (value.kind === 'poison' || changes.length === 0) return value;
  if (value.kind === 'block') return changed(value, changes);
  return env.session.report('Z212', expr.span, `\`with\` varies a model or a block, not ${describe(value)}`);
}

function changed(block: BlockValue, changes: readonly Change[]): BlockValue {
  const overrides = changes.filter((c) => c.kind === 'override');
  const replacements = changes.filter((c) => c.kind === 'replacement');
  return {
    ...block,
    overrides: [...block.overrides, ...overrides],
    replacements: [...block.replacements, ...replacements],
  };
}

/** Where a model is looked for; a name that the scope binds is no model's. */
interface ModelPlace {
  readonly module: Module;
  readonly session: Session;
  readonly scope: { find(name: string): unknown };
}

/** The model that an expression names; `null` after a report, undefined if it names none. */
export function baseModel(expr: Expr, at: ModelPlace): ModelDeclaration | null | undefined {
  if (expr.kind === 'string') return findModel(at.module, expr.value, expr.span, at.session) ?? null;
  if (expr.kind !== 'name' || at.scope.find(expr.text) !== undefined) return undefined;
  const found = lookup(at.module, expr.text);
  return found?.kind === 'model' ? found : undefined;
}

const nouns = { block: 'a block', fn: 'a function', objective: 'an objective' } as const;

/** A model by name, or a report with the nearest name. */
function findModel(module: Module, name: string, span: Span, session: Session): ModelDeclaration | undefined {
  const found = lookupModel(module, name);
  if (found?.kind === 'model') return found;
  if (found === null || (found === undefined && module.broken)) return undefined;
  const known = visibleModels(module);
  const hint = didYouMean(name, known);
  if (found !== undefined) session.report('Z213', span, `\`${name}\` is ${nouns[found.kind]}, not a model`);
  else session.report('Z213', span, `there is no model "${name}"${hint}`, corrected(name, known, span));
  return undefined;
}

/** The changes of one `with`; undefined after a report. */
function ownChanges(expr: WithExpr, env: Env): Change[] | undefined {
  const changes: Change[] = [];
  for (const change of expr.changes) {
    const value = evaluate(change.value, env);
    if (value.kind === 'poison') return undefined;
    if (change.kind === 'override') {
      const path = change.path.segments.map((s) => s.text);
      changes.push({ kind: 'override', path, value, span: change.span });
      continue;
    }
    const { value: pattern, span } = change.pattern;
    if (value.kind !== 'block' && value.kind !== 'fn' && value.kind !== 'builtin') {
      mistakes.notAReplacement(env.session, change.value.span, describe(value));
      return undefined;
    }
    changes.push({ kind: 'replacement', pattern, value, span });
  }
  return changes;
}

/** A value where a block belongs: there a string is a model. */
export function evaluateBlock(expr: Expr, env: Env): Value {
  return expr.kind === 'string' ? evaluateModelExpr(expr, [], env) : evaluate(expr, env);
}

export function evaluateWith(expr: WithExpr, env: Env): Value {
  return varied(expr, [], env);
}

/** The model or block that a model-valued expression stands for (`of "x" with ...`, `model a = ...`). */
export function evaluateModelExpr(expr: Expr, changes: readonly Change[], env: Env): Value {
  const value = varied(expr, changes, env);
  if (value.kind === 'block' || value.kind === 'poison') return value as Value | Poison;
  const name = expr.kind === 'name' ? expr.text : '';
  // An objective or function goes before a model of its name, unless that stands in quotes.
  if (lookupModel(env.module, name)?.kind !== 'model')
    return mistakes.wrongKind(env.session, expr.span, 'a model', 'a block', describe(value));
  const message = `\`${name}\` is ${describe(value)} here; the model is "${name}", in quotes`;
  return env.session.report('Z209', expr.span, message);
}
