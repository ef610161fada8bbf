/**
 * The tensor graph: the value every stage after the model reads and writes.
 *
 * A graph is an immutable list of nodes in topological order; a node's id is its index, so inputs always have
 * smaller ids. Every node has exactly one result. Views (reshape, transpose, slice, expand) are ordinary
 * nodes; whether they cost anything is decided when kernels are made. Leaves are `input` (fed at every run),
 * `param` (a weight or buffer of the model, under its state_dict name), `constant` and `iota`.
 */
import type { Span } from '../../grammar/source.ts';
import type { InputsOf, OpAttributes, OpName } from '../ops/attributes.ts';

/** Element types. `f16` is storage for mixed precision; indices and tokens are `i32`. */
export type DType = 'f32' | 'f16' | 'i32';

/**
 * A dimension: a number, or `mul` times a symbol (`B`, `N`) that stays open until the plan is made. Checking
 * traces with symbols; everything behind `trace` with a batch has numbers only (the verifier demands it).
 */
export type Dim = number | SymbolicDim;
export interface SymbolicDim {
  readonly symbol: string;
  readonly mul: number;
}

/** Integers from `min` to `max`, both included. */
export interface Range {
  readonly min: number;
  readonly max: number;
}

export interface TensorType {
  readonly dtype: DType;
  /** Row-major logical shape; `[]` is a scalar. */
  readonly shape: readonly Dim[];
}

/** A node of the graph as it was traced, which another node stands for. */
export interface Source {
  readonly node: number;
  /** The other one is of its gradient. */
  readonly backward?: true;
}

/** Where a node came from: the block path (`visual.transformer.resblocks.3.attn`) and the source line. */
export interface Origin {
  readonly path: string;
  readonly span?: Span;
  /** The block's number in the model's tree, parents first; only where a trace was asked for it (`gives`). */
  readonly block?: number;
  /** What of the traced graph it stands for; only where that was numbered (`withSources`). */
  readonly sources?: readonly Source[];
}

export interface NodeOf<K extends OpName> {
  readonly id: number;
  readonly op: K;
  readonly inputs: InputsOf<K, number>;
  readonly attrs: OpAttributes[K];
  readonly type: TensorType;
  readonly origin: Origin;
}
/** Discriminated by `op`, so that `attrs` is typed after a check of `op`. */
export type Node = { [K in OpName]: NodeOf<K> }[OpName];

export interface Output {
  readonly name: string;
  readonly node: number;
}

/** How outputs are named that are gradients (`grad.visual.proj`) and moved values of buffers. */
export const gradientPrefix = 'grad.';
export const movedPrefix = 'buffer.';

export interface Graph {
  readonly nodes: readonly Node[];
  /** Named results in a stable order. */
  readonly outputs: readonly Output[];
}

/** Whether an output is one number that the graph computes: a loss, a term of it. */
export function isNumber(graph: Graph, { name, node }: Output): boolean {
  return nodeAt(graph, node).type.shape.length === 0 && !name.startsWith(movedPrefix);
}

/** @throws Error (a defect of ours) if the graph has no such node */
export function nodeAt({ nodes }: Pick<Graph, 'nodes'>, id: number): Node {
  const node = nodes[id];
  if (node === undefined) throw new Error(`there is no node %${id} in a graph of ${nodes.length}`);
  return node;
}

declare const verified: unique symbol;
/** A graph that `verify` accepted: numeric shapes, types as each op's `shape` computes them, ids in order. */
export type VerifiedGraph = Graph & { readonly [verified]: true };

/** The numeric shape of a type; throws (a defect of ours) if a symbol is left. */
export function numericShape(type: TensorType): number[] {
  return type.shape.map((d) => {
    if (typeof d !== 'number') throw new Error(`dimension ${formatDim(d)} is still symbolic`);
    return d;
  });
}

export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((a, b) => a * b, 1);
}

/** Strides of a row-major layout without gaps, in elements. */
export function denseStrides(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length);
  let step = 1;
  for (let i = shape.length - 1; i >= 0; i--) {
    strides[i] = step;
    step *= shape[i]!;
  }
  return strides;
}

export function sameDim(a: Dim, b: Dim): boolean {
  if (typeof a === 'number' || typeof b === 'number') return a === b;
  return a.symbol === b.symbol && a.mul === b.mul;
}

export function sameShape(a: readonly Dim[], b: readonly Dim[]): boolean {
  return a.length === b.length && a.every((d, i) => sameDim(d, b[i]!));
}

export function formatDim(d: Dim): string {
  if (typeof d === 'number') return String(d);
  return d.mul === 1 ? d.symbol : `${d.mul}*${d.symbol}`;
}

/** `[B, 50, 768]` */
export function formatShape(shape: readonly Dim[]): string {
  return `[${shape.map(formatDim).join(', ')}]`;
}

/** `f32[B, 50, 768]` */
export function formatType(type: TensorType): string {
  return `${type.dtype}${formatShape(type.shape)}`;
}
