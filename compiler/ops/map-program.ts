/**
 * A fused elementwise chain as data: what one `map` node or a matrix product's epilogue computes for each
 * element.
 *
 * Values are numbered: 0 .. inputs-1 are the inputs, then one per instruction in order; the last is the
 * result. The reference executor interprets it, the kernel writer prints it as WGSL.
 */
import type { Node } from '../graph/types.ts';
import type { BinaryMapOp, ElementwiseOp, OpName, TernaryMapOp, UnaryMapOp } from './attributes.ts';
import { binaryMapOps, binaryTable } from './binary.ts';
import { ternaryMapOps, ternaryTable } from './ternary.ts';
import { unaryMapOps, unaryTable } from './unary.ts';

export type MapInstruction =
  | { readonly op: ElementwiseOp; readonly args: readonly number[] }
  /** Random numbers by two keys and a row, which are integers; see ops/uniform.ts. */
  | {
      readonly op: 'uniform';
      readonly args: readonly number[];
      readonly place: number;
      readonly inner: number;
    }
  | {
      readonly op: 'constant';
      readonly args: readonly [];
      readonly value: number;
      /** Beside integers that a program of floats compares. */
      readonly element?: 'i32';
    };

export interface MapProgram {
  readonly inputs: number;
  /** What all its values are: integers that wrap around, or floating-point numbers (the default). */
  readonly element?: 'i32';
  readonly instructions: readonly MapInstruction[];
}

/** All ops that compute each element from the elements at its place by one function. */
export const elementwiseOps: readonly ElementwiseOp[] = [...unaryMapOps, ...binaryMapOps, ...ternaryMapOps];

export function isUnary(op: string): op is UnaryMapOp {
  return Object.hasOwn(unaryTable, op);
}

export function isBinary(op: string): op is BinaryMapOp {
  return Object.hasOwn(binaryTable, op);
}

/** Whether an op compares: its result is a mask of ones and zeros. */
export function isMask(op: string): boolean {
  return isBinary(op) && binaryTable[op].mask === true;
}

export function isTernary(op: string): op is TernaryMapOp {
  return Object.hasOwn(ternaryTable, op);
}

/** Whether an op computes each element from the elements at its place by one function. */
export function isElementwise(op: string): op is ElementwiseOp {
  return isUnary(op) || isBinary(op) || isTernary(op);
}

/** An elementwise op or a fused chain of such: what `programOf` gives a program for. */
export function isMap(op: OpName): op is ElementwiseOp | 'map' | 'uniform' {
  return op === 'map' || op === 'uniform' || isElementwise(op);
}

/** An elementwise node, fused or not, as a program over its inputs; undefined for any other node. */
export function programOf(node: Node): MapProgram | undefined {
  if (node.op === 'map') return node.attrs.program;
  const args = node.inputs.map((_, i) => i);
  const instruction = instructionOf(node, args);
  if (instruction === undefined) return undefined;
  const element = node.type.dtype === 'i32' ? ({ element: 'i32' } as const) : {};
  return { inputs: args.length, ...element, instructions: [instruction] };
}

/** A node as one instruction over numbered values; undefined where it is none. */
export function instructionOf(node: Node, args: readonly number[]): MapInstruction | undefined {
  if (node.op === 'uniform') return { op: node.op, args, place: node.attrs.place, inner: node.attrs.inner };
  return isElementwise(node.op) ? { op: node.op, args } : undefined;
}

/** Values that an instruction takes. */
export function arityOf(op: MapInstruction['op']): number {
  if (op === 'constant') return 0;
  if (op === 'uniform' || isTernary(op)) return 3;
  return isUnary(op) ? 1 : 2;
}

/** Whether a program is one f32 expression of plain arithmetic, right for scalars and vec4s alike. */
export function isArithmetic({ element, instructions }: MapProgram): boolean {
  if (element === 'i32') return false;
  return instructions.every(
    ({ op }) =>
      op === 'constant' ||
      (isUnary(op) && unaryTable[op].plain === true) ||
      (isBinary(op) && binaryTable[op].plain === true),
  );
}
