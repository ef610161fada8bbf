/**
 * Elaboration: a block value becomes a tree of instances with numbers for every parameter and shape.
 *
 * Members are taken in order of declaration, so a `require` guards what follows it; when one fails, the rest
 * of that block stays silent. Overrides reach a parameter before its type, its default and every `require`
 * see it.
 */
import type {
  BlockDecl,
  ChildMember,
  EntryMember,
  Member,
  MemberTypeExpr,
  ParamDecl,
  SeqExpr,
} from '../../../grammar/ast.ts';
import type { Span } from '../../../grammar/source.ts';
import { coerceStatic } from '../evaluate/match.ts';
import { condition } from '../evaluate/operators.ts';
import { evaluateBlock } from '../evaluate/variants.ts';
import { formalsOf, reportMissing } from '../nodes/arguments.ts';
import { childValue } from '../values/instance.ts';
import * as mistakes from '../values/mistakes.ts';
import { forwardOf } from '../values/module.ts';
import { namesIn } from '../values/names-in.ts';
import { type Context, type Env, evaluate, type InputType, Scope, staticEnv } from '../values/scope.ts';
import { type Session, sourceText } from '../values/session.ts';
import { didYouMean } from '../values/suggest.ts';
import type {
  AbsentValue,
  BlockValue,
  BoundArgument,
  ChildEntry,
  Instance,
  Override,
  Value,
  WeightEntry,
} from '../values/values.ts';
import { describe, formatValue, notWhole, poison } from '../values/values.ts';
import { type Active, activeIn, placed, reportUnused } from './replace.ts';
import { checkRequire } from './require.ts';
import { declareWeight } from './weights.ts';

/** Members of one array of blocks. */
const maxArray = 4096;
/** Steps that one instance counts for in the session's limit. */
const instanceSteps = 20;

// ── parameters ─────────────────────────────────────────────────────────────────────────────────────────────

/** Binds every parameter of a block: overrides, arguments, defaults. Undefined after a report. */
function bindParameters(block: BlockValue, context: Context): Scope | undefined {
  const { session } = context;
  const { decl, module } = block;
  const scope = new Scope();
  const env = staticEnv(context, module, scope);
  let ok = knownOverrides(block, session);
  const missing: ParamDecl[] = [];
  for (const param of decl.params) {
    const bound = argumentFor(param, block, env);
    if (bound === undefined) missing.push(param);
    if (bound === undefined || bound.value.kind === 'poison') ok = false;
    scope.bind(param.name.text, bound ?? { value: poison });
  }
  if (missing.length > 0) reportMissing(session, decl.name.text, formalsOf(missing), block.span);
  return ok ? scope : undefined;
}

function knownOverrides(block: BlockValue, session: Session): boolean {
  const known = block.decl.params.map((p) => p.name.text);
  const wrong = block.overrides.filter((o) => !known.includes(o.path[0]!));
  for (const override of wrong) {
    const name = block.decl.name.text;
    const path = override.path.join('.');
    if (path.includes('*')) {
      session.report('Z212', override.span, `\`${path}\` is a pattern of blocks, no parameter of ${name}`, {
        help: `where a model is written, \`with "${path}" as Block(...)\` replaces blocks`,
      });
      continue;
    }
    const hint = didYouMean(override.path[0]!, known);
    const help = hint === '' ? { help: `parameters of ${name}: ${known.join(', ')}` } : {};
    session.report('Z212', override.span, `${name} has no parameter \`${override.path[0]}\`${hint}`, help);
  }
  return wrong.length === 0;
}

