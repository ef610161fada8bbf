/**
 * What a call gives, by the kinds of its arguments, with the mistakes that the text alone shows: wrong
 * arguments, kinds that cannot meet, links of a chain that do not fit.
 */
import type { Callable, CallExpr, Expr, StaticTypeExpr } from '../../../grammar/ast.ts';
import { builtinFormals } from '../builtins/builtins.ts';
import { coerceStatic, isStatic, mustBe } from '../evaluate/match.ts';
import { baseModel } from '../evaluate/variants.ts';
import { type Actual, bindArguments, formalsOf } from '../nodes/arguments.ts';
import type { Builtin } from '../values/builtin.ts';
import * as mistakes from '../values/mistakes.ts';
import { forwardOf } from '../values/module.ts';
import { type Session, sourceText } from '../values/session.ts';
import type { Value } from '../values/values.ts';
import {
  any,
  commonKind,
  fitsStatic,
  fitsTensor,
  type Kind,
  kindOfType,
  type Look,
  nounOf,
  type Part,
} from './kinds.ts';

export interface CallCase {
  readonly expr: CallExpr;
  readonly actuals: readonly Actual[];
  readonly kinds: ReadonlyMap<Actual, Kind>;
  readonly look: Look;
}

/** The kind of what a call gives. */
export function resultOf(callee: Kind, call: CallCase): Kind {
  switch (callee.of) {
    case 'any':
      return any;
    case 'builtin':
      return callBuiltin(callee.builtin, call);
    case 'fn':
      return callee.callable === undefined ? any : callCallable(callee.name ?? '', callee.callable, call);
    case 'child':
      return callChild(callee, call);
    case 'array':
      return callArray(callee, call);
    case 'block':
      return callBlock(callee, call);
    default: {
      const { look, expr } = call;
      mistakes.notCallable(look.session, expr.span, sourceText(expr.callee.span), nounOf(callee));
      return any;
    }
  }
}

function callBuiltin(builtin: Builtin, call: CallCase): Kind {
  const { name, variadic = false, openNames = false } = builtin;
  const callee = { name, formals: builtinFormals(builtin), variadic, openNames };
  bindArguments(call.look.session, callee, call.actuals, call.expr.span);
  const [first] = call.actuals;
  const kind = first === undefined ? any : (call.kinds.get(first) ?? any);
  if (builtin.fields !== undefined)
    return { of: 'record', fields: new Map(builtin.fields.map((field) => [field, { of: 'tensor' }])) };
  if (builtin.world === 'tensor' || kind.of === 'tensor') return { of: 'tensor' };
  return any;
}

function callCallable(name: string, callable: Callable, call: CallCase): Kind {
  const { session } = call.look;
  const bound = bindArguments(
    session,
    { name, formals: formalsOf(callable.params) },
    call.actuals,
    call.expr.span,
  );
  for (const param of callable.params) {
    const actual = bound.byName.get(param.name.text);
    if (actual === undefined) continue;
    const kind = call.kinds.get(actual) ?? any;
    const what = `argument \`${param.name.text}\` of ${name}`;
    if (param.type.kind === 'static-type') requireStatic(what, kind, param.type, actual, session);
    else if (param.type.kind === 'tensor-type' && !fitsTensor(kind)) {
      mistakes.wrongKind(session, actual.span, what, 'a tensor', nounOf(kind));
    }
  }
  return callable.result === undefined ? any : kindOfType(callable.result);
}

/** A literal is judged by its value, so that the message shows it; anything else by its kind. */
function requireStatic(
  what: string,
  kind: Kind,
  type: StaticTypeExpr,
  actual: Actual,
  session: Session,
): void {
  if (fitsStatic(kind, type)) return;
  const literal = literalValue(actual.expr);
  if (literal !== undefined) coerceStatic(literal, type, what, actual.span, session);
  else mistakes.wrongKind(session, actual.span, what, mustBe(type), nounOf(kind));
}

function literalValue(expr: Expr | undefined): Value | undefined {
  switch (expr?.kind) {
    case 'int':
    case 'float':
      return { kind: expr.kind, value: expr.value };
    case 'string':
      return { kind: 'string', value: expr.value };
    case 'bool':
      return { kind: 'bool', value: expr.value };
    default:
      return undefined;
  }
}

function callChild(child: Kind & { of: 'child' }, call: CallCase): Kind {
  const { session } = call.look;
  if (child.parts !== undefined) return callSequence(child.name, child.parts, call);
  if (child.decl === undefined) return any;
  const forward = forwardOf(child.decl);
  if (forward !== undefined) return callCallable(child.name, forward, call);
  mistakes.noForward(session, call.expr.span, child.decl);
  return any;
}

// ── chains ─────────────────────────────────────────────────────────────────────────────────────────────────

/** The argument that runs through a chain; undefined after a report. */
function runningArgument(name: string, { look, expr, actuals }: CallCase): Actual | undefined {
  const [first] = actuals;
  if (first !== undefined && first.name === undefined) return first;
  mistakes.nothingToRun(look.session, expr.span, name);
  return undefined;
}

/** The call of one link, which is given `kind`. */
function callOfLink(call: CallCase, first: Actual, kind: Kind): CallCase {
  const kinds = new Map<Actual, Kind>([[first, kind]]);
  const actuals = call.actuals.map((actual) => {
    if (actual === first) return actual;
    const shared = { ...actual, shared: true };
    kinds.set(shared, call.kinds.get(actual) ?? any);
    return shared;
  });
  return { ...call, actuals, kinds };
}

/** Links of one kind. How many there are is not known: none gives what it takes. */
function callArray(array: Kind & { of: 'array' }, call: CallCase): Kind {
  const first = runningArgument(array.name, call);
  if (first === undefined) return any;
  const kind = call.kinds.get(first) ?? any;
  return commonKind(kind, resultOf(array.item, callOfLink(call, first, kind)));
}

/** Each part takes what the one before gave, with the further arguments of the call. */
function callSequence(name: string, parts: ReadonlyMap<string, Part>, call: CallCase): Kind {
  const first = runningArgument(name, call);
  if (first === undefined) return any;
  let kind = call.kinds.get(first) ?? any;
  for (const part of parts.values()) {
    const given = resultOf(part.kind, callOfLink(call, first, kind));
    kind = part.optional ? commonKind(kind, given) : given;
  }
  return kind;
}

// ── blocks ─────────────────────────────────────────────────────────────────────────────────────────────────

function callBlock(block: Kind & { of: 'block' }, call: CallCase): Kind {
  const { decl, module } = block;
  if (decl === undefined || module === undefined) return { of: 'block' };
  const { session } = call.look;
  const callee = { name: decl.name.text, formals: formalsOf(decl.params) };
  const taken = block.given ?? new Set<string>();
  const bound = bindArguments(session, callee, call.actuals, call.expr.span, { partial: true, taken });
  for (const param of decl.params) {
    const actual = bound.byName.get(param.name.text);
    if (actual === undefined || param.type.kind !== 'static-type') continue;
    const what = `\`${param.name.text}\` of ${decl.name.text}`;
    if (actual.expr?.kind === 'string' && isStatic(param.type, 'block')) baseModel(actual.expr, call.look);
    else requireStatic(what, call.kinds.get(actual) ?? any, param.type, actual, session);
  }
  return bound.ok ? { ...block, given: new Set([...taken, ...bound.byName.keys()]) } : any;
}
