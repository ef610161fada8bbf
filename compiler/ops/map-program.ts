/**
 * A fused elementwise chain as data: what one `map` node or a matrix product's epilogue computes for each element.
 *
 * Values are numbered: 0 .. inputs-1 are the inputs, then one per instruction in order; the last is the result.
 * The reference executor interprets it, the kernel writer prints it as WGSL.
 */

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
export const binaryMapOps = ['add', 'sub', 'mul', 'div', 'pow', 'maximum', 'equal'] as const;
export type UnaryMapOp = (typeof unaryMapOps)[number];
export type BinaryMapOp = (typeof binaryMapOps)[number];

export type MapInstruction =
  | { readonly op: UnaryMapOp | BinaryMapOp; readonly args: readonly number[] }
  | { readonly op: 'constant'; readonly args: readonly []; readonly value: number };

export interface MapProgram {
  readonly inputs: number;
  readonly instructions: readonly MapInstruction[];
}