function argumentFor(param: ParamDecl, block: BlockValue, env: Env): BoundArgument | undefined {
  const name = param.name.text;
  const mine = block.overrides.filter((o) => o.path[0] === name);
  const whole = mine.findLast((o) => o.path.length === 1);
  const inner = mine.filter(
    (o) => o.path.length > 1 && (whole === undefined || mine.indexOf(o) > mine.indexOf(whole)),
  );
  const given =
    whole === undefined
      ? (block.args.get(name) ?? defaultFor(param, block, env))
      : overridden(param, whole, block, env);
  if (given === undefined) return undefined;
  const path = block.path === undefined ? undefined : block.path === '' ? name : `${block.path}.${name}`;
  const provenance =
    given.provenance.path === undefined && path !== undefined
      ? { ...given.provenance, path }
      : given.provenance;
  const value = applyInner(param, given.value, inner, path, env.session);
  return { value, provenance };
}

function overridden(param: ParamDecl, override: Override, block: BlockValue, env: Env): BoundArgument {
  const what = `\`${param.name.text}\` of ${block.decl.name.text}`;
  const value = coerceStatic(override.value, param.type, what, override.span, env.session);
  return { value, provenance: { name: param.name.text, text: formatValue(value), span: override.span } };
}

function defaultFor(param: ParamDecl, block: BlockValue, env: Env): BoundArgument | undefined {
  if (param.default === undefined) return undefined;
  const what = `the default of \`${param.name.text}\` of ${block.decl.name.text}`;
  const evaluated = env.session.within(block.span, () => evaluate(param.default!, env));
  const value = coerceStatic(evaluated, param.type, what, param.default.span, env.session);
  return { value, provenance: { name: param.name.text, text: formatValue(value), span: param.default.span } };
}

/** Hands the rest of dotted overrides (`vision.layers`) to the block that the parameter holds. */
function applyInner(
  param: ParamDecl,
  value: Value,
  overrides: readonly Override[],
  path: string | undefined,
  session: Session,
): Value {
  if (value.kind === 'block') {
    const rest = overrides.map((o) => ({ ...o, path: o.path.slice(1) }));
    return { ...value, overrides: [...value.overrides, ...rest], ...(path === undefined ? {} : { path }) };
  }
  const [first] = overrides;
  if (first === undefined || value.kind === 'poison') return value;
  const message = `\`${param.name.text}\` is ${describe(value)}, it has no \`${first.path[1]}\``;
  return session.report('Z212', first.span, message);
}

// ── instances ──────────────────────────────────────────────────────────────────────────────────────────────

interface Place {
  readonly name: string;
  readonly path: string;
  readonly span: Span;
}

/** Where the members of a block are made: with the replacements that look for places in it. */
interface Site extends Env {
  readonly active: readonly Active[];
}

/** The instance tree of a block value. Mistakes are reported and leave `failed` instances. */
export function instantiate(
  block: BlockValue,
  place: Place,
  context: Context,
  outer: readonly Active[] = [],
): Instance {
  const { session } = context;
  session.spend(place.span, instanceSteps);
  return session.within(place.span, () =>
    session.within(block.span, () => {
      const active = activeIn(block, place.path, outer);
      const before = session.errorCount;
      const instance = build(block, place, context, active);
      if (session.errorCount === before) reportUnused(block, instance, active, session);
      return instance;
    }),
  );
}

function build(block: BlockValue, place: Place, context: Context, active: readonly Active[]): Instance {
  const { session } = context;
  const sound = !block.module.damaged.has(block.decl) && !session.cyclic.has(block.decl);
  const scope = sound ? bindParameters(block, context) : undefined;
  session.instantiated.add(block.decl);
  if (scope === undefined) {
    if (sound) checkArguments(block, place, context);
    return { kind: 'block', ...place, block, scope: new Scope(), members: [], failed: true };
  }
  const env: Site = { ...staticEnv(context, block.module, scope), path: place.path, active };
  const members: (ChildEntry | WeightEntry)[] = [];
  const entries: EntryMember[] = [];
  let failed = false;
  for (const member of block.decl.members) {
    if (!declareMember(member, block.decl, env, members, entries) && member.kind === 'require') {
      failed = true;
      break;
    }
  }
  return { kind: 'block', ...place, block, scope, members, entries, failed };
}

