/**
 * Builds graphs: the only way nodes come into being, so every node's type is what its op's `shape` says.
 *
 * Used by the tracer (from the model), by gradients and by passes. Structurally equal nodes are shared (common
 * subexpressions), except that origins of the first maker win.
 */

import type { OpAttributes, OpName } from '../ops/attributes.ts';
import type { ShapeError } from './shape-error.ts';
import type { Graph, Node, Origin, Output, TensorType } from './types.ts';

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
