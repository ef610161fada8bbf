/**
 * Checks every declaration of a file by its text: names, arguments, kinds, members, dimension variables,
 * `fuses`.
 *
 * Runs for each file that a model or check reads, so that mistakes in blocks that no model uses are found as
 * well.
 */
import type {
  BlockDecl,
  Callable,
  ChildMember,
  Expr,
  Identifier,
  Item,
  ParamDecl,
  RequireMember,
  SeqExpr,
  TensorTypeExpr,
  TypeExpr,
  WeightMember,
} from '../../../grammar/ast.ts';
import { holesOf } from '../build/require.ts';
import { builtinNamed } from '../builtins/builtins.ts';
import { fusedNames } from '../evaluate/fuse.ts';
import { mustBe } from '../evaluate/match.ts';
import { findBlockCycles } from '../modules/cycles.ts';
import { inPrelude, unknownName } from '../modules/imports.ts';
import { formalsOf, reportMissing } from '../nodes/arguments.ts';
import * as mistakes from '../values/mistakes.ts';
import type { Loader, Module } from '../values/module.ts';
import type { Session } from '../values/session.ts';
import { didYouMean } from '../values/suggest.ts';
import { inspect, inspectBase, inspectCondition } from './inspect.ts';
import {
  any,
  fitsStatic,
  fitsTensor,
  type Kind,
  KindScope,
  kindOfType,
  type Look,
  nounOf,
  type Part,
} from './kinds.ts';

/** Every user's file that was read: block cycles, then each declaration. */
export function checkTexts(loader: Loader): void {
  const { session } = loader;
  const modules = loader.modules().filter((m) => m.bundled === undefined);
  findBlockCycles(modules, session);
  for (const module of modules) checkDeclarations(module, session);
}

function checkDeclarations(module: Module, session: Session): void {
  for (const item of module.program.items) {
    if (module.damaged.has(item)) continue;
    warnOfHiding(item, module, session);
    session.guard(() => checkItem(item, module, session));
  }
}

/** A file's own declarations go before what needs no import, which must not pass without a word. */
function warnOfHiding({ kind, name }: Item, module: Module, session: Session): void {
  if (kind !== 'block' && kind !== 'fn' && kind !== 'objective') return;
  const library = inPrelude(module, name.text);
  const hidden =
    library !== undefined
      ? `the ${library.kind === 'objective' ? 'objective' : 'function'} of package ${library.module.bundled}`
      : builtinNamed(name.text) !== undefined
        ? 'the built-in function'
        : undefined;
  if (hidden === undefined) return;
  session.warn('Z207', name.span, `\`${name.text}\` hides ${hidden} in this file`, {
    help: 'another name keeps both in reach',
  });
}

function checkItem(item: Item, module: Module, session: Session): void {
  const look: Look = { session, module, scope: new KindScope(), body: false };
  switch (item.kind) {
    case 'block':
      checkBlock(item, look);
      return;
    case 'fn':
    case 'objective':
      checkCallable(item, item.name.text, look);
      return;
    case 'model':
      checkStaticParams(item.params, `model ${item.name.text}`, look);
      checkModelValue(item.value, look);
      return;
    default:
      return;
  }
}

function checkModelValue(expr: Expr, look: Look): void {
  const kind = inspectBase(expr, look);
  if (kind.of === 'any' || kind.of === 'block') return;
  mistakes.wrongKind(look.session, expr.span, 'a model', 'a block', nounOf(kind));
}

// ── parameters and types ───────────────────────────────────────────────────────────────────────────────────

/** Binds a name once; a second declaration is reported. */
function declare(name: Identifier, kind: Kind, look: Look): void {
  if (look.scope.own(name.text) !== undefined && name.text !== '') {
    look.session.report('Z207', name.span, `\`${name.text}\` is declared twice`);
  }
  look.scope.bind(name.text, kind);
}

function checkDefault(param: ParamDecl, what: string, look: Look): void {
  if (param.default === undefined) return;
  const kind = inspect(param.default, look);
  const { type } = param;
  if (type.kind === 'static-type' && !fitsStatic(kind, type)) {
    mistakes.wrongKind(look.session, param.default.span, what, mustBe(type), nounOf(kind));
  } else if (type.kind === 'tensor-type' && !fitsTensor(kind)) {
    mistakes.wrongKind(look.session, param.default.span, what, 'a tensor', nounOf(kind));
  }
}

/** Parameters of blocks and models: static, in order, each default seeing the ones before. */
function checkStaticParams(params: readonly ParamDecl[], owner: string, look: Look): void {
  for (const param of params) {
    const what = `\`${param.name.text}\` of ${owner}`;
    if (param.type.kind !== 'static-type' && param.type.kind !== 'error-type') {
      mistakes.notStatic(look.session, param.type.span, what);
    }
    checkDefault(param, `the default of ${what}`, look);
    const { type } = param;
    const kind: Kind = type.kind === 'static-type' ? kindOfType(type) : any;
    declare(param.name, kind, look);
  }
}

