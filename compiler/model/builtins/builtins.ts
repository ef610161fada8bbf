/**
 * Built-in functions: what each takes, and what it gives over static values or tensors.
 *
 * A row of the tables is all that the checker, the tracer and the reference page know about a built-in. Most
 * words over tensors come from the ops themselves (words.ts); some of the static world also exist for tensors
 * (`exp`, `max`).
 */
import type { Span } from '../../../grammar/source.ts';
import { type Actual, actualValue, bindArguments, type Formal } from '../nodes/arguments.ts';
import type { Builtin, BuiltinParameter, ParameterKind } from '../values/builtin.ts';
import { linksOf } from '../values/instance.ts';
import type { Env } from '../values/scope.ts';
import { describe, isNumber, notWhole, poison, type Value } from '../values/values.ts';
import { imageBuiltins } from './image-builtins.ts';
import { movingBuiltins } from './moving-builtins.ts';
import { randomBuiltins } from './random-builtins.ts';
import type { BuiltinRow } from './row.ts';
import { samplingBuiltins } from './sampling-builtins.ts';
import { staticBuiltins } from './static-builtins.ts';
import { tensorBuiltins } from './tensor-builtins.ts';
import { words } from './words.ts';

/** Those over tensors that take numbers too (`max`) give a number for numbers; all others always a tensor, or a record of them. */
const overTensors = [
  ...words,
  ...tensorBuiltins,
  ...movingBuiltins,
  ...imageBuiltins,
  ...samplingBuiltins,
  ...randomBuiltins,
].map((row): BuiltinRow => {
  const takesNumbers = row.parameters.some((p) => p.kind === 'value' || p.kind === 'summands');
  return takesNumbers || row.fields ? row : { ...row, world: 'tensor' };
});
const rows: readonly BuiltinRow[] = [...staticBuiltins, ...overTensors];
const table = new Map(rows.map((row) => [row.name, row]));

export function builtinNamed(name: string): Builtin | undefined {
  return table.get(name);
}

export function builtinNames(): string[] {
  return [...table.keys()];
}

/** Parameters for argument binding and messages. */
export function builtinFormals(builtin: Builtin): Formal[] {
  const shown = builtin.variadic === true ? builtin.parameters.slice(1) : builtin.parameters;
  return shown.map((p) => ({ name: p.name, type: p.kind, required: p.optional !== true }));
}

export function callBuiltin(builtin: Builtin, actuals: readonly Actual[], span: Span, env: Env): Value {
  const { name } = builtin;
  const callee = {
    name,
    formals: builtinFormals(builtin),
    variadic: builtin.variadic === true,
    openNames: builtin.openNames === true,
  };
  const bound = bindArguments(env.session, callee, actuals, span);
  const values = new Map<string, Value>();
  const spans = new Map<string, Span>();
  let ok = bound.ok;
  for (const [key, actual] of bound.byName) {
    const parameter = builtin.parameters.find((p) => p.name === key) ?? { name: key, kind: 'dim' as const };
    const value = checkKind(builtin, parameter, actualValue(actual, env), actual.span, env);
    if (value.kind === 'poison') ok = false;
    values.set(key, value);
    spans.set(key, actual.span);
  }
  const leading = bound.leading.map((actual) => {
    const value = checkKind(builtin, builtin.parameters[0]!, actualValue(actual, env), actual.span, env);
    if (value.kind === 'poison') ok = false;
    return { value, span: actual.span };
  });
  return ok ? table.get(name)!.apply({ env, span, name, values, spans, leading }) : poison;
}

function checkKind(builtin: Builtin, parameter: BuiltinParameter, value: Value, span: Span, env: Env): Value {
  if (value.kind === 'poison' || fits(parameter.kind, value)) return value;
  const integer = integerKinds.has(parameter.kind);
  const fraction = integer ? notWhole(value) : undefined;
  if (fraction !== undefined) return fraction;
  const wanted = wantedText[parameter.kind];
  const what = `\`${parameter.name}\` of ${builtin.name}`;
  const help =
    parameter.kind === 'pattern' ? '[b, c, h, w] -> [b, (h w), c]' : integer ? sizeHelp(value) : undefined;
  const extras = help === undefined ? {} : { help };
  return env.session.report('Z209', span, `${what} must be ${wanted}, got ${describe(value)}`, extras);
}

/** Kinds of parameters that take ints. */
const integerKinds: ReadonlySet<ParameterKind> = new Set(['int', 'axis', 'axes', 'dim', 'shape']);

/** `N - 1` is computed on the device; what the compiler must know is a number or a multiple of the batch. */
function sizeHelp(value: Value): string | undefined {
  const computed = isTensorValue(value) || (value.kind === 'list' && value.items.some(isTensorValue));
  return computed ? 'sizes are static: an int, or a multiple of the batch such as `2 * N`' : undefined;
}

const wantedText: Readonly<Record<ParameterKind, string>> = {
  tensor: 'a tensor',
  tensors: 'a tensor or a list of tensors',
  summands: 'a tensor or a list',
  mask: 'a tensor or a bool',
  value: 'a tensor or a number',
  number: 'a number',
  int: 'an int',
  bool: 'a bool',
  string: 'a string',
  axis: 'an axis (an int)',
  axes: 'an axis or a list of axes',
  dim: 'an int',
  shape: 'a list of sizes',
  list: 'a list',
  child: 'a child block',
  pattern: 'an axis pattern',
};

function isTensorValue(value: Value): boolean {
  return value.kind === 'tensor' || value.kind === 'weight';
}

function fits(kind: ParameterKind, value: Value): boolean {
  const tensor = isTensorValue(value);
  const size = value.kind === 'int' || value.kind === 'dim';
  switch (kind) {
    case 'tensor':
      return tensor;
    case 'tensors':
      return tensor || (value.kind === 'list' && value.items.every(isTensorValue));
    case 'summands':
      return tensor || (value.kind === 'list' && value.items.every((i) => isTensorValue(i) || isNumber(i)));
    case 'mask':
      return tensor || value.kind === 'bool';
    case 'value':
      return tensor || isNumber(value) || value.kind === 'dim';
    case 'number':
      return isNumber(value);
    case 'axis':
      return value.kind === 'int';
    case 'axes':
      return value.kind === 'int' || (value.kind === 'list' && value.items.every((i) => i.kind === 'int'));
    case 'dim':
      return size;
    case 'shape':
      return value.kind === 'list' && value.items.every((i) => i.kind === 'int' || i.kind === 'dim');
    case 'child':
      return value.kind === 'instance';
    case 'list':
      return value.kind === 'list' || linksOf(value) !== undefined;
    default:
      return value.kind === kind;
  }
}
