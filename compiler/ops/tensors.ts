/**
 * Dense f64 tensors for the reference rules: indexing, broadcasting and permuting, written to be obviously
 * right.
 */
import { denseStrides, sizeOf } from '../graph/types.ts';
import type { RefTensor } from './op.ts';

export function filled(shape: readonly number[], value: number): RefTensor {
  return { shape, data: new Float64Array(sizeOf(shape)).fill(value) };
}

/** Splits a shape into rows of its last axis. */
export function rowsOf(shape: readonly number[]): { rows: number; width: number } {
  const width = shape.at(-1) ?? 1;
  return { rows: sizeOf(shape.slice(0, -1)), width };
}

/**
 * For each element of `shape` in row-major order, the element number of a strided source: the sum of index
 * times stride, from `offset`. A stride of 0 repeats.
 */
export function walk(
  shape: readonly number[],
  strides: readonly number[],
  visit: (to: number, from: number) => void,
  offset = 0,
): void {
  const rank = shape.length;
  const total = sizeOf(shape);
  const index = new Array<number>(rank).fill(0);
  let from = offset;
  for (let to = 0; to < total; to++) {
    visit(to, from);
    for (let axis = rank - 1; axis >= 0; axis--) {
      index[axis]!++;
      from += strides[axis]!;
      if (index[axis]! < shape[axis]!) break;
      from -= strides[axis]! * shape[axis]!;
      index[axis] = 0;
    }
  }
}

/** Reads a strided view of `x` into a dense tensor of `shape`. */
export function gatherView(
  x: RefTensor,
  shape: readonly number[],
  strides: readonly number[],
  offset = 0,
): RefTensor {
  const out = new Float64Array(sizeOf(shape));
  walk(
    shape,
    strides,
    (to, from) => {
      out[to] = x.data[from]!;
    },
    offset,
  );
  return { shape, data: out };
}

/** Strides that read `shape` (aligned at the last axis, 1 repeats) as if it were `target`. */
export function broadcastStrides(shape: readonly number[], target: readonly number[]): number[] {
  const dense = denseStrides(shape);
  const lead = target.length - shape.length;
  return target.map((_, axis) => {
    const own = axis - lead;
    return own < 0 || shape[own] === 1 ? 0 : dense[own]!;
  });
}

/** `x` broadcast to `shape`; the same data where nothing grows. */
export function broadcastTo(x: RefTensor, shape: readonly number[]): RefTensor {
  if (x.data.length === sizeOf(shape)) return { shape, data: x.data };
  return gatherView(x, shape, broadcastStrides(x.shape, shape));
}