/** Dimension variables that a type binds: capitalised names that nothing else binds. */
function bindDimensions(type: TypeExpr, look: Look): void {
  if (type.kind === 'record-type') for (const field of type.fields) bindDimensions(field.type, look);
  if (type.kind !== 'tensor-type') return;
  for (const dim of type.dims) {
    let inner: Expr | (typeof type.dims)[number] = dim;
    while (inner.kind === 'group') inner = inner.inner;
    if (inner.kind === 'name' && /^[A-Z]/.test(inner.text) && look.scope.find(inner.text) === undefined) {
      look.scope.bind(inner.text, { of: 'int' });
    }
  }
}

const elementNames = ['f32', 'i32', 'i64', 'f16'];

function checkType(type: TypeExpr, look: Look): void {
  if (type.kind === 'record-type') {
    for (const field of type.fields) checkType(field.type, look);
  } else if (type.kind === 'member-type') {
    const kind = look.scope.find(type.object.text);
    if (kind === undefined) unknownName(type.object.text, type.object.span, look);
  } else if (type.kind === 'tensor-type') {
    const name = type.element?.text;
    if (name !== undefined && !elementNames.includes(name)) {
      const hint = didYouMean(name, elementNames);
      look.session.report('Z303', type.element!.span, `there is no element type \`${name}\`${hint}`, {
        help: 'element types: f32, i32 (and i64 for stored counters)',
      });
    }
    checkDims(type, look);
  }
}

function checkDims(type: TensorTypeExpr, look: Look): void {
  const dots = type.dims.filter((d) => d.kind === 'ellipsis');
  if (dots[1] !== undefined) mistakes.secondEllipsis(look.session, dots[1].span);
  for (const dim of type.dims) {
    if (dim.kind === 'ellipsis') continue;
    const kind = inspect(dim, look);
    if (kind.of === 'int' || kind.of === 'any') continue;
    mistakes.wrongKind(look.session, dim.span, 'a dimension', 'an int', nounOf(kind));
  }
}

// ── functions and forwards ─────────────────────────────────────────────────────────────────────────────────

function checkCallable(callable: Callable, name: string, outer: Look): void {
  const look: Look = { ...outer, scope: new KindScope(outer.scope), body: true };
  for (const param of callable.params) bindDimensions(param.type, look);
  for (const param of callable.params) {
    checkType(param.type, look);
    checkDefault(param, `the default of \`${param.name.text}\` of ${name}`, look);
    declare(param.name, kindOfType(param.type), look);
  }
  for (const item of callable.body.lets) declare(item.name, inspect(item.value, look), look);
  checkResult(callable, name, look);
  const fuses = callable.fuses;
  if (fuses === undefined || Object.hasOwn(fusedNames, fuses.text)) return;
  const hint = didYouMean(fuses.text, Object.keys(fusedNames));
  look.session.warn('Z214', fuses.span, `no kernel is called \`${fuses.text}\`${hint}`, {
    help: 'the body is compiled as it stands',
  });
}

function checkResult(callable: Callable, name: string, look: Look): void {
  const kind = inspect(callable.body.result, look);
  const { result } = callable;
  if (result === undefined) return;
  bindDimensions(result, look);
  checkType(result, look);
  const at = callable.body.result.span;
  const what = `the result of ${name}`;
  if (result.kind === 'tensor-type' && !fitsTensor(kind)) {
    mistakes.wrongKind(look.session, at, what, 'a tensor', nounOf(kind));
  } else if (result.kind === 'record-type' && kind.of !== 'record' && kind.of !== 'any') {
    mistakes.notARecord(look.session, at, what, result, nounOf(kind));
  } else if (result.kind === 'record-type' && kind.of === 'record') {
    const missing = result.fields.find((f) => kind.fields?.has(f.name.text) === false);
    if (missing !== undefined) mistakes.lacksField(look.session, at, what, missing.name.text);
  }
}

// ── blocks ─────────────────────────────────────────────────────────────────────────────────────────────────

