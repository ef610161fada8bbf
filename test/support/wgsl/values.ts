/**
 * Typed expressions of a kernel as JavaScript text: scalars are one expression, vectors one for each component.
 *
 * Every operation rounds as its type does: f32 by `Math.fround`, f16 by the reference's rounding, integers modulo 2^32.
 */
import { type ScalarType, scalar, type Type } from './syntax.ts';

export interface Value {
  readonly type: Type;
  readonly parts: readonly string[];
}

type Name = ScalarType['name'];

export function elementOf(type: Type): ScalarType {
  if (type.kind === 'scalar') return type;
  if (type.kind === 'vec') return type.of;
  throw new Error(`WGSL: a ${type.kind} is no number`);
}

const isAbstract = (name: Name) => name === 'int' || name === 'float';
const isFloat = (name: Name) => name === 'f32' || name === 'f16' || name === 'float';

/** What a value without a type of its own becomes in a declaration. */
export function concrete(type: Type): Type {
  if (type.kind === 'vec') return { ...type, of: concrete(type.of) as ScalarType };
  if (type.kind !== 'scalar' || !isAbstract(type.name)) return type;
  return scalar(type.name === 'int' ? 'i32' : 'f32');
}

/** One component in another type. */
export function convert(part: string, from: Name, to: Name): string {
  if (from === to) return part;
  if (to === 'bool') return `(${part} !== 0)`;
  const number = from === 'bool' ? `(+${part})` : part;
  if (to === 'f32') {
    if (from === 'f16') return number;
    return isAbstract(from) && isLiteral(part)
      ? literal(Math.fround(Number(part.replace(/[()]/g, ''))))
      : `F(${number})`;
  }
  if (to === 'f16') return `H(${number})`;
  const whole = isFloat(from) && from !== 'float' ? `Math.trunc(${number})` : number;
  if (to === 'u32') return isLiteral(part) ? part : `(${whole} >>> 0)`;
  return to === 'i32' ? (isLiteral(part) ? part : `(${whole} | 0)`) : number;
}

const isLiteral = (part: string) => /^\(?-?[\d.]+(e[+-]?\d+)?\)?$/.test(part);

export function literal(value: number): string {
  return value < 0 ? `(${value})` : String(value);
}

export function converted(value: Value, to: ScalarType): Value {
  const from = elementOf(value.type);
  if (from.name === to.name) return value;
  const type: Type = value.type.kind === 'vec' ? { ...value.type, of: to } : to;
  return { type, parts: value.parts.map((part) => convert(part, from.name, to.name)) };
}

/** Values in one type and of one size: numbers without a type follow the others, scalars are repeated. */
export function unified(values: readonly Value[]): Value[] {
  const names = values.map((v) => elementOf(v.type).name);
  const name = names.find((n) => !isAbstract(n)) ?? (names.includes('float') ? 'float' : 'int');
  const wrong = names.find((n) => n !== name && !isAbstract(n));
  if (wrong !== undefined) throw new Error(`WGSL: ${name} meets ${wrong}`);
  const size = Math.max(...values.map((v) => v.parts.length));
  return values.map((value) => sized(converted(value, scalar(name)), size));
}

function sized(value: Value, size: number): Value {
  if (value.parts.length === size) return value;
  if (value.parts.length !== 1)
    throw new Error(`WGSL: a vector of ${value.parts.length} meets one of ${size}`);
  const parts = Array.from({ length: size }, () => value.parts[0]!);
  return { type: { kind: 'vec', size, of: elementOf(value.type) }, parts };
}

/** Rounds the result of arithmetic to its type. */
function rounded(text: string, name: Name): string {
  if (name === 'f32') return `F(${text})`;
  if (name === 'f16') return `H(${text})`;
  if (name === 'u32') return `((${text}) >>> 0)`;
  return name === 'i32' ? `((${text}) | 0)` : `(${text})`;
}

function scalarBinary(op: string, a: string, b: string, name: Name): string {
  const integer = name === 'u32' || name === 'i32';
  if (op === '*' && integer) return rounded(`Math.imul(${a}, ${b})`, name);
  if (op === '>>' && name === 'u32') return `(${a} >>> ${b})`;
  if (op === '&&' || op === '||') return `(${a} ${op} ${b})`;
  return rounded(`${a} ${op} ${b}`, name);
}

const comparisons: Readonly<Record<string, string>> = {
  '==': '===',
  '!=': '!==',
  '<': '<',
  '>': '>',
  '<=': '<=',
  '>=': '>=',
};

