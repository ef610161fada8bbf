/**
 * Calls: functions and forwards run over values, blocks collect arguments, arrays and sequences chain their
 * members.
 *
 * A body that `fuses` a kernel is replaced by it while tracing, unless the tracer asks for bodies.
 */
import type { Callable, CallExpr } from '../../../grammar/ast.ts';
import type { Span } from '../../../grammar/source.ts';
import { callBuiltin } from '../builtins/builtins.ts';
import { type Actual, actualOf, actualValue, bindArguments, formalsOf } from '../nodes/arguments.ts';
import { asDim } from '../nodes/arithmetic.ts';
import { emit } from '../nodes/emit.ts';
import { linksOf } from '../values/instance.ts';
import * as mistakes from '../values/mistakes.ts';
import { forwardOf } from '../values/module.ts';
import { type Binding, type Env, evaluate, Scope } from '../values/scope.ts';
import { isBundled, sourceText } from '../values/session.ts';
import type {
  BlockValue,
  BoundArgument,
  EntryValue,
  FnValue,
  Instance,
  Provenance,
  TensorValue,
  Value,
} from '../values/values.ts';
import { describe, formatValue, poison } from '../values/values.ts';
import { runBody } from './body.ts';
import { fusedBody } from './fuse.ts';
import { coerceStatic, isStatic, type MatchPlace, matchType, poisonDimensions } from './match.ts';
import { evaluateBlock } from './variants.ts';

/** Calls of one function within each other. */
const maxRecursion = 50;

/** A value that a pipe hands on as the first argument. */
interface Piped {
  readonly value: Value;
  readonly span: Span;
}

export function evaluateCall(expr: CallExpr, env: Env, piped?: Piped): Value {
  const callee = evaluate(expr.callee, env);
  const written = expr.args.map(actualOf);
  const actuals: Actual[] = piped === undefined ? written : [piped, ...written];
  return callValue(callee, actuals, expr.span, env, () => sourceText(expr.callee.span));
}

/** Calls any callable value; `text` is how the source names it, for messages. */
export function callValue(
  callee: Value,
  actuals: readonly Actual[],
  span: Span,
  env: Env,
  text: () => string,
): Value {
  switch (callee.kind) {
    case 'builtin':
      return callBuiltin(callee.builtin, actuals, span, env);
    case 'fn':
      return callee.module.damaged.has(callee.decl) ? poison : callFn(callee, actuals, span, env);
    case 'instance':
      return callInstance(callee.instance, actuals, span, env);
    case 'entry':
      return callEntry(callee, actuals, span, env);
    case 'array':
      return callChain(callee.items, callee.name, actuals, span, env);
    case 'block':
      return callee.module.damaged.has(callee.decl) ? poison : callBlock(callee, actuals, span, env);
    case 'poison':
      for (const actual of actuals) actualValue(actual, env);
      return poison;
    case 'absent':
      return env.session.report('Z211', span, `\`${callee.name}\` exists only when ${callee.condition}`, {
        help: `(${callee.name} ?: identity)(...)`,
      });
    default:
      return mistakes.notCallable(env.session, span, text(), describe(callee));
  }
}

// ── blocks ─────────────────────────────────────────────────────────────────────────────────────────────────

/**
 * `VisionTransformer(width = 768, ...)`: evaluates the arguments here; the rest happens at instantiation. Where a
 * block belongs, a string is a model.
 */
function callBlock(block: BlockValue, actuals: readonly Actual[], span: Span, env: Env): Value {
  const callee = { name: block.decl.name.text, formals: formalsOf(block.decl.params) };
  const taken = new Set(block.args.keys());
  const bound = bindArguments(env.session, callee, actuals, span, { partial: true, taken });
  const args = new Map<string, BoundArgument>(block.args);
  for (const param of block.decl.params) {
    const actual = bound.byName.get(param.name.text);
    if (actual === undefined) continue;
    const block = actual.value === undefined && isStatic(param.type, 'block') ? actual.expr : undefined;
    const value = block === undefined ? actualValue(actual, env) : evaluateBlock(block, env);
    const checked = coerceStatic(
      value,
      param.type,
      `\`${param.name.text}\` of ${callee.name}`,
      actual.span,
      env.session,
    );
    args.set(param.name.text, {
      value: checked,
      provenance: provenanceOf(actual, param.name.text, checked, env),
    });
  }
  return bound.ok ? { ...block, args, span } : poison;
}

