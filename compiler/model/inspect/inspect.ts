/**
 * Walks expressions without evaluating them: unknown names, wrong arguments, kinds that cannot meet.
 *
 * Evaluation cannot do it: a block that no model uses has no numbers, and of two branches it takes one, where
 * mistakes in both are to be found. What both must agree on has one place: meanings of names (`meaningOf`),
 * arguments (`bindArguments`), models (`baseModel`), patterns, and the words (mistakes.ts), so that a mistake
 * found by both appears once.
 */
import type {
  Argument,
  BinaryExpr,
  CallExpr,
  ComprehensionExpr,
  Expr,
  IndexExpr,
  MemberExpr,
  PipeExpr,
  RecordExpr,
} from '../../../grammar/ast.ts';
import type { Span } from '../../../grammar/source.ts';
import { builtinNamed } from '../builtins/builtins.ts';
import { einsumFault, patternFault } from '../builtins/patterns.ts';
import { baseModel } from '../evaluate/variants.ts';
import { meaningOf } from '../modules/meaning.ts';
import { type Actual, actualOf, pipedCall } from '../nodes/arguments.ts';
import * as mistakes from '../values/mistakes.ts';
import { type Declaration, entryOf } from '../values/module.ts';
import { sourceText } from '../values/session.ts';
import { poison } from '../values/values.ts';
import { resultOf } from './calls.ts';
import { any, commonKind, fitsTensor, type Kind, KindScope, type Look, nounOf } from './kinds.ts';

export function inspect(expr: Expr, look: Look): Kind {
  switch (expr.kind) {
    case 'int':
    case 'float':
    case 'string':
    case 'bool':
      return { of: expr.kind };
    case 'name':
      return inspectName(expr.text, expr.span, look);
    case 'list':
      return inspectList(expr.items, look);
    case 'comprehension':
      return inspectComprehension(expr, look);
    case 'record':
      return inspectRecord(expr, look);
    case 'call':
      return inspectCall(expr, look);
    case 'member':
      return inspectMember(expr, look);
    case 'index':
      return inspectIndex(expr, look);
    case 'unary':
      return inspectUnary(expr, look);
    case 'binary':
      return inspectBinary(expr, look);
    case 'if':
      inspectCondition(expr.condition, '`if`', look);
      return commonKind(inspect(expr.then, look), inspect(expr.else, look));
    case 'pipe':
      return inspectPipe(expr, look);
    case 'elvis':
      inspect(expr.left, look);
      inspect(expr.right, look);
      return any;
    case 'with':
      return inspectWith(expr, look);
    case 'arrow':
      return { of: 'pattern' };
    case 'group':
      return inspect(expr.inner, look);
    case 'range':
    case 'quantity':
      mistakes.misplaced(look.session, expr);
      return any;
    case 'error':
      return any;
  }
}

function inspectName(name: string, span: Span, look: Look): Kind {
  const known = look.scope.find(name);
  if (known !== undefined) return known;
  const meaning = meaningOf(name, span, look, look.body);
  if (meaning?.is === 'builtin') return { of: 'builtin', builtin: meaning.builtin };
  if (meaning?.is === 'training') return { of: 'bool' };
  return meaning?.is === 'declared' ? declaredKind(meaning.declared, name) : any;
}

function declaredKind(declared: Declaration, name: string): Kind {
  const { module } = declared;
  if (module.damaged.has(declared.decl)) return any;
  if (declared.kind === 'block') return { of: 'block', decl: declared.decl, module };
  if (declared.kind === 'model') return { of: 'block' };
  return { of: 'fn', name, callable: declared.decl, module };
}

function inspectRecord({ fields }: RecordExpr, look: Look): Kind {
  const kinds = new Map<string, Kind>();
  for (const { name, value } of fields) {
    if (kinds.has(name.text)) mistakes.fieldTwice(look.session, name.span, name.text);
    kinds.set(name.text, inspect(value, look));
  }
  return { of: 'record', fields: kinds };
}

