/**
 * How ops are done on strips: a range of one axis of the result, made from ranges of the inputs
 * (`traits.strips`).
 *
 * `autodiff/tile-rows.ts` pushes a slice of a loss's result through the ops above it with these,
 * `graph/strips/cut-texts.ts` the first positions of texts, `passes/select-early.ts` the selection of a token.
 */
import type { Builder } from '../graph/builder.ts';
import type { NodeOf } from '../graph/types.ts';
import type { OpName } from './attributes.ts';

/** The strip being made, and how a rule gets at its inputs. */
export interface Cut {
  readonly b: Builder;
  /** Which axis of the result is cut. */
  readonly axis: number;
  /** Where the strip begins, if that is the same place for all samples, and how long it is. */
  readonly start: number | undefined;
  readonly length: number;
  /** The same range of another value's axis. */
  strip(id: number, axis: number): number;
  /** A value that does not depend on the strip. */
  whole(id: number): number;
  /**
   * The strip of an operand that broadcasts to a result of `rank` axes; the whole operand where it repeats
   * along the axis.
   */
  operand(id: number, rank: number): number;
  shape(id: number): readonly number[];
}

/** The strip's node, or undefined where this one cannot be cut along the axis. */
export type Strips<K extends OpName> = (cut: Cut, node: NodeOf<K>) => number | undefined;

/** Ops of one input whose result has its shape and that work along one axis. */
type AlongAxis = 'flip' | 'cumsum';

/** Each element comes from the elements at its place. */
export function elementwiseStrips<K extends OpName>(cut: Cut, node: NodeOf<K>): number {
  const inputs = node.inputs.map((id) => cut.operand(id, node.type.shape.length));
  return cut.b.add(node.op, inputs, node.attrs);
}

/** Works along `axis` of its only input. */
export function besideAxisStrips<K extends AlongAxis>(cut: Cut, node: NodeOf<K>): number | undefined {
  if (cut.axis === node.attrs.axis) return undefined;
  return cut.b.add<AlongAxis>(node.op, [cut.strip(node.inputs[0], cut.axis)], node.attrs);
}

/** Works along the last axis of its inputs, which have the result's shape. */
export function rowStrips<K extends OpName>(cut: Cut, node: NodeOf<K>): number | undefined {
  if (cut.axis >= node.type.shape.length - 1) return undefined;
  const inputs = node.inputs.map((id) => cut.strip(id, cut.axis));
  return cut.b.add(node.op, inputs, node.attrs);
}