/** Blocks handed to a block that cannot be instantiated still tell their own mistakes. */
function checkArguments(block: BlockValue, place: Place, context: Context): void {
  for (const [name, { value }] of block.args) {
    const overridden = block.overrides.some((o) => o.path[0] === name);
    if (value.kind === 'block' && !overridden) instantiate(value, { ...place, name, path: name }, context);
  }
}

/** False after a report. */
function declareMember(
  member: Member,
  block: BlockDecl,
  env: Site,
  members: (ChildEntry | WeightEntry)[],
  entries: EntryMember[],
): boolean {
  switch (member.kind) {
    case 'require':
      return checkRequire(member, block, env);
    case 'let': {
      const value = evaluate(member.value, env);
      env.scope.bind(member.name.text, { value });
      return value.kind !== 'poison';
    }
    case 'weight': {
      const entry = declareWeight(member, env);
      env.scope.bind(member.name.text, { value: entry?.value ?? poison });
      if (entry !== undefined) members.push(entry);
      return entry !== undefined;
    }
    case 'child': {
      const entry = declareChild(member, env);
      if (entry !== undefined) members.push(entry);
      env.scope.bind(member.name.text, { value: entry === undefined ? poison : childValue(entry) });
      return entry !== undefined;
    }
    case 'entry': {
      const exists = member.when === undefined || condition(member.when, env, '`when`');
      if (exists) entries.push(member);
      return exists !== undefined;
    }
    case 'forward':
      return true;
  }
}

function pathOf(parent: string, segment: string): string {
  return parent === '' ? segment : `${parent}.${segment}`;
}

/** Undefined after a report. */
function declareChild(member: ChildMember, env: Site): ChildEntry | undefined {
  const name = member.name.text;
  const base = { kind: 'child', name, inline: member.inline, array: member.array !== undefined } as const;
  if (member.when !== undefined) {
    const exists = condition(member.when, env, '`when`');
    if (exists === undefined) return undefined;
    const absent: AbsentValue = { kind: 'absent', name, condition: sourceText(member.when.span) };
    if (!exists) return { ...base, array: false, items: [], absent };
  }
  const path = member.inline ? env.path : pathOf(env.path, name);
  if (member.array !== undefined) {
    const items = declareArray(member, member.array, path, env);
    return items === undefined ? undefined : { ...base, items };
  }
  const place = { name, path, span: member.value.span };
  // An inline child is its parent's path: patterns that fit it mean the parent.
  const item = member.inline
    ? childInstance(member.value, place, env, env.active)
    : replaceable(member.value, place, env);
  return item === undefined ? undefined : { ...base, items: [item] };
}

function declareArray(
  member: ChildMember,
  array: NonNullable<ChildMember['array']>,
  path: string,
  env: Site,
): Instance[] | undefined {
  const start = evaluate(array.range.start, env);
  const end = evaluate(array.range.end, env);
  if (start.kind === 'poison' || end.kind === 'poison') return undefined;
  if (start.kind !== 'int' || end.kind !== 'int') {
    const wrong = start.kind === 'int' ? end : start;
    if (notWhole(wrong) === undefined)
      mistakes.notARange(env.session, array.range.span, 'a range of children', describe(wrong));
    return undefined;
  }
  const count = end.value - start.value;
  if (start.value < 0 || count < 0 || count > maxArray) {
    const code = count > maxArray ? 'Z314' : 'Z313';
    const limit = count > maxArray ? `at most ${maxArray}` : 'a range from 0 upwards';
    const range = `from ${start.value} to ${end.value}`;
    const message = `\`${member.name.text}\` would run ${range}; it can be ${limit}`;
    env.session.report(code, array.range.span, message);
    return undefined;
  }
  const items: Instance[] = [];
  for (let i = start.value; i < end.value; i++) {
    const scope = new Scope(env.scope);
    scope.bind(array.index.text, { value: { kind: 'int', value: i } });
    const place = {
      name: `${member.name.text}[${i}]`,
      path: pathOf(path, String(i)),
      span: member.value.span,
    };
    const item = replaceable(member.value, place, { ...env, scope });
    if (item === undefined) return undefined;
    items.push(item);
    if (item.failed) break;
    if (env.session.outline && alike(member.value, array.index.text, env))
      return new Array<Instance>(count).fill(item);
  }
  return items;
}

