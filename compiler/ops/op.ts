/**
 * What the compiler knows about an operation: one file and one object each.
 *
 * `defineOp` only fixes the types; `ops/index.ts` gathers the objects over a mapped type, so that an op
 * without a gradient, a reference, a cost or one of its traits is a compile error. How an op becomes WGSL is
 * in `kernels/`, where `lowerings` has to have a line for every op whose role is `kernel`.
 */
import type { Builder } from '../graph/builder.ts';
import type { ShapeError } from '../graph/shape-error.ts';
import type { DType, NodeOf, TensorType } from '../graph/types.ts';
import type { InputsOf, OpArities, OpAttributes, OpName } from './attributes.ts';
import type { Examples } from './examples.ts';
import type { Language } from './language.ts';
import type { Role, TraitsOf } from './traits.ts';

export type ShapeResult =
  | { readonly ok: true; readonly type: TensorType }
  | { readonly ok: false; readonly error: ShapeError };

/** A dense f64 tensor of the reference executor, row-major; i32 tensors hold integers in doubles. */
export interface RefTensor {
  readonly shape: readonly number[];
  readonly data: Float64Array;
}

export interface Cost {
  readonly flops: number;
  /** Fewest bytes that must move: each input once and the result once. */
  readonly bytes: number;
}

/**
 * Comparison against the f64 reference: |a-b| <= atol + rtol*|b|, rtol growing with sqrt(K) where `perSqrtK`.
 */
export interface Tolerance {
  readonly rtol: number;
  readonly atol: number;
  readonly perSqrtK?: boolean;
}

/**
 * Gradient nodes for each input, built with `b`; `null` where an input has no gradient (indices, or not
 * `wanted`). `node` is the forward node, `dy` the id of its result's gradient; `unchosen` says that a `where`
 * may have thrown elements of the result away (unchosen.ts).
 */
export type GradientRule<K extends OpName> = (
  b: Builder,
  node: NodeOf<K>,
  dy: number,
  wanted: readonly boolean[],
  unchosen: boolean,
) => (number | null)[];

export interface OpDefinition<K extends OpName, R extends Role = Role> {
  readonly name: K;
  /** Number of inputs; where it is open, `shape` refuses too few. */
  readonly arity: OpArities[K];
  /** Result type from input types (may be symbolic), or why not. */
  shape(inputs: readonly TensorType[], attrs: OpAttributes[K]): ShapeResult;
  /**
   * The rule, or who alone makes such nodes, so that none is needed: second derivatives are not supported.
   */
  readonly gradient: GradientRule<K> | 'made by gradients' | 'made by passes';
  /**
   * Plain f64 evaluation: the oracle. `shape` is the numeric result shape, `dtype` the result's (f32 by
   * default).
   */
  reference(
    inputs: InputsOf<K, RefTensor>,
    attrs: OpAttributes[K],
    shape: readonly number[],
    dtype?: DType,
  ): RefTensor;
  cost(inputs: InputsOf<K, TensorType>, attrs: OpAttributes[K], result: TensorType): Cost;
  readonly tolerance: Tolerance;
  readonly traits: TraitsOf<K>[R];
  /** How it is said in the language. */
  readonly language: Language<OpAttributes[K]>;
  readonly examples: Examples<OpAttributes[K]>;
}

/** Fixes the types of a definition; `R` where the result is not made by a kernel. */
export function defineOp<K extends OpName, R extends Role = 'kernel'>(
  definition: OpDefinition<K, R>,
): OpDefinition<K, R> {
  return definition;
}
