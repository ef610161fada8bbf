/**
 * Values against declared types: static kinds, and tensor shapes whose dimension variables are bound on first
 * sight.
 *
 * A checked tensor takes on what the type says about its axes (`width = 768`), so that later messages can
 * name it.
 */
import type { Expr, StaticTypeExpr, TensorTypeExpr, TypeExpr } from '../../../grammar/ast.ts';
import type { Span } from '../../../grammar/source.ts';
import type { Dim } from '../../graph/types.ts';
import { formatDim, formatShape, sameDim } from '../../graph/types.ts';
import { unknownName } from '../modules/imports.ts';
import { asDim, dimValue, provenances } from '../nodes/arithmetic.ts';
import { givenHere, shapeOf, toTensor } from '../nodes/emit.ts';
import * as mistakes from '../values/mistakes.ts';
import { type Binding, type Env, evaluate, type Scope } from '../values/scope.ts';
import { isBundled, placeOf, type Session, sourceText } from '../values/session.ts';
import type { AxisOrigin, Instance, Provenance, TensorValue, Value } from '../values/values.ts';
import { describe, describeWithValue, float, isNumber, notWhole, poison } from '../values/values.ts';
import { isTensor } from './operators.ts';

/** Which value is checked: an argument `name` of `of`, or the result of `of`. */
export interface MatchPlace {
  readonly role: 'argument' | 'result';
  readonly name?: string;
  readonly of: string;
  readonly span: Span;
  readonly instance?: Instance | undefined;
  readonly expr?: Expr | undefined;
}

function subject(place: MatchPlace): string {
  if (place.role === 'result')
    return place.name === undefined
      ? `the result of ${place.of}`
      : `\`${place.name}\` in the result of ${place.of}`;
  return `argument \`${place.name}\` of ${place.of}`;
}

/** The value as the type sees it, or poison after a report. */
export function matchType(type: TypeExpr, value: Value, env: Env, place: MatchPlace): Value {
  if (value.kind === 'poison' || type.kind === 'error-type') return poison;
  switch (type.kind) {
    case 'static-type':
      return coerceStatic(value, type, subject(place), place.span, env.session);
    case 'tensor-type':
      return matchTensor(type, value, env, place);
    case 'record-type':
      return matchRecord(type, value, env, place);
    case 'member-type': {
      const input = env.evaluator.inputTypeOf(type, env);
      if (input === undefined) return poison;
      return matchType(input.type, value, { ...env, module: input.module, scope: input.scope }, place);
    }
  }
}

function matchRecord(
  type: TypeExpr & { kind: 'record-type' },
  value: Value,
  env: Env,
  place: MatchPlace,
): Value {
  if (value.kind !== 'record') {
    return mistakes.notARecord(env.session, place.span, subject(place), type, describe(value));
  }
  const fields = new Map(value.fields);
  for (const { name, type: fieldType } of type.fields) {
    const field = value.fields.get(name.text);
    if (field === undefined) {
      mistakes.lacksField(env.session, place.span, subject(place), name.text);
      fields.set(name.text, poison);
    } else {
      fields.set(name.text, matchType(fieldType, field, env, { ...place, name: name.text }));
    }
  }
  return { kind: 'record', fields };
}

// ── static ─────────────────────────────────────────────────────────────────────────────────────────────────

/** Whether a value is of a static kind; an int is a float, initialisers are functions. */
function hasKind(value: Value, name: StaticTypeExpr['name']): boolean {
  if (name === 'int') return value.kind === 'int' || value.kind === 'dim';
  if (name === 'float') return isNumber(value);
  if (name === 'fn') return ['fn', 'builtin', 'initializer', 'instance', 'array'].includes(value.kind);
  return value.kind === name;
}

/** Ints that are given for floats are floats from there on. */
function asKind(value: Value, name: StaticTypeExpr['name']): Value {
  return name === 'float' && isNumber(value) ? float(value.value) : value;
}

/** Whether a parameter takes one static value of this kind. */
export function isStatic(type: TypeExpr, name: StaticTypeExpr['name']): boolean {
  return type.kind === 'static-type' && type.name === name && !type.list;
}

const articles = {
  int: 'an int',
  float: 'a float',
  bool: 'a bool',
  string: 'a string',
  fn: 'a function',
  block: 'a block',
};

/** `an int`, `a list of ints` */
export function mustBe(type: StaticTypeExpr): string {
  return type.list ? `a list of ${type.name}s` : articles[type.name];
}