/** Whether the members of an array differ in their paths alone. */
function alike(value: ChildMember['value'], index: string, { active }: Site): boolean {
  return active.length === 0 && ![...namesIn(value)].some(({ text }) => text === index);
}

/** The child that the text puts in a place, or what replaces it. */
function replaceable(value: ChildMember['value'], place: Place, env: Site): Instance | undefined {
  return placed(
    place.path,
    env.active,
    (active) => childInstance(value, place, env, active),
    (other, span, active) => instanceOf(other, span, { ...place, span }, env, active),
    env.session,
  );
}

function childInstance(
  value: ChildMember['value'],
  place: Place,
  env: Site,
  active: readonly Active[],
): Instance | undefined {
  if (value.kind === 'seq') return sequence(value, place, { ...env, active });
  return instanceOf(evaluateBlock(value, env), value.span, place, env, active);
}

function instanceOf(
  value: Value,
  span: Span,
  place: Place,
  context: Context,
  active: readonly Active[],
): Instance | undefined {
  if (value.kind === 'poison') return undefined;
  if (value.kind === 'block') return instantiate(value, place, context, active);
  if (value.kind === 'fn' || value.kind === 'builtin') {
    return { kind: 'fn', ...place, fn: value, scope: new Scope(), members: [], failed: false };
  }
  const what = `child \`${place.name}\``;
  mistakes.wrongKind(context.session, span, what, 'a block or a function', describe(value));
  return undefined;
}

function sequence(seq: SeqExpr, place: Place, env: Site): Instance {
  const members: ChildEntry[] = [];
  let failed = false;
  for (const child of seq.children) {
    const entry = declareChild(child, { ...env, path: place.path });
    // A chain with a link missing has no value.
    if (entry === undefined) failed = true;
    else members.push(entry);
  }
  return { kind: 'seq', ...place, scope: new Scope(), members, failed };
}

// ── input types ────────────────────────────────────────────────────────────────────────────────────────────

/** `vision.input`: the type of the first argument of the forward of the block that `vision` holds. */
export function inputTypeOf(type: MemberTypeExpr, env: Env): InputType | undefined {
  const found = env.scope.find(type.object.text)?.value;
  if (found?.kind === 'poison') return undefined;
  // `inline text: text` gives a child the name of the parameter that it was made from.
  const child = found?.kind === 'instance' ? found.instance : undefined;
  if (child?.failed) return undefined;
  const value = child?.block ?? found;
  if (value?.kind !== 'block' || type.member.text !== 'input') {
    const what = value === undefined ? 'nothing in reach' : describe(value);
    const message =
      value?.kind === 'block'
        ? `a block has no type \`${type.member.text}\``
        : `\`${type.object.text}\` must be a block parameter, it is ${what}`;
    env.session.report('Z210', type.span, message, {
      help: 'NAME.input is the type of what block NAME takes',
    });
    return undefined;
  }
  const scope = child?.scope ?? scopeOfTypes(value, env);
  const forward = forwardOf(value.decl);
  if (scope === undefined || forward === undefined) return undefined;
  const [first] = forward.params;
  if (first !== undefined)
    return { type: first.type, ids: first.ids, scope: new Scope(scope), module: value.module };
  env.session.report('Z210', type.span, `${value.decl.name.text} takes no input`);
  return undefined;
}

/** Parameters and lets of a block, which its forward's types may name. */
function scopeOfTypes(block: BlockValue, context: Context): Scope | undefined {
  const scope = bindParameters(block, context);
  if (scope === undefined) return undefined;
  const env = staticEnv(context, block.module, scope);
  for (const member of block.decl.members) {
    if (member.kind === 'let') scope.bind(member.name.text, { value: evaluate(member.value, env) });
  }
  return scope;
}
