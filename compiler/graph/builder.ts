/**
 * Builds graphs: the only way nodes come into being, so every node's type is what its op's `shape` says.
 *
 * Used by the tracer (from the model), by gradients and by passes. Structurally equal nodes are shared (common
 * subexpressions), except that origins of the first maker win.
 */
import type { OpAttributes, OpName } from '../ops/attributes.ts';
import type { Dim, Graph, Node, Origin, Output, TensorType } from './types.ts';

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

/** A shape rule said no; the tracer turns it into a diagnostic with spans. In passes and gradients it is our defect. */
export class ShapeMismatch extends Error {
  readonly error: ShapeError;
  constructor(error: ShapeError) {
    super(error.message);
    this.name = 'ShapeMismatch';
    this.error = error;
  }
}

export interface Builder {
  /** Adds (or finds) a node and returns its id. Throws `ShapeMismatch`. */
  add<K extends OpName>(op: K, inputs: readonly number[], attrs: OpAttributes[K], origin?: Origin): number;
  /** The node with this id. */
  node(id: number): Node;
  type(id: number): TensorType;
  /** Origin for nodes added without one. */
  readonly origin: Origin;
  withOrigin<T>(origin: Origin, make: () => T): T;
  /** Keeps what the outputs need, renumbered in topological order. */
  finish(outputs: readonly Output[]): Graph;
}
