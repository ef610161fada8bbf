/**
 * What the compiler knows about an operation: one file and one object each.
 *
 * `defineOp` only fixes the types; `ops/index.ts` gathers the objects over a mapped type, so that an op without a gradient,
 * a reference or a cost is a compile error. How an op becomes WGSL is in `kernels/` (by kernel family, `lower` names it).
 */
import type { Builder } from '../graph/builder.ts';
import type { Dim, DType, NodeOf, TensorType } from '../graph/types.ts';
import type { OpAttributes, OpName } from './attributes.ts';

/** Why a shape rule refuses its inputs; the caller adds span and origins and makes a `Diagnostic` of it. */
export interface ShapeError {
  /** "cannot add [B, 50, 768] and [B, 50, 512]: axis 2 differs" */
  readonly message: string;
  /** Z301 by default: shapes disagree. */
  readonly code?: string;
  /** Which inputs the fact is about, and the axis of each, so that the caller can name where the value came from. */
  readonly blame?: readonly { readonly input: number; readonly axis?: number; readonly dim?: Dim }[];
  readonly help?: string;
}

export type ShapeResult =
  | { readonly ok: true; readonly type: TensorType }
  | { readonly ok: false; readonly error: ShapeError };

/** A dense f64 tensor of the reference executor, row-major; i32 tensors hold integers in doubles. */
export interface RefTensor {
  readonly shape: readonly number[];
  readonly data: Float64Array;
}

export type KernelFamily =
  /** No kernel: a leaf, or a view that its consumers index through (materialised by a copy where they cannot). */
  'leaf' | 'view' | 'map' | 'reduce' | 'contract' | 'convolution' | 'attention' | 'move';

export interface Cost {
  readonly flops: number;
  /** Fewest bytes that must move: each input once and the result once. */
  readonly bytes: number;
}

/** Comparison against the f64 reference: |a-b| <= atol + rtol*|b|, rtol growing with sqrt(K) where `perSqrtK`. */
export interface Tolerance {
  readonly rtol: number;
  readonly atol: number;
  readonly perSqrtK?: boolean;
}

export interface OpDefinition<K extends OpName> {
  readonly name: K;
  /** Number of inputs, or 'any'. */
  readonly arity: number | 'any';
  /** Result type from input types (may be symbolic), or why not. */
  shape(inputs: readonly TensorType[], attrs: OpAttributes[K]): ShapeResult;
  /**
   * Gradient nodes for each input, built with `b`; `null` where an input has no gradient (indices, or not `wanted`).
   * `node` is the forward node, `dy` the id of its result's gradient.
   */
  gradient(b: Builder, node: NodeOf<K>, dy: number, wanted: readonly boolean[]): (number | null)[];
  /** Plain f64 evaluation: the oracle. `shape` is the numeric result shape, `dtype` the result's (f32 by default). */
  reference(
    inputs: readonly RefTensor[],
    attrs: OpAttributes[K],
    shape: readonly number[],
    dtype?: DType,
  ): RefTensor;
  readonly family: KernelFamily;
  cost(inputs: readonly TensorType[], attrs: OpAttributes[K], result: TensorType): Cost;
  readonly tolerance: Tolerance;
}

export function defineOp<K extends OpName>(definition: OpDefinition<K>): OpDefinition<K> {
  return definition;
}
