/**
 * What the reductions over axes share: the shape rule and the walk over groups.
 */
import { denseStrides, sizeOf, type TensorType } from '../graph/types.ts';
import type { RefTensor, ShapeResult } from './op.ts';
import { accept, firstOf, reducedShape, refuseAxes, refuseIntegers } from './shapes.ts';
import { walk } from './tensors.ts';

export interface Reduction {
  readonly axes: readonly number[];
  readonly keep: boolean;
}

export function reductionShape(
  what: string,
  inputs: readonly TensorType[],
  { axes, keep }: Reduction,
): ShapeResult {
  const x = inputs[0]!;
  const refusal = firstOf(refuseIntegers(what, inputs), refuseAxes(what, x, axes));
  return refusal ?? accept({ dtype: x.dtype, shape: reducedShape(x.shape, axes, keep) });
}

/** Folds x over `axes`: `fold(acc, value)` from `start`, in row-major order. */
export function reduceAxes(
  x: RefTensor,
  axes: readonly number[],
  shape: readonly number[],
  start: number,
  fold: (acc: number, value: number) => number,
): RefTensor {
  const out = new Float64Array(sizeOf(shape)).fill(start);
  const kept = x.shape.map((d, i) => (axes.includes(i) ? 1 : d));
  const strides = denseStrides(kept).map((s, i) => (axes.includes(i) ? 0 : s));
  walk(x.shape, strides, (from, to) => {
    out[to] = fold(out[to]!, x.data[from]!);
  });
  return { shape, data: out };
}
