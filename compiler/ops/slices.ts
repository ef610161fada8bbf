/**
 * The usual ways in which an op is done slice by slice along the first axis, for `traits.slices`.
 *
 * Most ops treat the samples of a batch alike, so a slice of the result needs the same slice of some inputs.
 * Those that sum over the batch (weights' gradients) give a partial result for each slice.
 */
import type { TensorType } from '../graph/types.ts';
import type { Split } from './traits.ts';

export interface Typed {
  readonly type: TensorType;
}

/**
 * Every entry of the result's first axis comes from the same entry of the inputs that have it: those with an
 * axis of its length in front and at least `rank` axes (the result's own number by default).
 * @param whole inputs that have no such axis whatever their shapes (filters)
 */
export function samplewise({ rank, whole = [] }: { rank?: number; whole?: readonly number[] } = {}) {
  return ({ type }: Typed, inputs: readonly TensorType[]): Split => {
    const [length] = type.shape;
    const least = rank ?? type.shape.length;
    const sliced = inputs.flatMap(({ shape }, i) =>
      shape.length >= least && shape[0] === length && length !== 1 && !whole.includes(i) ? [i] : [],
    );
    return { sliced };
  };
}

/** A sum over the samples of its first two inputs. */
export function summing(): Split {
  return { sliced: [0, 1], join: 'sum' };
}

/** Works along `axis`: all inputs are sliced where that is not the first. */
export function besideAxis(
  { attrs }: { readonly attrs: { readonly axis: number } },
  inputs: readonly TensorType[],
): Split | undefined {
  return attrs.axis === 0 ? undefined : { sliced: inputs.map((_, i) => i) };
}

/** Works along the last axis: all inputs are sliced where there is another. */
export function besideLastAxis(_node: unknown, inputs: readonly TensorType[]): Split | undefined {
  return inputs[0]!.shape.length < 2 ? undefined : { sliced: inputs.map((_, i) => i) };
}

/** There is no way to do it in slices. */
export function unsliced(): undefined {}