function checkBlock(block: BlockDecl, look: Look): void {
  checkStaticParams(block.params, block.name.text, look);
  const members: Look = { ...look, scope: new KindScope(look.scope) };
  let forwards = 0;
  const entries = new Set<string>(reserved);
  for (const member of block.members) {
    switch (member.kind) {
      case 'require':
        checkRequireText(member, members);
        break;
      case 'let':
        declareMember(member.name, inspect(member.value, members), members);
        break;
      case 'weight':
        checkWeight(member, members);
        break;
      case 'child':
        checkChild(member, members);
        break;
      case 'forward':
        if (++forwards > 1)
          look.session.report('Z207', member.span, `${block.name.text} has a second \`forward\``);
        break;
      case 'entry':
        checkEntryName(member.name, entries, members);
        if (member.when !== undefined) inspectCondition(member.when, '`when`', members);
    }
  }
  // The forward sees every member, wherever it stands; an entry the forward as well.
  for (const member of block.members) {
    if (member.kind === 'forward') checkCallable(member, block.name.text, members);
    if (member.kind !== 'entry') continue;
    const scope = new KindScope(members.scope);
    scope.bind('forward', { of: 'child', name: 'forward', decl: block });
    checkCallable(member, member.name.text, { ...members, scope });
  }
}

/** Every model has these. */
const reserved = ['forward', 'loss'];

function checkEntryName(name: Identifier, known: Set<string>, look: Look): void {
  const message = reserved.includes(name.text)
    ? `every model has the entry \`${name.text}\`: this one needs another name`
    : `\`${name.text}\` is declared twice`;
  if (known.has(name.text) || look.scope.own(name.text) !== undefined)
    look.session.report('Z207', name.span, message);
  known.add(name.text);
}

/** A member may carry the name of a parameter only if it is a child (`inline text: text`). */
function declareMember(name: Identifier, kind: Kind, look: Look): void {
  if (kind.of !== 'child' && kind.of !== 'array' && look.scope.parent?.own(name.text) !== undefined) {
    look.session.report('Z207', name.span, `\`${name.text}\` is declared twice: it is a parameter too`);
  }
  declare(name, kind, look);
}

function checkRequireText(member: RequireMember, look: Look): void {
  inspectCondition(member.condition, '`require`', look);
  if (member.message === undefined) return;
  for (const { name, span } of holesOf(member.message)) {
    if (look.scope.find(name) === undefined) unknownName(name, span, look);
  }
}

function checkWeight(member: WeightMember, look: Look): void {
  for (const dim of member.type.dims) {
    if (dim.kind === 'ellipsis') {
      mistakes.openAxis(look.session, dim.span);
      continue;
    }
    const kind = inspect(dim, look);
    if (kind.of === 'int' || kind.of === 'any') continue;
    mistakes.wrongKind(look.session, dim.span, 'an axis of a weight', 'an int', nounOf(kind));
  }
  if (member.init !== undefined) inspect(member.init, look);
  declareMember(member.name, { of: 'tensor' }, look);
}

function checkChild(member: ChildMember, look: Look): void {
  declareMember(member.name, childKind(member, look), look);
}

function childKind(member: ChildMember, look: Look): Kind {
  const name = member.name.text;
  if (member.when !== undefined) inspectCondition(member.when, '`when`', look);
  if (member.array === undefined) return valueKind(member.value, name, look);
  const { index, range } = member.array;
  for (const end of [range.start, range.end]) {
    const kind = inspect(end, look);
    if (kind.of !== 'int' && kind.of !== 'any') {
      mistakes.notARange(look.session, range.span, 'a range of children', nounOf(kind));
    }
  }
  const inner: Look = { ...look, scope: new KindScope(look.scope) };
  inner.scope.bind(index.text, { of: 'int' });
  return { of: 'array', name, item: valueKind(member.value, name, inner) };
}

function valueKind(value: Expr | SeqExpr, name: string, look: Look): Kind {
  if (value.kind === 'seq') return sequenceKind(value, name, look);
  const kind = value.kind === 'string' ? inspectBase(value, look) : inspect(value, look);
  if (kind.of === 'block') {
    if (kind.decl === undefined) return { of: 'child', name };
    const { given } = kind;
    const missing = formalsOf(kind.decl.params).filter((f) => f.required && given?.has(f.name) !== true);
    if (missing.length > 0) reportMissing(look.session, kind.decl.name.text, missing, value.span);
    return { of: 'child', name, decl: kind.decl };
  }
  if (kind.of === 'any' || kind.of === 'fn' || kind.of === 'builtin')
    return kind.of === 'any' ? { of: 'child', name } : kind;
  mistakes.wrongKind(look.session, value.span, `child \`${name}\``, 'a block or a function', nounOf(kind));
  return { of: 'child', name };
}

function sequenceKind(seq: SeqExpr, name: string, look: Look): Kind {
  const parts = new Map<string, Part>();
  for (const child of seq.children) {
    if (parts.has(child.name.text)) {
      look.session.report('Z207', child.name.span, `\`${child.name.text}\` is declared twice`);
    }
    parts.set(child.name.text, { kind: childKind(child, look), optional: child.when !== undefined });
  }
  return { of: 'child', name, parts };
}
