/**
 * Values of a recipe as plain data: numbers, texts, quantities (`2000 steps`), calls (`csv("x.csv", image
 * = "jpg")`) and records.
 *
 * A bare word that nothing binds is a text (`dynamic`, `bicubic`, `f16`), so that options need no quotes;
 * numeric functions (`ln(100)`) are evaluated. Which words and calls a setting accepts is the schema's
 * business.
 */
import type { CallExpr, Expr, RecordExpr } from '../../../grammar/ast.ts';
import type { Span } from '../../../grammar/source.ts';
import { staticBuiltins } from '../builtins/static-builtins.ts';
import type { Quantity, StaticCall, StaticRecord, StaticValueData } from '../types.ts';
import { type Env, evaluate } from '../values/scope.ts';
import { describe } from '../values/values.ts';

const numeric = new Set([
  ...staticBuiltins
    .filter((b) => b.initial === undefined && !b.about.startsWith('initialiser'))
    .map((b) => b.name),
  'max',
  'min',
]);

/** The data of an expression; undefined after a report. */
export function toData(expr: Expr, env: Env): StaticValueData | undefined {
  env.session.spend(expr.span);
  return env.session.deeper(expr.span, () => read(expr, env));
}

function read(expr: Expr, env: Env): StaticValueData | undefined {
  switch (expr.kind) {
    case 'group':
      return toData(expr.inner, env);
    case 'name':
      return env.scope.find(expr.text) === undefined ? expr.text : plain(expr, env);
    case 'call':
      return expr.callee.kind === 'name' && numeric.has(expr.callee.text)
        ? plain(expr, env)
        : callData(expr, env);
    case 'list': {
      const items = expr.items.map((item) => toData(item, env));
      return items.every((i) => i !== undefined) ? items : undefined;
    }
    case 'record':
      return recordData(expr, env);
    case 'quantity':
      return quantity(expr.value, expr.unit.text, expr.span, env);
    default:
      return plain(expr, env);
  }
}

/** A static number, text or bool. */
function plain(expr: Expr, env: Env): StaticValueData | undefined {
  const value = evaluate(expr, env);
  if (value.kind === 'poison') return undefined;
  if (value.kind === 'int' || value.kind === 'float' || value.kind === 'bool' || value.kind === 'string') {
    return value.value;
  }
  env.session.report(
    'Z502',
    expr.span,
    `a recipe takes numbers, texts, lists, records and calls, got ${describe(value)}`,
  );
  return undefined;
}

function quantity(value: Expr, unit: string, span: Span, env: Env): Quantity | undefined {
  const amount = toData(value, env);
  if (amount === undefined) return undefined;
  const name = unit.endsWith('s') ? unit : `${unit}s`;
  if (name !== 'steps' && name !== 'epochs') {
    env.session.report('Z502', span, `unknown unit \`${unit}\``, { help: 'units: steps, epochs' });
    return undefined;
  }
  if (typeof amount === 'number') return { value: amount, unit: name };
  env.session.report('Z502', value.span, `a number of ${name} belongs here`);
  return undefined;
}

/** A call with its arguments as data; undefined after a report. */
export function callData(expr: CallExpr, env: Env): StaticCall | undefined {
  if (expr.callee.kind !== 'name') {
    env.session.report('Z502', expr.span, 'only a name can be called in a recipe');
    return undefined;
  }
  const args: StaticValueData[] = [];
  const named: Record<string, StaticValueData> = Object.create(null) as Record<string, StaticValueData>;
  let ok = true;
  for (const { name, value, span } of expr.args) {
    const data = toData(value, env);
    if (data === undefined) ok = false;
    else if (name === undefined) args.push(data);
    else if (Object.hasOwn(named, name.text)) {
      env.session.report('Z505', span, `\`${name.text}\` is given twice`);
      ok = false;
    } else named[name.text] = data;
  }
  return ok ? { name: expr.callee.text, args, named: { ...named }, span: expr.span } : undefined;
}

function recordData({ fields, span }: RecordExpr, env: Env): StaticRecord | undefined {
  const found = new Map<string, StaticValueData>();
  let ok = true;
  for (const { name, value } of fields) {
    const data = toData(value, env);
    if (data === undefined) ok = false;
    else if (found.has(name.text)) {
      env.session.report('Z505', name.span, `\`${name.text}\` is given twice`);
      ok = false;
    } else found.set(name.text, data);
  }
  return ok ? { fields: Object.fromEntries(found), span } : undefined;
}

export function isRecord(data: StaticValueData | undefined): data is StaticRecord {
  return typeof data === 'object' && !Array.isArray(data) && 'fields' in data;
}

export function isCall(data: StaticValueData | undefined): data is StaticCall {
  return typeof data === 'object' && !Array.isArray(data) && 'args' in data;
}

function isQuantity(data: StaticValueData): data is Quantity {
  return typeof data === 'object' && !Array.isArray(data) && 'unit' in data;
}

/** Data as a recipe writes it. */
export function formatData(data: StaticValueData): string {
  if (typeof data === 'string') return JSON.stringify(data);
  if (typeof data !== 'object') return String(data);
  if (isQuantity(data)) return `${data.value} ${data.unit}`;
  if (isCall(data)) return `${data.name}(...)`;
  if (isRecord(data)) {
    const fields = Object.entries(data.fields).map(([name, value]) => `${name} = ${formatData(value)}`);
    return `{ ${fields.join(', ')} }`;
  }
  return `[${data.map(formatData).join(', ')}]`;
}