/** A static value for a parameter of this type, or poison after a report. */
export function coerceStatic(
  value: Value,
  type: TypeExpr,
  what: string,
  span: Span,
  session: Session,
): Value {
  if (value.kind === 'poison' || type.kind === 'error-type') return poison;
  if (type.kind !== 'static-type') return mistakes.notStatic(session, type.span, what);
  if (type.list) {
    if (value.kind === 'list' && value.items.every((i) => hasKind(i, type.name)))
      return { kind: 'list', items: value.items.map((i) => asKind(i, type.name)) };
  } else if (hasKind(value, type.name)) return asKind(value, type.name);
  const fraction = type.name === 'int' ? notWhole(value) : undefined;
  return fraction ?? mistakes.wrongKind(session, span, what, mustBe(type), describeWithValue(value));
}

// ── tensors ────────────────────────────────────────────────────────────────────────────────────────────────

function matchTensor(type: TensorTypeExpr, value: Value, env: Env, place: MatchPlace): Value {
  if (!isTensor(value) && !isNumber(value) && value.kind !== 'dim') {
    return mistakes.wrongKind(env.session, place.span, subject(place), 'a tensor', describe(value));
  }
  const tensor = toTensor(value, env, place.span);
  if (tensor === undefined) return poison;
  const shape = shapeOf(tensor, env);
  if (!elementFits(type, tensor, env, place)) return poison;
  const second = type.dims.filter((d) => d.kind === 'ellipsis')[1];
  if (second !== undefined) return mistakes.secondEllipsis(env.session, second.span);
  const dots = type.dims.findIndex((d) => d.kind === 'ellipsis');
  const named = type.dims.length - (dots < 0 ? 0 : 1);
  if (dots < 0 ? shape.length !== named : shape.length < named) return wrongRank(type, shape, env, place);
  const extra = shape.length - named;
  const axes: (AxisOrigin | undefined)[] = [];
  let ok = true;
  for (let axis = 0; axis < shape.length; axis++) {
    const inDots = dots >= 0 && axis >= dots && axis < dots + extra;
    if (inDots) {
      axes.push(tensor.axes[axis]);
      continue;
    }
    const dim = type.dims[dots >= 0 && axis >= dots + extra ? axis - extra + 1 : axis] as Expr;
    const origin = matchDim(dim, shape[axis]!, { tensor, axis, shape, type }, env, place);
    if (origin === false) ok = false;
    axes.push(origin === false ? undefined : origin);
  }
  return ok ? { ...tensor, axes } : poison;
}

function elementFits(type: TensorTypeExpr, tensor: TensorValue, env: Env, place: MatchPlace): boolean {
  const wanted = type.element?.text ?? 'f32';
  const { dtype } = env.tracer!.builder.type(tensor.node);
  if (dtype === wanted || (type.element === undefined && dtype !== 'i32')) return true;
  env.session.report(
    'Z303',
    place.span,
    `${subject(place)} must be ${wanted === 'i32' ? 'i32' : 'floating'} ${typeText(type)}, got ${dtype}`,
  );
  return false;
}

function typeText(type: TypeExpr): string {
  return sourceText(type.span);
}

function wrongRank(type: TensorTypeExpr, shape: readonly Dim[], env: Env, place: MatchPlace): Value {
  const count = type.dims.length;
  const wanted = type.dims.some((d) => d.kind === 'ellipsis') ? `at least ${count - 1}` : String(count);
  const noun = count === 1 ? 'axis' : 'axes';
  const help = splitHeads(type, shape, place);
  const message = `${subject(place)} needs ${wanted} ${noun} ${typeText(type)}, got ${formatShape(shape)}`;
  return env.session.report('Z302', place.span, message, help === undefined ? {} : { help });
}

/** The usual mistake with attention: heads not split yet. */
function splitHeads(type: TensorTypeExpr, shape: readonly Dim[], place: MatchPlace): string | undefined {
  if (type.dims.length !== 4 || shape.length !== 3 || place.expr === undefined) return undefined;
  const [, heads] = type.dims;
  if (heads?.kind !== 'name' || heads.text !== 'H') return undefined;
  return `split heads: ${sourceText(place.expr.span)} |> rearrange([b, t, (h d)] -> [b, h, t, d], h = heads)`;
}

interface AxisCase {
  readonly tensor: TensorValue;
  readonly axis: number;
  readonly shape: readonly Dim[];
  readonly type: TensorTypeExpr;
}

/** The origin of a matching axis; `false` after a report. */
function matchDim(
  expr: Expr,
  actual: Dim,
  at: AxisCase,
  env: Env,
  place: MatchPlace,
): AxisOrigin | undefined | false {
  let dim = expr;
  while (dim.kind === 'group') dim = dim.inner;
  const origin = at.tensor.axes[at.axis];
  if (dim.kind !== 'name') {
    const value = evaluate(dim, env);
    return compareDim(dim, value, actual, at, env, place, expressionProvenance(dim, value, env));
  }
  const binding = env.scope.find(dim.text);
  if (binding === undefined) return bindDimension(dim.text, dim.span, actual, at, env, place);
  if (binding.dimension === undefined) {
    return compareDim(dim, binding.value, actual, at, env, place, binding.provenance);
  }
  const known = asDim(binding.value);
  if (known !== undefined && sameDim(known, actual)) return origin ?? binding.dimension.origin;
  if (known !== undefined) conflict(dim.text, known, binding, actual, at, env, place);
  return false;
}

