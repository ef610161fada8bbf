/**
 * Views of views: what reshape, transpose, slice and expand do to strides, and how axes collapse for a kernel.
 *
 * `reshapeView` answers null where the new shape cannot be indexed without moving elements; the caller then copies.
 */
import { denseStrides, isDense, type View } from './view.ts';

export function transposeView(view: View, perm: readonly number[]): View {
  return {
    storage: view.storage,
    offset: view.offset,
    shape: perm.map((p) => view.shape[p]!),
    strides: perm.map((p) => view.strides[p]!),
  };
}

export function sliceView(view: View, starts: readonly number[], ends: readonly number[]): View {
  return {
    storage: view.storage,
    offset: view.offset + starts.reduce((sum, start, i) => sum + start * view.strides[i]!, 0),
    shape: starts.map((start, i) => ends[i]! - start),
    strides: view.strides,
  };
}

/** Broadcasts to `shape`, aligned at the last axis: grown and missing axes get stride 0. */
export function expandView(view: View, shape: readonly number[]): View {
  const missing = shape.length - view.shape.length;
  const strides = shape.map((n, i) => {
    const axis = i - missing;
    return axis < 0 || (view.shape[axis] === 1 && n !== 1) ? 0 : view.strides[axis]!;
  });
  return { storage: view.storage, offset: view.offset, shape, strides };
}

/** The view with another shape of as many elements, or null if strides cannot say it. */
export function reshapeView(view: View, shape: readonly number[]): View | null {
  if (isDense(view)) return { ...view, shape, strides: denseStrides(shape) };
  const strides = new Array<number>(shape.length).fill(0);
  // Walk both shapes in lockstep, matching groups of axes with equal products (as NumPy's no-copy reshape does).
  const from = view.shape.map((n, i) => ({ n, stride: view.strides[i]! })).filter((axis) => axis.n !== 1);
  let source = 0;
  let target = 0;
  while (target < shape.length && source < from.length) {
    let sourceSize = from[source]!.n;
    let targetSize = shape[target]!;
    let sourceEnd = source + 1;
    let targetEnd = target + 1;
    while (sourceSize !== targetSize) {
      if (sourceSize < targetSize) {
        if (sourceEnd >= from.length) return null;
        sourceSize *= from[sourceEnd++]!.n;
      } else {
        if (targetEnd >= shape.length) return null;
        targetSize *= shape[targetEnd++]!;
      }
    }
    for (let i = source; i + 1 < sourceEnd; i++) {
      if (from[i]!.stride !== from[i + 1]!.n * from[i + 1]!.stride) return null;
    }
    let stride = from[sourceEnd - 1]!.stride;
    for (let i = targetEnd - 1; i >= target; i--) {
      strides[i] = stride;
      stride *= shape[i]!;
    }
    source = sourceEnd;
    target = targetEnd;
  }
  return { storage: view.storage, offset: view.offset, shape, strides };
}

/** Iteration space of a kernel: one shape and, per operand, its strides over it. */
export interface Collapsed {
  readonly shape: readonly number[];
  readonly strides: readonly (readonly number[])[];
}

/** Drops axes of length 1 and merges neighbours wherever every operand allows it; at least one axis is left. */
export function collapseAxes(shape: readonly number[], operands: readonly (readonly number[])[]): Collapsed {
  const sizes: number[] = [];
  const strides: number[][] = operands.map(() => []);
  shape.forEach((n, axis) => {
    if (n === 1) return;
    const last = sizes.length - 1;
    const mergeable = last >= 0 && operands.every((operand, i) => strides[i]![last] === operand[axis]! * n);
    if (mergeable) {
      sizes[last] = sizes[last]! * n;
      operands.forEach((operand, i) => {
        strides[i]![last] = operand[axis]!;
      });
    } else {
      sizes.push(n);
      operands.forEach((operand, i) => {
        strides[i]!.push(operand[axis]!);
      });
    }
  });
  if (sizes.length === 0) {
    sizes.push(1);
    for (const s of strides) s.push(0);
  }
  return { shape: sizes, strides };
}
