/** Equal slices of views along an axis, for what a binding cannot hold whole. */
import type { View } from './view.ts';

/** One of `count` equal slices. */
export interface Slice {
  readonly index: number;
  readonly count: number;
}

/** The smallest number of equal parts of `length` that is at least `wanted`. */
export function equalParts(length: number, wanted: number): number {
  let parts = Math.min(length, wanted);
  while (length % parts !== 0) parts++;
  return parts;
}

/** One of `count` equal slices of a view along an axis. */
export function slicePart(view: View, { index, count }: Slice, axis = 0): View {
  const length = view.shape[axis]! / count;
  return {
    ...view,
    shape: view.shape.map((n, a) => (a === axis ? length : n)),
    offset: view.offset + index * length * view.strides[axis]!,
  };
}

/** The axis over which a view's elements lie furthest apart; -1 for a single element. */
export function furthestAxis({ shape, strides }: View): number {
  const reach = shape.map((n, axis) => (n - 1) * strides[axis]!);
  const most = Math.max(0, ...reach);
  return most === 0 ? -1 : reach.indexOf(most);
}