function bindDimension(
  name: string,
  span: Span,
  actual: Dim,
  at: AxisCase,
  env: Env,
  place: MatchPlace,
): AxisOrigin | undefined | false {
  if (!/^[A-Z]/.test(name)) {
    unknownName(name, span, env);
    return false;
  }
  const origin = at.tensor.axes[at.axis];
  const source = origin?.giver?.name ?? place.name ?? place.of;
  env.scope.bind(name, { value: dimValue(actual), dimension: { source, origin, span: place.span } });
  return origin;
}

/** E cannot be both 512 and 640: `visual` gives 512 (vision.embed), `text` gives 640 (text.embed) */
function conflict(
  name: string,
  known: Dim,
  binding: Binding,
  actual: Dim,
  at: AxisCase,
  env: Env,
  place: MatchPlace,
): void {
  const first = binding.dimension!;
  const origin = at.tensor.axes[at.axis];
  const second = origin?.giver?.name ?? place.name ?? place.of;
  const side = (source: string, dim: Dim, from: AxisOrigin | undefined) => {
    const path = from?.provenance?.path;
    return `\`${source}\` gives ${formatDim(dim)}${path === undefined ? '' : ` (${path})`}`;
  };
  const labels = [first.origin, origin].flatMap((o, i) => {
    const span = o?.provenance?.span;
    return span === undefined ? [] : [{ span, text: `gives ${formatDim(i === 0 ? known : actual)}` }];
  });
  const user = labels.filter((l) => !isBundled(l.span));
  const primary = user.length === 2 ? user[1]!.span : place.span;
  const fact = `${name} cannot be both ${formatDim(known)} and ${formatDim(actual)}`;
  const message = `${fact}: ${side(first.source, known, first.origin)}, ${side(second, actual, origin)}`;
  env.session.report('Z307', primary, message, {
    ...(user.length === 2 ? { caption: user[1]!.text, labels: [user[0]!] } : { labels: user }),
  });
}

function expressionProvenance(expr: Expr, value: Value, env: Env): Provenance | undefined {
  const size = asDim(value);
  const [from] = provenances(expr, env);
  if (size === undefined || from === undefined) return undefined;
  return { name: sourceText(expr.span), text: formatDim(size), span: from.span };
}

function compareDim(
  expr: Expr,
  declared: Value,
  actual: Dim,
  at: AxisCase,
  env: Env,
  place: MatchPlace,
  provenance: Provenance | undefined,
): AxisOrigin | undefined | false {
  if (declared.kind === 'poison') return false;
  const wanted = asDim(declared);
  if (wanted === undefined) {
    if (notWhole(declared) === undefined)
      mistakes.wrongKind(env.session, expr.span, 'a dimension', 'an int', describe(declared));
    return false;
  }
  if (!sameDim(wanted, actual)) {
    wrongSize(wanted, actual, at, env, place, provenance);
    return false;
  }
  if (provenance === undefined) return at.tensor.axes[at.axis];
  const { instance } = place;
  if (place.role !== 'result' || instance === undefined) return { provenance };
  return { provenance, giver: { name: instance.name, span: instance.span } };
}

function wrongSize(
  wanted: Dim,
  actual: Dim,
  at: AxisCase,
  env: Env,
  place: MatchPlace,
  provenance: Provenance | undefined,
): void {
  const origin = at.tensor.axes[at.axis];
  const expected =
    provenance === undefined ? '' : ` (${provenance.name} = ${provenance.text}, ${placeOf(provenance.span)})`;
  const labels =
    origin?.giver === undefined ? [] : [{ span: origin.giver.span, text: `gives ${formatDim(actual)}` }];
  const got = `got ${formatShape(at.shape)}: axis ${at.axis} differs`;
  const given = `axis ${at.axis} is ${formatDim(actual)}${givenHere(origin)}`;
  const message = `${subject(place)} must be ${typeText(at.type)}, ${got}`;
  env.session.report('Z309', place.span, message, {
    caption: `${given}, wanted ${formatDim(wanted)}${expected}`,
    ...(labels.length === 0 ? {} : { labels }),
  });
}

/** Binds the dimension variables of a type to nothing known, so that their uses stay silent. */
export function poisonDimensions(type: TypeExpr, scope: Scope): void {
  if (type.kind === 'record-type') for (const field of type.fields) poisonDimensions(field.type, scope);
  if (type.kind !== 'tensor-type') return;
  for (const dim of type.dims) {
    if (dim.kind === 'name' && /^[A-Z]/.test(dim.text) && scope.find(dim.text) === undefined) {
      scope.bind(dim.text, { value: poison });
    }
  }
}
