/**
 * Pieces of WGSL that several kernel families print: constants, map programs, index arithmetic.
 *
 * A map program is printed either for scalars or for vec4 values; both from one table of expressions, so that a fused
 * chain and its vectorised form cannot differ.
 */
import type {
  BinaryMapOp,
  ElementwiseOp,
  FloatBinaryOp,
  MapInstruction,
  MapProgram,
  UnaryMapOp,
} from '../ops/map-program.ts';
import { isUnary } from '../ops/scalar.ts';

export type Lanes = 1 | 4;

/** An f32 literal that reads back to the same number. */
export function literal(value: number): string {
  if (!Number.isFinite(value)) throw new Error(`no WGSL literal for ${value}`);
  const text = String(Math.fround(value));
  return `${/[.e]/.test(text) ? text : `${text}.0`}f`;
}

const floatType = (lanes: Lanes) => (lanes === 4 ? 'vec4<f32>' : 'f32');
const splat = (lanes: Lanes, value: string) => (lanes === 4 ? `vec4<f32>(${value})` : value);

const unary: Record<UnaryMapOp, (x: string, lanes: Lanes) => string> = {
  neg: (x) => `-(${x})`,
  exp: (x) => `exp(${x})`,
  ln: (x) => `log(${x})`,
  // tanh overflows in some implementations for large arguments; its value there is ±1.
  tanh: (x, lanes) => `tanh(clamp(${x}, ${splat(lanes, '-15.0')}, ${splat(lanes, '15.0')}))`,
  erf: (x, lanes) => `erf_${lanes}(${x})`,
  sqrt: (x) => `sqrt(${x})`,
  rsqrt: (x) => `inverseSqrt(${x})`,
  sigmoid: (x) => `(1.0 / (1.0 + exp(-(${x}))))`,
  relu: (x, lanes) => `max(${x}, ${splat(lanes, '0.0')})`,
  abs: (x) => `abs(${x})`,
  step: (x, lanes) => `select(${splat(lanes, '0.0')}, ${splat(lanes, '1.0')}, ${x} > ${splat(lanes, '0.0')})`,
};

const binary: Record<FloatBinaryOp, (a: string, b: string, lanes: Lanes) => string> = {
  add: (a, b) => `(${a} + ${b})`,
  sub: (a, b) => `(${a} - ${b})`,
  mul: (a, b) => `(${a} * ${b})`,
  div: (a, b) => `(${a} / ${b})`,
  pow: (a, b, lanes) => `power_${lanes}(${a}, ${b})`,
  maximum: (a, b) => `max(${a}, ${b})`,
  minimum: (a, b) => `min(${a}, ${b})`,
  equal: (a, b, lanes) => `select(${splat(lanes, '0.0')}, ${splat(lanes, '1.0')}, ${a} == ${b})`,
};

/** i32 operations: those of WGSL wrap around; quotients and remainders are made to floor. */
const integer: Partial<Record<UnaryMapOp | BinaryMapOp, (a: string, b: string, lanes: Lanes) => string>> = {
  neg: (x) => `-(${x})`,
  abs: (x) => `abs(${x})`,
  add: (a, b) => `(${a} + ${b})`,
  sub: (a, b) => `(${a} - ${b})`,
  mul: (a, b) => `(${a} * ${b})`,
  div: (a, b, lanes) => `floor_div_${lanes}(${a}, ${b})`,
  mod: (a, b, lanes) => `floor_mod_${lanes}(${a}, ${b})`,
  maximum: (a, b) => `max(${a}, ${b})`,
  minimum: (a, b) => `min(${a}, ${b})`,
};

/** WGSL divides towards zero; x / 0 is x there and x % 0 is 0. */
const floorSource = (lanes: Lanes) => {
  const t = lanes === 4 ? 'vec4<i32>' : 'i32';
  const apart = `(r != ${t}(0)) & ((r < ${t}(0)) != (b < ${t}(0)))`;
  return `fn floor_div_${lanes}(a: ${t}, b: ${t}) -> ${t} {
  let q = a / b;
  let r = a - q * b;
  return select(q - select(${t}(0), ${t}(1), ${apart}), ${t}(0), b == ${t}(0));
}
fn floor_mod_${lanes}(a: ${t}, b: ${t}) -> ${t} {
  let r = a % b;
  return select(r, r + b, ${apart});
}
`;
};

