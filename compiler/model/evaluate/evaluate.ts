/**
 * Evaluates expressions in both worlds: static values when there is no tracer, graph nodes when there is one.
 *
 * Every function returns `poison` after reporting a mistake and stays silent about values that are poison
 * already.
 */

import type {
  ComprehensionExpr,
  ElvisExpr,
  Expr,
  IfExpr,
  MemberExpr,
  NameExpr,
  PipeExpr,
} from '../../../grammar/ast.ts';
import type { Code } from '../../../grammar/codes.ts';
import type { Span } from '../../../grammar/source.ts';
import { builtinNamed } from '../builtins/builtins.ts';
import { meaningOf } from '../modules/meaning.ts';
import { pipedCall } from '../nodes/arguments.ts';
import { checkedFloat, checkedInt, dimValue } from '../nodes/arithmetic.ts';
import { emit, toTensor } from '../nodes/emit.ts';
import { childNamed, entryNamed } from '../values/instance.ts';
import * as mistakes from '../values/mistakes.ts';
import { type Declaration, entryOf } from '../values/module.ts';
import { type Env, evaluate, inScope, Scope } from '../values/scope.ts';
import { sourceText } from '../values/session.ts';
import type { BlockValue, Value } from '../values/values.ts';
import { bool, describe, int, notWhole, poison } from '../values/values.ts';
import { evaluateCall } from './calls.ts';
import { evaluateIndex } from './indexing.ts';
import { condition, evaluateBinary, evaluateUnary, isTensor } from './operators.ts';
import { evaluateModel, evaluateWith } from './variants.ts';

export function evaluateExpr(expr: Expr, env: Env): Value {
  env.session.spend(expr.span);
  env.session.enter(expr.span);
  try {
    return dispatch(expr, env);
  } finally {
    env.session.leave();
  }
}

function dispatch(expr: Expr, env: Env): Value {
  switch (expr.kind) {
    case 'int':
      return checkedInt(env.session, expr.span, expr.value);
    case 'float':
      return checkedFloat(env.session, expr.span, expr.value);
    case 'string':
      return { kind: 'string', value: expr.value };
    case 'bool':
      return bool(expr.value);
    case 'name':
      return evaluateName(expr, env);
    case 'list':
      return evaluateList(expr.items, env);
    case 'comprehension':
      return evaluateComprehension(expr, env);
    case 'record':
      return evaluateRecord(expr.fields, env);
    case 'call':
      return evaluateCall(expr, env);
    case 'member':
      return evaluateMember(expr, env);
    case 'index':
      return evaluateIndex(expr, env);
    case 'unary':
      return evaluateUnary(expr, env);
    case 'binary':
      return evaluateBinary(expr, env);
    case 'if':
      return evaluateIf(expr, env);
    case 'pipe':
      return evaluatePipe(expr, env);
    case 'elvis':
      return evaluateElvis(expr, env);
    case 'with':
      return evaluateWith(expr, env);
    case 'arrow':
      return { kind: 'pattern', expr };
    case 'group':
      return evaluate(expr.inner, env);
    case 'range':
    case 'quantity':
      return mistakes.misplaced(env.session, expr);
    case 'error':
      return poison;
  }
}

function evaluateList(items: readonly Expr[], env: Env): Value {
  const values = items.map((item) => evaluate(item, env));
  return values.some((v) => v.kind === 'poison') ? poison : { kind: 'list', items: values };
}

/** Items of one list made by `for`. */
const maxItems = 4096;

/** `[f(x, i) for i in 0..n]` */
function evaluateComprehension({ item, index, range }: ComprehensionExpr, env: Env): Value {
  const [start, end] = [evaluate(range.start, env), evaluate(range.end, env)];
  if (start.kind === 'poison' || end.kind === 'poison') return poison;
  if (start.kind !== 'int' || end.kind !== 'int') {
    const wrong = start.kind === 'int' ? end : start;
    return (
      notWhole(wrong) ?? mistakes.notARange(env.session, range.span, 'the range of a list', describe(wrong))
    );
  }
  const count = end.value - start.value;
  if (count < 0 || count > maxItems) {
    const [code, limit]: [Code, string] =
      count < 0 ? ['Z313', 'not end before it starts'] : ['Z314', `have at most ${maxItems} items`];
    const message = `this list would run from ${start.value} to ${end.value}; it must ${limit}`;
    return env.session.report(code, range.span, message);
  }
  const items = Array.from({ length: count }, (_, i) => {
    const scope = new Scope(env.scope);
    scope.bind(index.text, { value: int(start.value + i) });
    return evaluate(item, inScope(env, scope));
  });
  return items.some((value) => value.kind === 'poison') ? poison : { kind: 'list', items };
}