function inspectUnary(expr: Expr & { kind: 'unary' }, look: Look): Kind {
  if (expr.op === 'not') {
    const kind = inspect(expr.operand, look);
    // What is not known here may be a mask.
    if (kind.of === 'tensor' || kind.of === 'any') return kind;
    requireBool(kind, '`not`', look, expr.span);
    return { of: 'bool' };
  }
  const kind = inspect(expr.operand, look);
  if (fitsTensor(kind)) return kind;
  mistakes.notATensor(look.session, expr.operand.span, nounOf(kind));
  return any;
}

/** A condition must be a bool. */
export function inspectCondition(expr: Expr, what: string, look: Look, at: Span = expr.span): void {
  requireBool(inspect(expr, look), what, look, at);
}

function requireBool(kind: Kind, what: string, look: Look, at: Span): void {
  if (kind.of === 'any' || kind.of === 'bool') return;
  mistakes.notABool(look.session, at, what, nounOf(kind), kind.of === 'tensor');
}

function inspectBinary(expr: BinaryExpr, look: Look): Kind {
  const { op } = expr;
  if (op === 'and' || op === 'or') {
    const sides = [expr.left, expr.right].map((side) => ({ side, kind: inspect(side, look) }));
    for (const { side, kind } of sides)
      if (kind.of !== 'tensor') requireBool(kind, `\`${op}\``, look, side.span);
    return comparedKind(sides.map(({ kind }) => kind));
  }
  const left = inspect(expr.left, look);
  const right = inspect(expr.right, look);
  if (op === '==' || op === '!=') return comparedKind([left, right]);
  const wrong = [left, right].find((k) => !fitsTensor(k));
  if (wrong !== undefined) {
    const shown = `${sourceText(expr.left.span)} ${op} ${sourceText(expr.right.span)}`;
    mistakes.notNumbers(look.session, expr.span, op, nounOf(wrong), shown);
    return any;
  }
  if (op === '<' || op === '<=' || op === '>' || op === '>=') return comparedKind([left, right]);
  if (left.of === 'tensor' || right.of === 'tensor') return { of: 'tensor' };
  if (op === '^' || left.of === 'any' || right.of === 'any') return any;
  return left.of === 'int' && right.of === 'int' ? { of: 'int' } : { of: 'float' };
}

/** A mask where a side is a tensor, else a bool. */
function comparedKind(sides: readonly Kind[]): Kind {
  if (sides.some((k) => k.of === 'tensor')) return { of: 'tensor' };
  return sides.some((k) => k.of === 'any') ? any : { of: 'bool' };
}

function inspectMember(expr: MemberExpr, look: Look): Kind {
  const object = inspect(expr.object, look);
  const { text: name, span } = expr.member;
  const { session } = look;
  if (object.of === 'any') return any;
  if (object.of === 'tensor') {
    if (name === 'T') return object;
    mistakes.noMemberOfTensor(session, span, name, builtinNamed(name) !== undefined);
    return any;
  }
  if (object.of === 'record') {
    const field = object.fields?.get(name);
    if (field !== undefined || object.fields === undefined) return field ?? any;
    mistakes.noField(session, span, name, object.fields.keys());
    return any;
  }
  if (object.of === 'child') return childMember(object, name, span, look);
  mistakes.noMember(session, span, nounOf(object), name);
  return any;
}

function childMember(child: Kind & { of: 'child' }, name: string, span: Span, look: Look): Kind {
  const part = child.parts?.get(name);
  if (part !== undefined) return part.kind;
  const { decl, parts } = child;
  if (decl === undefined && parts === undefined) return any;
  const members = decl?.members.filter((m) => m.kind === 'child' || m.kind === 'weight') ?? [];
  const member = members.find((m) => m.name.text === name);
  if (member?.kind === 'weight') return { of: 'tensor' };
  if (member !== undefined) return any;
  const entry = decl && entryOf(decl, name);
  if (entry !== undefined) return { of: 'fn', name, callable: entry };
  const known = [...(parts?.keys() ?? []), ...members.map((m) => m.name.text)];
  mistakes.noChild(look.session, span, child.name, name, known);
  return any;
}

