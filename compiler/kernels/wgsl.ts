/**
 * Pieces of WGSL that several kernel families print: constants, map programs, index arithmetic.
 *
 * A map program is printed either for scalars or for vec4 values; both from the expressions of the ops, so that a fused
 * chain and its vectorised form cannot differ.
 */
import type { ElementwiseOp } from '../ops/attributes.ts';
import { binaryTable } from '../ops/binary.ts';
import { isUnary, type MapInstruction, type MapProgram } from '../ops/map-program.ts';
import { unaryMapOps, unaryTable } from '../ops/unary.ts';
import { type Lane, type Lanes, literal, scalarLane, vectorLane } from '../ops/wgsl.ts';

export { type Lanes, literal };

const laneOf = (lanes: Lanes): Lane => (lanes === 4 ? vectorLane : scalarLane);

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
  const used = unaryMapOps.filter((name) => program.instructions.some(({ op }) => op === name));
  return used.map((name) => unaryTable[name].helper?.(laneOf(lanes)) ?? '').join('');
}

/** One instruction over its arguments. */
function printInstruction(
  { op }: MapInstruction & { op: ElementwiseOp },
  args: readonly string[],
  lane: Lane,
): string {
  return isUnary(op) ? unaryTable[op].wgsl(args[0]!, lane) : binaryTable[op].wgsl(args[0]!, args[1]!, lane);
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
  const lane = laneOf(lanes);
  const lines: string[] = [];
  const values = [...inputs];
  program.instructions.forEach((instruction, i) => {
    const args = instruction.args.map((a) => values[a]!);
    if (instruction.op === 'constant') {
      values.push(lane.of(literal(instruction.value)));
      return;
    }
    lines.push(`let ${prefix}${i} = ${printInstruction(instruction, args, lane)};`);
    values.push(`${prefix}${i}`);
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
    const printed = printInstruction(
      instruction,
      instruction.args.map((i) => values[i]!),
      scalarLane,
    );
    values.push(isUnary(instruction.op) ? `(${printed})` : printed);
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