/** A name passes its own provenance on, so that messages lead to the number a person wrote. */
function provenanceOf(actual: Actual, name: string, value: Value, env: Env): Provenance {
  let expr = actual.expr;
  while (expr?.kind === 'group') expr = expr.inner;
  const passed = expr?.kind === 'name' ? env.scope.find(expr.text)?.provenance : undefined;
  if (passed !== undefined) return passed;
  return { name, text: formatValue(value), span: actual.span };
}

// ── functions and forwards ─────────────────────────────────────────────────────────────────────────────────

function callFn(fn: FnValue, actuals: readonly Actual[], span: Span, env: Env): Value {
  const { decl, module } = fn;
  env.session.instantiated.add(decl);
  const inner: Env = { ...env, module, scope: new Scope(), recalls: false };
  const active = env.session.activeCalls.get(decl) ?? 0;
  if (active >= maxRecursion) {
    const message = `${decl.name.text} calls itself more than ${maxRecursion} levels deep`;
    return env.session.report('Z216', span, message, {
      help: 'an `if` on a static value has to end the recursion',
    });
  }
  env.session.activeCalls.set(decl, active + 1);
  try {
    return env.session.within(span, () => runCallable(decl, decl.name.text, actuals, span, env, inner));
  } finally {
    env.session.activeCalls.set(decl, active);
  }
}

export function callInstance(instance: Instance, actuals: readonly Actual[], span: Span, env: Env): Value {
  if (instance.failed) return poison;
  env.session.spend(span);
  const block = env.tracer?.blocks.get(instance);
  const value = runInstance(instance, actuals, span, env, block);
  if (block !== undefined) env.tracer!.give(block, value);
  return value;
}

/** @param block its number, where the trace was asked for it: what the arguments compute is its caller's */
function runInstance(
  instance: Instance,
  actuals: readonly Actual[],
  span: Span,
  env: Env,
  block: number | undefined,
): Value {
  if (instance.kind === 'fn') {
    const fn = instance.fn ?? poison;
    const name = () => instance.name;
    if (block === undefined) return callValue(fn, actuals, span, env, name);
    const given = actuals.map((actual) => ({ ...actual, value: actualValue(actual, env) }));
    return callValue(fn, given, span, { ...env, block }, name);
  }
  if (instance.kind === 'seq') {
    const links = linksOf({ kind: 'instance', instance }) ?? [];
    return callChain(links, instance.name, actuals, span, env);
  }
  const { decl, module } = instance.block!;
  const forward = forwardOf(decl);
  if (forward === undefined) return mistakes.noForward(env.session, span, decl);
  if (env.tracer === undefined) {
    return env.session.report('Z217', span, `\`${instance.name}\` can only be called inside \`forward\``);
  }
  const scope = new Scope(instance.scope);
  const inner: Env = { ...env, ...siteOf(instance, block), module, scope, recalls: false };
  const result = env.session.within(isBundled(instance.span) ? span : instance.span, () =>
    env.session.within(span, () => runCallable(forward, instance.name, actuals, span, env, inner, instance)),
  );
  return isBundled(instance.span) || result.kind !== 'tensor' ? result : givenBy(instance, result);
}

/** An entry's body sees what forward sees, and `forward` itself. */
export function callEntry(
  { instance, decl }: EntryValue,
  actuals: readonly Actual[],
  span: Span,
  env: Env,
): Value {
  if (instance.failed) return poison;
  env.session.spend(span);
  const name = decl.name.text;
  if (env.tracer === undefined) {
    return env.session.report('Z217', span, `\`${name}\` can only be called inside \`forward\` or an entry`);
  }
  const scope = new Scope(instance.scope);
  scope.bind('forward', { value: { kind: 'instance', instance } });
  const { module } = instance.block!;
  const block = env.tracer.blocks.get(instance);
  const inner: Env = { ...env, ...siteOf(instance, block), module, scope, recalls: true };
  const value = env.session.within(span, () => runCallable(decl, name, actuals, span, env, inner));
  if (block !== undefined) env.tracer.give(block, value);
  return value;
}

/** Where nodes of an instance's body belong. */
function siteOf({ path }: Instance, block: number | undefined): Pick<Env, 'path' | 'block'> {
  return block === undefined ? { path } : { path, block };
}

