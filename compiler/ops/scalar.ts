/**
 * The interpreter of fused chains on f64 numbers.
 *
 * The ops' own functions serve their references, `map` nodes and matrix product epilogues, so that fusing
 * cannot change the meaning of a chain.
 */
import { sizeOf } from '../graph/types.ts';
import { binaryTable } from './binary.ts';
import { arityOf, isTernary, isUnary, type MapProgram } from './map-program.ts';
import type { RefTensor } from './op.ts';
import { uniformOf } from './philox.ts';
import { broadcastTo } from './tensors.ts';
import { ternaryTable } from './ternary.ts';
import { unaryTable } from './unary.ts';

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
    const [a, b, c] = step.args.map((at) => values[at]!);
    if (step.op === 'constant') out.fill(step.value);
    else if (step.op === 'uniform')
      for (let i = 0; i < size; i++) {
        const element = c![i]! * step.inner + (i % step.inner);
        out[i] = uniformOf(a![i]!, b![i]!, step.place, element);
      }
    else if (isUnary(step.op)) {
      const f = unaryTable[step.op].f64;
      for (let i = 0; i < size; i++) out[i] = f(a![i]!);
    } else if (isTernary(step.op)) {
      const f = ternaryTable[step.op].f64;
      for (let i = 0; i < size; i++) out[i] = f(a![i]!, b![i]!, c![i]!);
    } else {
      const f = binaryTable[step.op].f64;
      for (let i = 0; i < size; i++) out[i] = f(a![i]!, b![i]!);
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
    if (step.args.length !== arityOf(step.op))
      return `instruction ${at} (${step.op}) has ${step.args.length} arguments`;
    if (step.args.some((a) => a < 0 || a >= inputs + at))
      return `instruction ${at} (${step.op}) reads a value that does not exist yet`;
  }
  return undefined;
}

/** Floating-point operations for one element. */
export function programFlops(program: MapProgram): number {
  return program.instructions.filter((i) => i.op !== 'constant').length;
}