/** Exponents up to this are products. */
const mostFactors = 1024;

/** The exponent of a `pow` where it is a whole number known here. */
function staticExponent(
  { inputs, instructions }: MapProgram,
  { op, args }: MapInstruction,
): number | undefined {
  const exponent = op === 'pow' ? instructions[args[1]! - inputs] : undefined;
  if (exponent?.op !== 'constant' || !Number.isInteger(exponent.value)) return undefined;
  return Math.abs(exponent.value) <= mostFactors ? exponent.value : undefined;
}

/** x^n by repeated squaring, for any sign of x and n; x^0 is 1. Squares become `let`s in `lines`. */
function printStaticPower(x: string, n: number, lanes: Lanes, name: string, lines: string[]): string {
  const factors: string[] = [];
  let square = x;
  for (let rest = Math.abs(n); rest > 0; rest = Math.floor(rest / 2)) {
    if (rest % 2 === 1) factors.push(square);
    if (rest < 2) break;
    const next = `${name}_${lines.length}`;
    lines.push(`let ${next} = ${square} * ${square};`);
    square = next;
  }
  const power = factors.length === 0 ? splat(lanes, '1.0') : factors.join(' * ');
  return n < 0 ? `(${splat(lanes, '1.0')} / (${power}))` : `(${power})`;
}

/** x^y: WGSL's own, which knows positive x alone, for whole y of either sign of x; anything to the power of 0 is 1. */
const powerSource = (lanes: Lanes) => {
  const t = floatType(lanes);
  return `fn power_${lanes}(x: ${t}, y: ${t}) -> ${t} {
  let size = pow(abs(x), y);
  let odd = fract(y * 0.5) != ${t}(0.0);
  let negative = (x < ${t}(0.0)) & (fract(y) == ${t}(0.0));
  let signed = select(select(pow(x, y), size, (x >= ${t}(0.0)) | negative), -size, negative & odd);
  return select(signed, ${t}(1.0), y == ${t}(0.0));
}
`;
};

/**
 * erf to about 1 ULP of 1 (absolute 1.2e-7): below 1 its Maclaurin series (12 terms), above the continued
 * Chebyshev fit of erfc with fractional error 1.2e-7 (Numerical Recipes, section 6.2, `erfcc`).
 */
const erfSource = (lanes: Lanes) => {
  const t = floatType(lanes);
  const series: string[] = [];
  let factorial = 1;
  const coefficients: number[] = [];
  for (let n = 0; n <= 11; n++) {
    if (n > 0) factorial *= n;
    coefficients.push((n % 2 === 0 ? 1 : -1) / (factorial * (2 * n + 1)));
  }
  series.push(`var p = ${t}(${literal(coefficients[11]!)});`);
  for (let n = 10; n >= 0; n--) series.push(`p = p * x2 + ${literal(coefficients[n]!)};`);
  const fit = [
    -1.26551223, 1.00002368, 0.37409196, 0.09678418, -0.18628806, 0.27886807, -1.13520398, 1.48851587,
    -0.82215223, 0.17087277,
  ];
  const tail = [`var q = ${t}(${literal(fit[9]!)});`];
  for (let n = 8; n >= 0; n--) tail.push(`q = q * k + ${literal(fit[n]!)};`);
  return `fn erf_${lanes}(x: ${t}) -> ${t} {
  let x2 = x * x;
  ${series.join('\n  ')}
  let near = x * p * ${literal(2 / Math.sqrt(Math.PI))};
  let z = min(abs(x), ${t}(10.0));
  let k = 1.0 / (1.0 + 0.5 * z);
  ${tail.join('\n  ')}
  let far = sign(x) * (1.0 - k * exp(-z * z + q));
  return select(far, near, abs(x) < ${t}(1.0));
}
`;
};

/**
 * A loop bound that no shader compiler can see through: `zero` is an expression that is 0 in every dispatch, such as the z component
 * of an invocation's number where the grid is one layer deep.
 *
 * Software adapters unroll loops of constant length up to 32 or so; a row kernel's few loads then become thousands of
 * instructions that take LLVM tens of seconds and run no faster (measured on lavapipe of Mesa 25: 20 s against 0.1 s).
 * Mesa derives a longest trip count from `min`, and unrolls by it; not from `max`.
 */
