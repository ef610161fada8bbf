/**
 * Pieces of WGSL that several kernel families print: constants, map programs, index arithmetic.
 *
 * A map program is printed either for scalars or for vec4 values; both from the expressions of the ops, so
 * that a fused chain and its vectorised form cannot differ.
 */
import type { BinaryMapOp } from '../../ops/attributes.ts';
import { type BinaryRow, binaryTable } from '../../ops/binary.ts';
import { isBinary, isTernary, isUnary, type MapInstruction, type MapProgram } from '../../ops/map-program.ts';
import { philoxSource } from '../../ops/philox.ts';
import { ternaryTable } from '../../ops/ternary.ts';
import { unaryTable } from '../../ops/unary.ts';
import { type Lane, type Lanes, laneOf, literal } from '../../ops/wgsl.ts';

export { type Lanes, literal };

/**
 * A loop bound that no shader compiler can see through: `zero` is an expression that is 0 in every dispatch,
 * such as the z component of an invocation's number where the grid is one layer deep.
 *
 * Software adapters unroll loops of constant length up to 32 or so; a row kernel's few loads then become
 * thousands of instructions that take LLVM tens of seconds and run no faster (measured on lavapipe of Mesa
 * 25: 20 s against 0.1 s). Mesa derives a longest trip count from `min`, and unrolls by it; not from `max`.
 */
export function hiddenBound(count: number, zero: string): string {
  return `max(${count}u, ${zero})`;
}

type Operation = Exclude<MapInstruction, { op: 'constant' | 'uniform' }>;
type Random = Extract<MapInstruction, { op: 'uniform' }>;

/** How a program's element type has an operation of two operands. */
function binaryForm({ element }: MapProgram, op: BinaryMapOp): Pick<BinaryRow, 'wgsl' | 'helper'> {
  const row = binaryTable[op];
  if (element === 'i32') {
    if (row.integers === undefined) throw new Error(`${op} has no form in i32`);
    return { wgsl: row.wgsl, ...row.integers };
  }
  return row;
}

/** The constant on an instruction's right side, where the op prints that in a form of its own. */
function constantOperand({ inputs, instructions }: MapProgram, { op, args }: MapInstruction) {
  if (!isBinary(op) || binaryTable[op].byConstant === undefined) return undefined;
  const right = instructions[args[1]! - inputs];
  return right?.op === 'constant' ? right.value : undefined;
}

/**
 * One instruction over its arguments, and the helper functions that it calls. Statements before it are added
 * to `lines`.
 */
function printInstruction(
  program: MapProgram,
  instruction: Operation,
  args: readonly string[],
  lane: Lane,
  name = '',
  lines: string[] = [],
): { readonly text: string; readonly helper?: ((lane: Lane) => string) | undefined } {
  const { op } = instruction;
  const [a, b, c] = args as readonly [string, string, string];
  if (isTernary(op)) return { text: ternaryTable[op].wgsl(a, b, c, lane) };
  if (isUnary(op)) {
    const { wgsl, helper, integers } = unaryTable[op];
    if (program.element === 'i32' && integers === undefined) throw new Error(`${op} has no form in i32`);
    return { text: wgsl(a, lane), helper };
  }
  const { wgsl, helper } = binaryForm(program, op);
  const constant = program.element === 'i32' ? undefined : constantOperand(program, instruction);
  const special =
    constant === undefined ? undefined : binaryTable[op].byConstant?.(a, constant, lane, name, lines);
  return special === undefined ? { text: wgsl(a, b, lane), helper } : { text: special };
}

/**
 * Random numbers of one element or four.
 * @param element number in the result of the (first) element
 */
function printRandom(
  { place, inner }: Random,
  [key0, key1, row]: readonly string[],
  { lanes }: Lane,
  element: string | undefined,
): string {
  if (element === undefined) throw new Error('random numbers have no element here');
  const numbered = (at: string) => `u32(${row}${lanes === 4 ? '.x' : ''}) * ${inner}u + (${at}) % ${inner}u`;
  if (lanes === 1) return `random_1(${key0}, ${key1}, ${place}u, ${numbered(element)})`;
  // Four elements of one row have one key, and one block of four words.
  if (inner % 4 === 0) return `random_block(${key0}.x, ${key1}.x, ${place}u, ${numbered(element)})`;
  const each = `(vec4<u32>(${element}) + vec4<u32>(0u, 1u, 2u, 3u))`;
  const numbers = `vec4<u32>(${row}) * ${inner}u + ${each} % vec4<u32>(${inner}u)`;
  return `random_4(${key0}, ${key1}, ${place}u, ${numbers})`;
}

/** Helper functions a program needs, to be printed before `main`. */
export function programHelpers(program: MapProgram, lanes: Lanes): string {
  const lane = laneOf(lanes, program.element);
  const used = program.instructions.map((instruction) => {
    if (instruction.op === 'constant') return undefined;
    if (instruction.op === 'uniform') return philoxSource;
    return printInstruction(program, instruction, ['', '', ''], lane).helper;
  });
  return [...new Set(used)].map((helper) => helper?.(lane) ?? '').join('');
}

/**
 * One WGSL expression for a program over named input values. Values used more than once become `let`s in
 * `lines`.
 * @param element number of the (first) element in the result, for programs with random numbers
 */
export function printProgram(
  program: MapProgram,
  inputs: readonly string[],
  lanes: Lanes,
  prefix: string,
  element?: string,
): { lines: string[]; result: string } {
  const lane = laneOf(lanes, program.element);
  const lines: string[] = [];
  const values = [...inputs];
  program.instructions.forEach((instruction, i) => {
    if (instruction.op === 'constant') {
      const { element = 'f32', value } = instruction;
      values.push(laneOf(lanes, element).of(element === 'i32' ? `${value}i` : literal(value)));
      return;
    }
    const name = `${prefix}${i}`;
    const args = instruction.args.map((a) => values[a]!);
    const { text } =
      instruction.op === 'uniform'
        ? { text: printRandom(instruction, args, lane, element) }
        : printInstruction(program, instruction, args, lane, name, lines);
    lines.push(`let ${name} = ${text};`);
    values.push(name);
  });
  return { lines, result: values.at(-1)! };
}

/** A program of plain arithmetic (`isArithmetic`) as one expression. */
export function arithmeticExpression(program: MapProgram, inputs: readonly string[]): string {
  const values = [...inputs];
  for (const instruction of program.instructions) {
    if (instruction.op === 'constant') {
      values.push(literal(instruction.value));
      continue;
    }
    if (instruction.op === 'uniform') throw new Error('random numbers are no plain arithmetic');
    const args = instruction.args.map((i) => values[i]!);
    const { text } = printInstruction(program, instruction, args, laneOf(1));
    values.push(isUnary(instruction.op) ? `(${text})` : text);
  }
  return values.at(-1)!;
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

/** 0, 1, ... */
export const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i);
