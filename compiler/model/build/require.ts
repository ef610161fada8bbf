/**
 * `require COND else "text with {holes}"`: the static conditions of a block.
 *
 * A failed condition is shown where the offending number was written. For `a % b == 0` the nearest numbers
 * that work are named: other sizes a (Z304), or other divisors b where nothing is built with b, such as a
 * count of heads that the forward pass splits by (Z305). Another b then leaves every weight as it is.
 */
import type { BinaryExpr, BlockDecl, Expr, RequireMember, StringExpr } from '../../../grammar/ast.ts';
import type { Span } from '../../../grammar/source.ts';
import { condition } from '../evaluate/operators.ts';
import { unknownName } from '../modules/imports.ts';
import { provenances } from '../nodes/arithmetic.ts';
import { namesIn } from '../values/names-in.ts';
import { type Env, evaluate } from '../values/scope.ts';
import { isBundled, placeOf, sourceText } from '../values/session.ts';
import type { Provenance } from '../values/values.ts';
import { formatValue } from '../values/values.ts';

/** False if the condition does not hold or could not be evaluated. */
export function checkRequire(member: RequireMember, block: BlockDecl, env: Env): boolean {
  const holds = condition(member.condition, env, '`require`');
  if (holds !== false) return holds === true;
  const text = member.message === undefined ? undefined : fillHoles(member.message, env);
  const message = text ?? `${sourceText(member.condition.span)} does not hold`;
  const division = remainder(member.condition, env);
  const origins = provenances(member.condition, env);
  if (division === undefined) report('Z308', member, message, origins, env, {});
  else if (onlyComputesWith(division.expr.right, block)) {
    const help = divisorsNear(division, member.message);
    const at = provenances(division.expr.right, env);
    report('Z305', member, message, [...at, ...origins], env, help);
  } else {
    const help = multiplesNear(division.dividend, division.divisor);
    const { dividend: a, divisor: b } = division;
    const caption = `${a} = ${Math.floor(a / b)} * ${b} + ${a % b}`;
    report('Z304', member, message, origins, env, { caption, ...help });
  }
  return false;
}

/** Whether a number is a parameter that is neither a part of weights or children nor of what leads to them. */
function onlyComputesWith(expr: Expr, block: BlockDecl): boolean {
  const { params, members } = block;
  if (expr.kind === 'group') return onlyComputesWith(expr.inner, block);
  if (expr.kind !== 'name' || !params.some(({ name }) => name.text === expr.text)) return false;
  const built = members.filter(({ kind }) => !['require', 'forward', 'entry'].includes(kind));
  return ![...namesIn([params, built])].some(({ text }) => text === expr.text);
}

function report(
  code: 'Z304' | 'Z305' | 'Z308',
  member: RequireMember,
  message: string,
  origins: readonly Provenance[],
  env: Env,
  extras: { caption?: string; help?: string },
): void {
  const user = origins.filter((o) => !isBundled(o.span));
  const [first] = user.length > 0 ? user : origins;
  const labels: { span: Span; text: string }[] = [];
  for (const other of user.slice(1)) {
    if (other.span !== first?.span && !labels.some((l) => l.span === other.span)) {
      labels.push({ span: other.span, text: `${other.name} = ${other.text}` });
    }
  }
  env.session.report(code, first?.span ?? member.span, message, {
    ...extras,
    ...(labels.length === 0 ? {} : { labels }),
    ...(first === undefined ? {} : { notes: [`required at ${placeOf(member.span)}`] }),
  });
}

interface Division {
  readonly expr: BinaryExpr;
  readonly dividend: number;
  readonly divisor: number;
  readonly divisorName: string;
}

/** The parts of `a % b == 0` with positive numbers. */
function remainder(condition: Expr, env: Env): Division | undefined {
  const ungrouped = (e: Expr): Expr => (e.kind === 'group' ? ungrouped(e.inner) : e);
  const top = ungrouped(condition);
  if (top.kind !== 'binary' || top.op !== '==') return undefined;
  const expr = ungrouped(top.left);
  const zero = ungrouped(top.right);
  if (expr.kind !== 'binary' || expr.op !== '%' || zero.kind !== 'int' || zero.value !== 0) return undefined;
  const dividend = evaluate(expr.left, env);
  const divisor = evaluate(expr.right, env);
  if (dividend.kind !== 'int' || divisor.kind !== 'int' || divisor.value <= 0 || dividend.value <= 0)
    return undefined;
  return { expr, dividend: dividend.value, divisor: divisor.value, divisorName: sourceText(expr.right.span) };
}

function multiplesNear(a: number, b: number): { help: string } {
  const below = Math.floor(a / b) * b;
  const near = [below, below + b].filter((n) => n > 0);
  return { help: `nearest sizes that work: ${near.join(', ')}` };
}

/** With the divisor's name, unless the message tells it. */
function divisorsNear(division: Division, message: StringExpr | undefined): { help?: string } {
  const { dividend: a, divisor: b, divisorName: name } = division;
  if (a > 1e7) return {};
  let below = Math.min(b, a);
  while (a % below !== 0) below--;
  let above = b;
  while (above <= a && a % above !== 0) above++;
  const near = above <= a ? [below, above] : [below];
  const told = message !== undefined && holesOf(message).some((h) => h.name === name);
  return { help: `divisors near ${b}: ${near.join(', ')}${told ? '' : ` (${name})`}` };
}

const hole = /\{([A-Za-z_][A-Za-z0-9_]*)\}/g;

/** The message with `{name}` replaced by values; `{` that opens no name stays. */
function fillHoles(message: StringExpr, env: Env): string {
  return message.value.replace(hole, (text, name: string) => {
    const bound = env.scope.find(name);
    if (bound !== undefined) return formatValue(bound.value);
    unknownName(name, holeSpan(message, text), env);
    return text;
  });
}

/** The names in `{holes}` of a message and where they stand. */
export function holesOf(message: StringExpr): { readonly name: string; readonly span: Span }[] {
  return [...message.value.matchAll(hole)].map(([text, name]) => ({
    name: name!,
    span: holeSpan(message, text),
  }));
}

function holeSpan(message: StringExpr, text: string): Span {
  const { file, start, end } = message.span;
  const at = file.text.slice(start, end).indexOf(text);
  return at < 0 ? message.span : { file, start: start + at + 1, end: start + at + text.length - 1 };
}
