/**
 * Arithmetic of the static world: exact integers, floats, comparisons, and dimensions that are still open.
 *
 * Integer `/` with a remainder gives a float, which is an error (Z306) where an int belongs; integers stay within 2^53 and floats finite (Z313): a wrong configuration
 * shows here, not as a crash on the GPU.
 */
import type { BinaryExpr, BinaryOp, Expr } from '../../../grammar/ast.ts';
import type { Span } from '../../../grammar/source.ts';
import { addDims, divideDims, multiplyDims, subtractDims } from '../../graph/dims.ts';
import type { Dim } from '../../graph/types.ts';
import { sameDim } from '../../graph/types.ts';
import * as mistakes from '../values/mistakes.ts';
import { namesIn } from '../values/names-in.ts';
import type { Env } from '../values/scope.ts';
import { placeOf, type Session } from '../values/session.ts';
import type { NumberValue, Poison, Provenance, Value } from '../values/values.ts';
import { bool, describe, float, formatValue, int, isNumber } from '../values/values.ts';

/** Provenance of the static names in an expression, in order: where a person can change its value. */
export function provenances(expr: Expr, env: Env): Provenance[] {
  const found = new Set<Provenance>();
  for (const { text } of namesIn(expr)) {
    const provenance = env.scope.find(text)?.provenance;
    if (provenance !== undefined) found.add(provenance);
  }
  return [...found];
}

/** `width = 100 at mine.zoo:3` for each static name of an expression. */
function givenBy(expr: Expr, env: Env): { notes?: string[] } {
  const notes = provenances(expr, env).map((p) => `${p.name} = ${p.text} at ${placeOf(p.span)}`);
  return notes.length === 0 ? {} : { notes };
}

export function checkedInt(session: Session, span: Span, value: number): Value {
  if (Number.isSafeInteger(value)) return int(value === 0 ? 0 : value);
  return session.report('Z313', span, 'this int does not fit into 53 bits');
}

export function checkedFloat(session: Session, span: Span, value: number): Value {
  if (Number.isFinite(value)) return float(value);
  return session.report('Z313', span, 'this has no finite value');
}

export function dimValue(dim: Dim): Value {
  return typeof dim === 'number' ? int(dim) : { kind: 'dim', dim };
}

export function asDim(value: Value): Dim | undefined {
  if (value.kind === 'int') return value.value;
  return value.kind === 'dim' ? value.dim : undefined;
}

/** A binary operation on two static values, neither of them poison. */
export function staticBinary(expr: BinaryExpr, left: Value, right: Value, env: Env): Value {
  const { op } = expr;
  if (op === '==' || op === '!=') return equality(expr, left, right, env);
  if (left.kind === 'dim' || right.kind === 'dim') return openArithmetic(expr, left, right, env);
  if (!isNumber(left) || !isNumber(right)) {
    const wrong = isNumber(left) ? right : left;
    const shown = `${formatValue(left)} ${op} ${formatValue(right)}`;
    return mistakes.notNumbers(env.session, expr.span, op, describe(wrong), shown);
  }
  if (op === '<' || op === '<=' || op === '>' || op === '>=')
    return bool(compare(op, left.value, right.value));
  if (op === '@') return env.session.report('Z209', expr.span, '`@` multiplies matrices, these are numbers');
  if (left.kind === 'int' && right.kind === 'int') return integers(expr, left.value, right.value, env);
  return inherit(floats(expr, left.value, right.value, env), left, right);
}

/** What a float owes to a division with a remainder stays known, so that a size made from it names the division. */
function inherit(result: Value, ...from: readonly NumberValue[]): Value {
  const notWhole = from.find((n) => n.notWhole !== undefined)?.notWhole;
  return result.kind === 'float' && notWhole !== undefined ? { ...result, notWhole } : result;
}

function equality(expr: BinaryExpr, left: Value, right: Value, env: Env): Value {
  const equal = staticEqual(left, right);
  if (equal === undefined) {
    const message = `cannot compare ${describe(left)} with ${describe(right)}`;
    return env.session.report('Z209', expr.span, message);
  }
  return bool(expr.op === '==' ? equal : !equal);
}

function staticEqual(left: Value, right: Value): boolean | undefined {
  if (isNumber(left) && isNumber(right)) return left.value === right.value;
  if (left.kind === 'string' && right.kind === 'string') return left.value === right.value;
  if (left.kind === 'bool' && right.kind === 'bool') return left.value === right.value;
  if (left.kind === 'dim' && right.kind === 'dim' && sameDim(left.dim, right.dim)) return true;
  if (left.kind === 'fn' && right.kind === 'fn') return left.decl === right.decl;
  if (left.kind === 'block' && right.kind === 'block') return left.decl === right.decl;
  if (left.kind === 'list' && right.kind === 'list') {
    if (left.items.length !== right.items.length) return false;
    return left.items.every((item, i) => staticEqual(item, right.items[i]!) === true);
  }
  return undefined;
}