/** Sizes that a block inside a package gave are the doing of the user's child around it. */
function givenBy(instance: Instance, result: TensorValue): TensorValue {
  const giver = { name: instance.name, span: instance.span };
  const axes = result.axes.map((o) =>
    o?.giver !== undefined && isBundled(o.giver.span) ? { ...o, giver } : o,
  );
  return { ...result, axes };
}

/** Each link takes what the one before gave; further arguments go to every link unchanged. */
function callChain(
  links: readonly Instance[],
  name: string,
  actuals: readonly Actual[],
  span: Span,
  env: Env,
): Value {
  const [first, ...more] = actuals;
  if (first === undefined || first.name !== undefined) return mistakes.nothingToRun(env.session, span, name);
  let value = actualValue(first, env);
  const shared = more.map((actual): Actual => ({ ...actual, value: actualValue(actual, env), shared: true }));
  for (const link of links) {
    if (value.kind === 'poison') return poison;
    value = callInstance(link, [{ value, span: first.span }, ...shared], span, env);
  }
  return value;
}

/** Binds and checks arguments, runs the body (or its fused kernel), checks the result. */
function runCallable(
  callable: Callable,
  name: string,
  actuals: readonly Actual[],
  span: Span,
  outer: Env,
  inner: Env,
  instance?: Instance,
): Value {
  const bound = bindArguments(outer.session, { name, formals: formalsOf(callable.params) }, actuals, span);
  let ok = bound.ok;
  for (const param of callable.params) {
    const actual = bound.byName.get(param.name.text);
    const binding =
      actual === undefined
        ? defaultBinding(param, inner)
        : argumentBinding(param, actual, name, outer, inner, instance);
    if (binding.value.kind === 'poison') {
      ok = false;
      poisonDimensions(param.type, inner.scope);
    }
    inner.scope.bind(param.name.text, binding);
  }
  // Behind a wrong argument the body still runs, for the mistakes that do not depend on it.
  if (!ok) {
    if (bound.ok) runBody(callable, inner);
    return poison;
  }
  const nodes = instance && nodesOf(callable, inner);
  const known = nodes && outer.recalls ? outer.tracer?.recall(instance, nodes) : undefined;
  if (known !== undefined) return known;
  const told = outer.session.outline && instance ? promised(callable, instance, inner) : undefined;
  const made = told ?? fusedBody(callable, inner, span, instance) ?? runBody(callable, inner);
  const place: MatchPlace = { role: 'result', of: name, span: callable.body.result.span, instance };
  const untyped = callable.result === undefined || made.kind === 'poison';
  const value = untyped ? made : matchType(callable.result, made, inner, place);
  if (nodes) outer.tracer?.remember(instance, nodes, value);
  return value;
}

/** A tensor of the declared result, where its sizes are known; what it is made of is not. */
function promised({ result }: Callable, { path }: Instance, env: Env): Value | undefined {
  if (result?.kind !== 'tensor-type' || result.element !== undefined) return undefined;
  const shape = result.dims.map((dim) =>
    dim.kind === 'ellipsis' || (dim.kind === 'name' && env.scope.find(dim.text) === undefined)
      ? undefined
      : asDim(evaluate(dim, env)),
  );
  if (!shape.every((dim) => dim !== undefined)) return undefined;
  return emit(env, 'input', [], { name: path, dtype: 'f32', shape }, result.span);
}

/** The arguments as nodes of the graph; undefined where not all of them are tensors. */
function nodesOf({ params }: Callable, { scope }: Env): number[] | undefined {
  const values = params.map(({ name }) => scope.find(name.text)?.value);
  return values.every((value) => value?.kind === 'tensor') ? values.map(({ node }) => node) : undefined;
}

function defaultBinding(param: Callable['params'][number], inner: Env): Binding {
  const value = param.default === undefined ? poison : evaluate(param.default, inner);
  const place: MatchPlace = { role: 'argument', name: param.name.text, of: 'its default', span: param.span };
  return { value: matchType(param.type, value, inner, place) };
}

function argumentBinding(
  param: Callable['params'][number],
  actual: Actual,
  of: string,
  outer: Env,
  inner: Env,
  instance: Instance | undefined,
): Binding {
  const given = actualValue(actual, outer);
  const name = param.name.text;
  const place: MatchPlace = { role: 'argument', name, of, span: actual.span, instance, expr: actual.expr };
  const value = matchType(param.type, given, inner, place);
  return param.type.kind === 'static-type'
    ? { value, provenance: provenanceOf(actual, name, value, outer) }
    : { value };
}
