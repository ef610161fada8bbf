/**
 * A box of a tensor, half-open on every axis, and its gradient: the box with zeros around.
 */

import { addDims, leastOf, subtractDims } from '../graph/dims.ts';
import {
  type Dim,
  denseStrides,
  formatDim,
  formatShape,
  type NodeOf,
  sameDim,
  sizeOf,
} from '../graph/types.ts';
import { free, perElement } from './costs.ts';
import { floats } from './examples.ts';
import { defineOp, type ShapeResult } from './op.ts';
import { accept, refuse } from './shapes.ts';
import type { Cut } from './strips.ts';
import { gatherView, walk } from './tensors.ts';
import type { Split } from './traits.ts';

declare module './attributes.ts' {
  interface OpAttributes {
    /** Half-open `[starts, ends)` on every axis. */
    slice: { readonly starts: readonly number[]; readonly ends: readonly Dim[] };
    /** Zeros around: the gradient of slice. */
    pad: { readonly before: readonly number[]; readonly after: readonly Dim[] };
  }
  interface OpArities {
    slice: 1;
    pad: 1;
  }
}

/** Length of `[start, end)` on an axis of length `dim`, or why there is none. A symbol is at least 1. */
function sliceDim(dim: Dim, start: number, end: Dim): Dim | undefined {
  if (start < 0) return undefined;
  const length = subtractDims(end, start);
  if (length === undefined || leastOf(length) < 1) return undefined;
  if (sameDim(end, dim)) return length;
  return typeof end === 'number' && end <= leastOf(dim) ? length : undefined;
}

function refuseRanks(what: string, shape: readonly Dim[], given: number): ShapeResult {
  return refuse(`cannot ${what} ${formatShape(shape)} on ${given} axes: it has ${shape.length}`, {
    code: 'Z302',
    blame: [{ input: 0 }],
  });
}

/** Where the axis is taken from its beginning. */
function sliceStrips(cut: Cut, { inputs, attrs }: NodeOf<'slice'>): number | undefined {
  const { starts, ends } = attrs;
  if (starts[cut.axis] !== 0) return undefined;
  return cut.b.add('slice', [cut.strip(inputs[0], cut.axis)], {
    starts,
    ends: ends.map((end, axis) => (axis === cut.axis ? cut.length : end)),
  });
}

export const slice = defineOp<'slice', 'view'>({
  name: 'slice',
  arity: 1,
  shape([x], { starts, ends }) {
    const { shape } = x!;
    if (starts.length !== shape.length || ends.length !== shape.length)
      return refuseRanks('slice', shape, starts.length);
    const result: Dim[] = [];
    for (const [axis, dim] of shape.entries()) {
      const length = sliceDim(dim, starts[axis]!, ends[axis]!);
      if (length === undefined)
        return refuse(
          `cannot take ${starts[axis]}:${formatDim(ends[axis]!)} of axis ${axis} of ${formatShape(shape)}: its length is ${formatDim(dim)}`,
          { blame: [{ input: 0, axis, dim }] },
        );
      result.push(length);
    }
    return accept({ dtype: x!.dtype, shape: result });
  },
  gradient(b, node, dy, wanted) {
    if (!wanted[0]) return [null];
    const { starts, ends } = node.attrs;
    const after = b.type(node.inputs[0]).shape.map((dim, axis) => {
      const rest = subtractDims(dim, ends[axis]!);
      if (rest === undefined)
        throw new Error(`the gradient of a slice of ${formatDim(dim)} needs numeric sizes`);
      return rest;
    });
    return [b.add('pad', [dy], { before: starts, after })];
  },
  reference([x], { starts }, shape) {
    const strides = denseStrides(x.shape);
    return gatherView(
      x,
      shape,
      strides,
      starts.reduce((at, s, axis) => at + s * strides[axis]!, 0),
    );
  },
  traits: { role: 'view', strips: sliceStrips },
  language: {
    written: ([x], { starts, ends }) =>
      `${x}[${starts.map((start, axis) => `${start}:${formatDim(ends[axis]!)}`).join(', ')}]`,
  },
  examples: [
    { name: 'a box', inputs: [floats([3, 5])], attrs: { starts: [1, 2], ends: [3, 4] } },
    {
      name: 'a box of three axes',
      inputs: [floats([2, 3, 5])],
      attrs: { starts: [0, 1, 0], ends: [2, 3, 5] },
    },
  ],
  cost: free,
  tolerance: { rtol: 0, atol: 0 },
});

/** Where nothing is added along the axis. */
function padStrips(cut: Cut, { inputs, attrs }: NodeOf<'pad'>): number | undefined {
  if (attrs.before[cut.axis] !== 0 || attrs.after[cut.axis] !== 0) return undefined;
  return cut.b.add('pad', [cut.strip(inputs[0], cut.axis)], attrs);
}

/** Where nothing is added along the first axis. */
function padSlices({ attrs: { before, after } }: NodeOf<'pad'>): Split | undefined {
  return before[0] === 0 && after[0] === 0 ? { sliced: [0] } : undefined;
}

export const pad = defineOp<'pad'>({
  name: 'pad',
  arity: 1,
  shape([x], { before, after }) {
    const { shape } = x!;
    if (before.length !== shape.length || after.length !== shape.length)
      return refuseRanks('pad', shape, before.length);
    const result: Dim[] = [];
    for (const [axis, dim] of shape.entries()) {
      const front = addDims(dim, before[axis]!);
      const whole = front === undefined ? undefined : addDims(front, after[axis]!);
      if (whole === undefined || before[axis]! < 0 || leastOf(after[axis]!) < 0)
        return refuse(
          `cannot pad axis ${axis} of ${formatShape(shape)} by ${before[axis]} and ${formatDim(after[axis]!)}`,
          { blame: [{ input: 0, axis, dim }] },
        );
      result.push(whole);
    }
    return accept({ dtype: x!.dtype, shape: result });
  },
  gradient(b, node, dy, wanted) {
    if (!wanted[0]) return [null];
    const { before } = node.attrs;
    const ends = b.type(node.inputs[0]).shape.map((dim, axis) => {
      const end = addDims(dim, before[axis]!);
      if (end === undefined)
        throw new Error(`the gradient of a padded ${formatDim(dim)} needs numeric sizes`);
      return end;
    });
    return [b.add('slice', [dy], { starts: before, ends })];
  },
  reference([x], { before }, shape) {
    const data = new Float64Array(sizeOf(shape));
    const strides = denseStrides(shape);
    const offset = before.reduce((at, n, axis) => at + n * strides[axis]!, 0);
    walk(
      x.shape,
      strides,
      (from, to) => {
        data[to] = x!.data[from]!;
      },
      offset,
    );
    return { shape, data };
  },
  traits: {
    role: 'kernel',
    slices: padSlices,
    half: 'activation',
    layout: 'any',
    behind: false,
    strips: padStrips,
  },
  language: 'none',
  examples: [
    { name: 'both ends', inputs: [floats([2, 3])], attrs: { before: [1, 0], after: [2, 1] } },
    { name: 'three axes', inputs: [floats([2, 3, 5])], attrs: { before: [0, 1, 2], after: [0, 0, 1] } },
  ],
  cost: perElement(0),
  tolerance: { rtol: 0, atol: 0 },
});
