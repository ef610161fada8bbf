/**
 * The elementwise functions on f64 numbers, and the interpreter of fused chains made of them.
 *
 * The same table serves the ops' references, `map` nodes and matrix product epilogues, so that fusing cannot change
 * the meaning of a chain.
 */
import { sizeOf } from '../graph/types.ts';
import type { BinaryMapOp, FloatBinaryOp, MapProgram, UnaryMapOp } from './map-program.ts';
import { unaryMapOps } from './map-program.ts';
import type { RefTensor } from './op.ts';
import { broadcastTo } from './tensors.ts';

/**
 * The error function to about 1e-15: erf x = 2/sqrt(pi) exp(-x²) Σ 2ⁿ x^(2n+1) / (1·3·…·(2n+1)) (Abramowitz and
 * Stegun 7.1.6), a series of positive terms; beyond 6 it is 1 in f64.
 */
export function erf(x: number): number {
  const a = Math.abs(x);
  if (a >= 6) return Math.sign(x);
  let term = a;
  let sum = a;
  for (let n = 1; term > sum * 1e-17; n++) {
    term *= (2 * a * a) / (2 * n + 1);
    sum += term;
  }
  return Math.sign(x) * (2 / Math.sqrt(Math.PI)) * Math.exp(-a * a) * sum;
}

export const unaryFunctions: Readonly<Record<UnaryMapOp, (x: number) => number>> = {
  neg: (x) => -x,
  exp: Math.exp,
  ln: Math.log,
  tanh: Math.tanh,
  erf,
  sqrt: Math.sqrt,
  rsqrt: (x) => 1 / Math.sqrt(x),
  sigmoid: (x) => 1 / (1 + Math.exp(-x)),
  relu: (x) => Math.max(x, 0),
  abs: Math.abs,
  step: (x) => (x > 0 ? 1 : 0),
};

export const binaryFunctions: Readonly<Record<FloatBinaryOp, (a: number, b: number) => number>> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
  pow: (a, b) => a ** b,
  maximum: Math.max,
  minimum: Math.min,
  equal: (a, b) => (a === b ? 1 : 0),
};

/** The same on i32, for the ops that integers have: sums and products wrap around as the device's do. */
export const integerUnaryFunctions: Readonly<Partial<Record<UnaryMapOp, (x: number) => number>>> = {
  neg: (x) => -x | 0,
  abs: (x) => Math.abs(x) | 0,
};

export const integerBinaryFunctions: Readonly<
  Partial<Record<BinaryMapOp, (a: number, b: number) => number>>
> = {
  add: (a, b) => (a + b) | 0,
  sub: (a, b) => (a - b) | 0,
  mul: Math.imul,
  // Towards minus infinity, and 0 where the divisor is 0, as NumPy has it.
  div: (a, b) => (b === 0 ? 0 : Math.floor(a / b) | 0),
  mod: (a, b) => (b === 0 ? 0 : (((a % b) + b) % b) | 0),
  maximum: Math.max,
  minimum: Math.min,
};

export function isUnary(op: string): op is UnaryMapOp {
  return (unaryMapOps as readonly string[]).includes(op);
}

/** Runs a fused chain over inputs that broadcast to `shape`. */
export function evaluateProgram(
  program: MapProgram,
  inputs: readonly RefTensor[],
  shape: readonly number[],
): RefTensor {
  const size = sizeOf(shape);
  const values = inputs.map((x) => broadcastTo(x, shape).data);
  for (const step of program.instructions) {
    const out = new Float64Array(size);
    if (step.op === 'constant') out.fill(step.value);
    else if (isUnary(step.op)) {
      const f = unaryFunctions[step.op];
      const x = values[step.args[0]!]!;
      for (let i = 0; i < size; i++) out[i] = f(x[i]!);
    } else {
      if (step.op === 'mod') throw new Error('mod is an op of integers, which are not fused');
      const f = binaryFunctions[step.op];
      const a = values[step.args[0]!]!;
      const b = values[step.args[1]!]!;
      for (let i = 0; i < size; i++) out[i] = f(a[i]!, b[i]!);
    }
    values.push(out);
  }
  const result = values.at(-1);
  if (result === undefined) throw new Error('a fused chain without inputs and instructions has no value');
  return { shape, data: result };
}

/** Why a program is not one: argument numbers must point backwards. */
export function programFault(program: MapProgram, inputs: number): string | undefined {
  if (program.inputs !== inputs) return `the program takes ${program.inputs} inputs, the node has ${inputs}`;
  for (const [at, step] of program.instructions.entries()) {
    const arity = step.op === 'constant' ? 0 : isUnary(step.op) ? 1 : 2;
    if (step.args.length !== arity) return `instruction ${at} (${step.op}) has ${step.args.length} arguments`;
    if (step.args.some((a) => a < 0 || a >= inputs + at))
      return `instruction ${at} (${step.op}) reads a value that does not exist yet`;
  }
  return undefined;
}

/** Floating-point operations for one element. */
export function programFlops(program: MapProgram): number {
  return program.instructions.filter((i) => i.op !== 'constant').length;
}