/** Fields keep poison one by one, so that good fields can still be checked. */
function evaluateRecord(
  fields: readonly { name: { text: string; span: Span }; value: Expr }[],
  env: Env,
): Value {
  const values = new Map<string, Value>();
  for (const { name, value } of fields) {
    if (values.has(name.text)) mistakes.fieldTwice(env.session, name.span, name.text);
    values.set(name.text, evaluate(value, env));
  }
  return { kind: 'record', fields: values };
}

function evaluateName(expr: NameExpr, env: Env): Value {
  const bound = env.scope.find(expr.text);
  if (bound !== undefined) return bound.value;
  const meaning = meaningOf(expr.text, expr.span, env, env.tracer !== undefined);
  switch (meaning?.is) {
    case 'declared':
      return declaredValue(meaning.declared, expr.span, env);
    case 'builtin':
      return { kind: 'builtin', builtin: meaning.builtin };
    case 'batch':
      // On one device the batch.
      return env.tracer === undefined ? poison : dimValue(env.tracer.batch);
    case 'training':
      return env.tracer === undefined ? poison : bool(env.tracer.training);
    default:
      return poison;
  }
}

function declaredValue(declared: Declaration, span: Span, env: Env): Value {
  if (declared.kind === 'block') return blockNamed(declared, span);
  if (declared.kind === 'model') return evaluateModel(declared, [], env);
  return { kind: 'fn', decl: declared.decl, module: declared.module };
}

function blockNamed(declared: Declaration & { kind: 'block' }, span: Span): BlockValue {
  return {
    kind: 'block',
    decl: declared.decl,
    module: declared.module,
    args: new Map(),
    overrides: [],
    replacements: [],
    span,
  };
}

function evaluateMember(expr: MemberExpr, env: Env): Value {
  const object = evaluate(expr.object, env);
  const name = expr.member.text;
  if (object.kind === 'poison') return poison;
  if (isTensor(object)) return tensorMember(expr, object, env);
  if (object.kind === 'record') {
    const field = object.fields.get(name);
    if (field !== undefined) return field;
    return mistakes.noField(env.session, expr.member.span, name, object.fields.keys());
  }
  if (object.kind === 'instance') {
    const decl = object.instance.block && entryOf(object.instance.block.decl, name);
    if (decl !== undefined)
      return entryNamed(object.instance, name) === undefined
        ? { kind: 'absent', name, condition: sourceText(decl.when!.span) }
        : { kind: 'entry', instance: object.instance, decl };
    const found = childNamed(object.instance, name);
    if (found.value !== undefined) return found.value;
    return mistakes.noChild(env.session, expr.member.span, object.instance.name, name, found.known);
  }
  return mistakes.noMember(env.session, expr.member.span, describe(object), name);
}

/** `x.T` */
function tensorMember(expr: MemberExpr, object: Value, env: Env): Value {
  const tensor = toTensor(object, env, expr.object.span);
  if (tensor === undefined) return poison;
  const { text: name, span } = expr.member;
  if (name !== 'T')
    return mistakes.noMemberOfTensor(env.session, span, name, builtinNamed(name) !== undefined);
  const rank = tensor.axes.length;
  if (rank !== 2) {
    return env.session.report('Z302', expr.span, `\`.T\` needs 2 axes, this tensor has ${rank}`, {
      help: 'rearrange names the axes: rearrange(x, [a, b, c] -> [a, c, b])',
    });
  }
  return emit(env, 'transpose', [tensor], { perm: [1, 0] }, expr.span, {
    axes: [tensor.axes[1], tensor.axes[0]],
  });
}

function evaluateIf(expr: IfExpr, env: Env): Value {
  const chosen = condition(expr.condition, env, '`if`');
  if (chosen === undefined) return poison;
  return evaluate(chosen ? expr.then : expr.else, env);
}

/** `x |> f(a)` is `f(x, a)`; places in messages are those of the right side. */
function evaluatePipe(expr: PipeExpr, env: Env): Value {
  const piped = { value: evaluate(expr.left, env), span: expr.left.span };
  return evaluateCall(pipedCall(expr), env, piped);
}

function evaluateElvis(expr: ElvisExpr, env: Env): Value {
  const left = evaluate(expr.left, env);
  return left.kind === 'absent' ? evaluate(expr.right, env) : left;
}
