/**
 * A fused elementwise chain as data: what one `map` node or a matrix product's epilogue computes for each element.
 *
 * Values are numbered: 0 .. inputs-1 are the inputs, then one per instruction in order; the last is the result.
 * The reference executor interprets it, the kernel writer prints it as WGSL.
 */
import type { Node } from '../graph/types.ts';

export const unaryMapOps = [
  'neg',
  'exp',
  'ln',
  'tanh',
  'erf',
  'sqrt',
  'rsqrt',
  'sigmoid',
  'relu',
  'abs',
  'step',
] as const;
export const binaryMapOps = ['add', 'sub', 'mul', 'div', 'pow', 'maximum', 'minimum', 'equal'] as const;
/** Ops with two inputs that integers alone have. */
export const integerMapOps = ['mod'] as const;
/** All ops that compute each element from the elements at its place. */
export const elementwiseOps = [...unaryMapOps, ...binaryMapOps, ...integerMapOps] as const;
export type UnaryMapOp = (typeof unaryMapOps)[number];
export type FloatBinaryOp = (typeof binaryMapOps)[number];
export type BinaryMapOp = FloatBinaryOp | (typeof integerMapOps)[number];
export type ElementwiseOp = (typeof elementwiseOps)[number];

export type MapInstruction =
  | { readonly op: ElementwiseOp; readonly args: readonly number[] }
  | { readonly op: 'constant'; readonly args: readonly []; readonly value: number };

export interface MapProgram {
  readonly inputs: number;
  /** What all its values are: integers that wrap around, or floating-point numbers (the default). */
  readonly element?: 'i32';
  readonly instructions: readonly MapInstruction[];
}

const elementwise = new Set<string>(elementwiseOps);

/** An elementwise node, fused or not, as a program over its inputs; undefined for any other node. */
export function programOf(node: Node): MapProgram | undefined {
  if (node.op === 'map') return node.attrs.program;
  if (!elementwise.has(node.op)) return undefined;
  const { inputs } = node;
  return {
    inputs: inputs.length,
    ...(node.type.dtype === 'i32' ? { element: 'i32' } : {}),
    instructions: [{ op: node.op as ElementwiseOp, args: inputs.map((_, i) => i) }],
  };
}