function compare(op: BinaryOp, a: number, b: number): boolean {
  if (op === '<') return a < b;
  if (op === '<=') return a <= b;
  return op === '>' ? a > b : a >= b;
}

function integers(expr: BinaryExpr, a: number, b: number, env: Env): Value {
  const { op, span } = expr;
  const { session } = env;
  if ((op === '/' || op === '%') && b === 0) {
    return session.report('Z313', span, `${a} ${op} 0 has no value`, givenBy(expr.right, env));
  }
  if (op === '+') return checkedInt(session, span, a + b);
  if (op === '-') return checkedInt(session, span, a - b);
  if (op === '*') return checkedInt(session, span, a * b);
  if (op === '%') return checkedInt(session, span, ((a % b) + Math.abs(b)) % Math.abs(b));
  if (op === '/' && a % b === 0) return checkedInt(session, span, a / b);
  if (op === '/') return { kind: 'float', value: a / b, notWhole: () => inexact(expr, a, b, env) };
  return b >= 0 ? checkedInt(session, span, a ** b) : checkedFloat(session, span, a ** b);
}

function inexact(expr: BinaryExpr, a: number, b: number, env: Env): Poison {
  const quotient = Math.floor(a / b);
  const places = provenances(expr.left, env);
  const user = places.find((p) => !p.span.file.path.startsWith('zooc:'));
  const below = quotient * b;
  const near = [below, below + b].filter((n) => n > 0);
  const name = expr.left.kind === 'name' ? expr.left.text : undefined;
  const library = expr.span.file.path.startsWith('zooc:') && user !== undefined;
  const note = library ? [`needed in ${placeOf(expr.span)}`] : (givenBy(expr, env).notes ?? []);
  return env.session.report(
    'Z306',
    library ? user.span : expr.span,
    `${named(expr, a, b)} is not a whole number`,
    {
      caption: `${a} = ${quotient} * ${b} + ${a - below}`,
      ...(note.length === 0 ? {} : { notes: note }),
      ...(name !== undefined && near.length > 0
        ? { help: `nearest ${name} that works: ${near.join(', ')}` }
        : {}),
    },
  );
}

/** `width / 64 = 100 / 64`, or just the numbers where the text is only numbers. */
function named(expr: BinaryExpr, a: number, b: number): string {
  const text = expr.span.file.text.slice(expr.span.start, expr.span.end).replace(/\s+/g, ' ');
  const numbers = `${a} / ${b}`;
  return text === numbers || text.length > 40 ? numbers : `${text} = ${numbers}`;
}

function floats(expr: BinaryExpr, a: number, b: number, env: Env): Value {
  const { op, span } = expr;
  const { session } = env;
  if (op === '+') return checkedFloat(session, span, a + b);
  if (op === '-') return checkedFloat(session, span, a - b);
  if (op === '*') return checkedFloat(session, span, a * b);
  if (op === '/') return checkedFloat(session, span, a / b);
  if (op === '%') return checkedFloat(session, span, a - b * Math.floor(a / b));
  return checkedFloat(session, span, a ** b);
}

/** `2 * B`, `B / B`: arithmetic with a batch that has no number yet, as far as the result is a size. */
function sizeArithmetic(op: BinaryOp, left: Value, right: Value): Dim | undefined {
  const a = asDim(left);
  const b = asDim(right);
  const combine = {
    '+': addDims,
    '-': subtractDims,
    '*': (x: Dim, y: Dim) => multiplyDims([x, y]),
    '/': divideDims,
  }[op as '+' | '-' | '*' | '/'];
  return a === undefined || b === undefined || combine === undefined ? undefined : combine(a, b);
}

/**
 * Whether an open size meets a number, or another size, in a way that gives no size: `N - 1`, `N / 2`,
 * `N > 1`. Where tensors are computed, the graph then computes it as a number.
 */
export function isOpenNumber(op: BinaryOp, left: Value, right: Value): boolean {
  const [a, b] = [left, right].map((v) => v.kind === 'dim');
  if ((!a && !b) || !((a || isNumber(left)) && (b || isNumber(right))) || op === '@') return false;
  if (op === '==' || op === '!=') return staticEqual(left, right) === undefined;
  return sizeArithmetic(op, left, right) === undefined;
}

function openArithmetic(expr: BinaryExpr, left: Value, right: Value, env: Env): Value {
  const result = sizeArithmetic(expr.op, left, right);
  if (result !== undefined) return dimValue(result);
  const open = formatValue(left.kind === 'dim' ? left : right);
  return env.session.report('Z313', expr.span, `${open} is open until a batch size is chosen`, {
    caption: 'has no number yet',
  });
}