function inspectIndex(expr: IndexExpr, look: Look): Kind {
  const object = inspect(expr.object, look);
  for (const subscript of expr.subscripts) {
    if (subscript.kind !== 'slice') inspect(subscript, look);
    else for (const end of [subscript.start, subscript.end]) if (end !== undefined) inspect(end, look);
  }
  const [cut] = expr.subscripts.filter((subscript) => subscript.kind === 'slice');
  const name = sourceText(expr.object.span);
  if (object.of === 'tensor') {
    const dots = expr.subscripts.find((part) => part.kind === 'slice' && part.mark === '..');
    if (dots !== undefined) mistakes.dotsOfTensor(look.session, dots.span);
    return object;
  }
  if (object.of === 'any') return any;
  const chain = object.of === 'array' || (object.of === 'child' && object.parts !== undefined);
  if (!chain && object.of !== 'list') {
    if (object.of !== 'child' || object.decl !== undefined)
      mistakes.noIndex(look.session, expr.span, nounOf(object));
    return any;
  }
  if (cut?.mark === ':') {
    mistakes.colonOfChain(look.session, cut.span, name, cut);
    return any;
  }
  const item = (object.of === 'child' ? undefined : object.item) ?? any;
  if (cut === undefined) return item;
  return object.of === 'list' ? object : { of: 'array', name: sourceText(expr.span), item };
}

function inspectList(items: readonly Expr[], look: Look): Kind {
  const [first, ...more] = items.map((item) => inspect(item, look));
  return first === undefined ? { of: 'list' } : { of: 'list', item: more.reduce(commonKind, first) };
}

function inspectComprehension({ item, index, range }: ComprehensionExpr, look: Look): Kind {
  for (const end of [range.start, range.end]) {
    const kind = inspect(end, look);
    if (kind.of !== 'int' && kind.of !== 'any')
      mistakes.notARange(look.session, range.span, 'the range of a list', nounOf(kind));
  }
  const inner: Look = { ...look, scope: new KindScope(look.scope) };
  inner.scope.bind(index.text, { of: 'int' });
  return { of: 'list', item: inspect(item, inner) };
}

/** What `with` varies, or what a model stands for: another model by its name, or any expression. */
export function inspectBase(expr: Expr, look: Look): Kind {
  if (expr.kind === 'group') return inspectBase(expr.inner, look);
  return baseModel(expr, look) === undefined ? inspect(expr, look) : { of: 'block' };
}

function inspectWith(expr: Expr & { kind: 'with' }, look: Look): Kind {
  inspectBase(expr.base, look);
  for (const change of expr.changes) {
    const kind = inspect(change.value, look);
    if (change.kind === 'override' || ['any', 'block', 'fn', 'builtin'].includes(kind.of)) continue;
    mistakes.notAReplacement(look.session, change.value.span, nounOf(kind));
  }
  return { of: 'block' };
}

// ── calls ──────────────────────────────────────────────────────────────────────────────────────────────────

function inspectPipe(expr: PipeExpr, look: Look): Kind {
  const piped = { kind: inspect(expr.left, look), span: expr.left.span };
  return inspectCall(pipedCall(expr), look, piped);
}

interface PipedKind {
  readonly kind: Kind;
  readonly span: Span;
}

function inspectCall(expr: CallExpr, look: Look, piped?: PipedKind): Kind {
  const callee = inspect(expr.callee, look);
  const given = expr.args.map((argument) => inspect(argument.value, look));
  inspectPatterns(callee, expr.args, look);
  const actuals = expr.args.map(actualOf);
  const kinds = new Map<Actual, Kind>(actuals.map((a, i) => [a, given[i] ?? any]));
  if (piped !== undefined) {
    const first: Actual = { value: poison, span: piped.span };
    actuals.unshift(first);
    kinds.set(first, piped.kind);
  }
  return resultOf(callee, { expr, actuals, kinds, look });
}

/** Axis names of `rearrange` and `einsum`, and the operands inside the pattern. */
function inspectPatterns(callee: Kind, args: readonly Argument[], look: Look): void {
  for (const { value } of args) {
    if (value.kind !== 'arrow') continue;
    for (const operand of value.operands) inspect(operand.value, look);
    const name = callee.of === 'builtin' ? callee.builtin.name : '';
    const { from, to } = value;
    const fault =
      name === 'einsum'
        ? einsumFault(value)
        : name === 'rearrange' && from !== undefined
          ? patternFault(from, to)
          : undefined;
    if (fault !== undefined) look.session.report('Z310', fault.span, fault.message);
  }
}