export function hiddenBound(count: number, zero: string): string {
  return `max(${count}u, ${zero})`;
}

/** Helper functions a program needs, to be printed before `main`. */
export function programHelpers(program: MapProgram, lanes: Lanes): string {
  const uses = (...names: MapInstruction['op'][]) => program.instructions.some((i) => names.includes(i.op));
  if (program.element === 'i32') return uses('div', 'mod') ? floorSource(lanes) : '';
  const power = program.instructions.some((i) => i.op === 'pow' && staticExponent(program, i) === undefined);
  return (uses('erf') ? erfSource(lanes) : '') + (power ? powerSource(lanes) : '');
}

/** An operation over printed arguments, in the program's element type. */
function printOperation(
  { element }: MapProgram,
  op: ElementwiseOp,
  args: readonly string[],
  lanes: Lanes,
): string {
  const [a, b] = args as readonly [string, string];
  if (element === 'i32') {
    const print = integer[op];
    if (print === undefined) throw new Error(`${op} has no form in i32`);
    return print(a, b, lanes);
  }
  if (op === 'mod') throw new Error('mod has no form in f32');
  return isUnary(op) ? unary[op](a, lanes) : binary[op](a, b, lanes);
}

/**
 * One WGSL expression for a program over named input values. Values used more than once become `let`s in `lines`.
 */
export function printProgram(
  program: MapProgram,
  inputs: readonly string[],
  lanes: Lanes,
  prefix: string,
): { lines: string[]; result: string } {
  const lines: string[] = [];
  const values = [...inputs];
  program.instructions.forEach((instruction, i) => {
    const args = instruction.args.map((a) => values[a]!);
    if (instruction.op === 'constant') {
      values.push(splat(lanes, literal(instruction.value)));
      return;
    }
    const exponent = staticExponent(program, instruction);
    const expression =
      exponent === undefined
        ? printOperation(program, instruction.op, args, lanes)
        : printStaticPower(args[0]!, exponent, lanes, `${prefix}${i}`, lines);
    lines.push(`let ${prefix}${i} = ${expression};`);
    values.push(`${prefix}${i}`);
  });
  return { lines, result: values.at(-1)! };
}

const arithmetic = new Set(['add', 'sub', 'mul', 'div', 'neg']);

/** An f32 program of plain arithmetic as one expression, right for scalars and vec4s alike; undefined for any other. */
export function arithmeticExpression(program: MapProgram, inputs: readonly string[]): string | undefined {
  if (program.element === 'i32') return undefined;
  const values = [...inputs];
  for (const instruction of program.instructions) {
    if (instruction.op === 'constant') {
      values.push(literal(instruction.value));
      continue;
    }
    if (!arithmetic.has(instruction.op)) return undefined;
    const [a, b] = instruction.args.map((i) => values[i]!);
    values.push(
      b === undefined
        ? `(${unary[instruction.op as UnaryMapOp](a!, 1)})`
        : binary[instruction.op as FloatBinaryOp](a!, b, 1),
    );
  }
  return values.at(-1);
}

/** `offset + c0 * s0 + c1 * s1 ...` as u32 WGSL; zero strides vanish. */
export function affine(offset: number, terms: readonly (readonly [string, number])[]): string {
  const parts = terms
    .filter(([, stride]) => stride !== 0)
    .map(([name, stride]) => (stride === 1 ? name : `${name} * ${stride}u`));
  if (offset !== 0 || parts.length === 0) parts.unshift(`${offset}u`);
  return parts.join(' + ');
}

/** Splits a linear index into coordinates of `shape`: `let PREFIX0 = ...;` and so on, outermost first. */
export function printCoordinates(linear: string, shape: readonly number[], prefix: string): string[] {
  const lines: string[] = [];
  let rest = linear;
  for (let axis = shape.length - 1; axis > 0; axis--) {
    lines.push(`let ${prefix}${axis} = ${rest} % ${shape[axis]}u;`);
    lines.push(`let ${prefix}_rest${axis} = ${rest} / ${shape[axis]}u;`);
    rest = `${prefix}_rest${axis}`;
  }
  lines.push(`let ${prefix}0 = ${rest};`);
  return lines;
}