export function binary(op: string, left: Value, right: Value): Value {
  const shift = op === '<<' || op === '>>';
  const [a, b] = shift ? [left, right] : (unified([left, right]) as [Value, Value]);
  const { name } = elementOf(a.type);
  const comparison = comparisons[op];
  if (comparison === undefined)
    return { type: a.type, parts: a.parts.map((part, i) => scalarBinary(op, part, b.parts[i]!, name)) };
  const of = scalar('bool');
  const type: Type = a.type.kind === 'vec' ? { ...a.type, of } : of;
  return { type, parts: a.parts.map((part, i) => `(${part} ${comparison} ${b.parts[i]})`) };
}

export function unary(op: string, x: Value): Value {
  const { name } = elementOf(x.type);
  const apply = (part: string) =>
    op === '-'
      ? isFloat(name) || isAbstract(name)
        ? `(-${part})`
        : rounded(`-${part}`, name)
      : op === '!'
        ? `(!${part})`
        : rounded(`~${part}`, name);
  return { type: x.type, parts: x.parts.map(apply) };
}

type Componentwise = (args: readonly string[], name: Name) => string;

const f =
  (text: (args: readonly string[]) => string): Componentwise =>
  (args, name) =>
    rounded(text(args), name);
const exactly =
  (text: (args: readonly string[]) => string): Componentwise =>
  (args) =>
    text(args);

const componentwise: Readonly<Record<string, Componentwise>> = {
  exp: f(([x]) => `Math.exp(${x})`),
  log: f(([x]) => `Math.log(${x})`),
  sqrt: f(([x]) => `Math.sqrt(${x})`),
  inverseSqrt: f(([x]) => `1 / Math.sqrt(${x})`),
  tanh: f(([x]) => `Math.tanh(${x})`),
  // As WGSL has it: through logarithms, so not for negative bases.
  pow: f(([x, y]) => `pow(${x}, ${y})`),
  fma: f(([x, y, z]) => `${x} * ${y} + ${z}`),
  abs: exactly(([x]) => `Math.abs(${x})`),
  sign: exactly(([x]) => `Math.sign(${x})`),
  floor: exactly(([x]) => `Math.floor(${x})`),
  ceil: exactly(([x]) => `Math.ceil(${x})`),
  trunc: exactly(([x]) => `Math.trunc(${x})`),
  // Ties go to the even one; Math.round takes the larger.
  round: exactly(
    ([x]) => `(Math.round(${x}) - (Math.abs(${x} % 1) === 0.5 && Math.round(${x}) % 2 !== 0 ? 1 : 0))`,
  ),
  fract: f(([x]) => `${x} - Math.floor(${x})`),
  min: exactly(([x, y]) => `Math.min(${x}, ${y})`),
  max: exactly(([x, y]) => `Math.max(${x}, ${y})`),
  clamp: exactly(([x, low, high]) => `Math.min(Math.max(${x}, ${low}), ${high})`),
  step: exactly(([edge, x]) => `(${edge} <= ${x} ? 1 : 0)`),
};

/** A built-in function; undefined where there is none of this name. */
export function builtin(name: string, args: readonly Value[]): Value | undefined {
  if (name === 'select') {
    const [no, yes] = unified(args.slice(0, 2)) as [Value, Value];
    const condition = args[2]!.parts;
    return {
      type: no.type,
      parts: no.parts.map((part, i) => `(${condition[i] ?? condition[0]} ? ${yes.parts[i]} : ${part})`),
    };
  }
  if (name === 'dot') {
    const [a, b] = unified(args) as [Value, Value];
    const of = elementOf(a.type);
    return {
      type: of,
      parts: [rounded(a.parts.map((part, i) => `${part} * ${b.parts[i]}`).join(' + '), of.name)],
    };
  }
  if (name === 'any') return { type: scalar('bool'), parts: [`(${args[0]!.parts.join(' || ')})`] };
  if (name === 'bitcast u32') return reread(args[0]!, 'f32', 'u32', 'bits');
  if (name === 'bitcast f32') return reread(args[0]!, 'u32', 'f32', 'ofBits');
  const apply = componentwise[name];
  if (apply === undefined) return undefined;
  const same = unified(args);
  const first = same[0]!;
  return {
    type: first.type,
    parts: first.parts.map((_, i) =>
      apply(
        same.map((v) => v.parts[i]!),
        elementOf(first.type).name,
      ),
    ),
  };
}

/** The same bits as another type; `apply` does it for one component. */
function reread({ type, parts }: Value, from: Name, to: Name, apply: string): Value {
  const { name } = elementOf(type);
  if (name !== from) throw new Error(`WGSL: bits of ${name} as ${to}`);
  const of = scalar(to);
  return {
    type: type.kind === 'vec' ? { ...type, of } : of,
    parts: parts.map((part) => `${apply}(${part})`),
  };
}
