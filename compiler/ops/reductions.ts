/**
 * What the reductions over axes share: the shape rule and the walk over groups.
 */
import { denseStrides, type NodeOf, sizeOf, type TensorType } from '../graph/types.ts';
import { type Examples, floats, integers } from './examples.ts';
import type { WordFacts } from './language.ts';
import type { RefTensor, ShapeResult } from './op.ts';
import { accept, isFloat, reducedShape, refuseAxes } from './shapes.ts';
import type { Cut } from './strips.ts';
import { walk } from './tensors.ts';
import type { Split } from './traits.ts';

/** Attributes of a reduction. */
export interface Reduction {
  readonly axes: readonly number[];
  /** Keep reduced axes as 1. */
  readonly keep: boolean;
}

type ReductionOp = 'sum' | 'mean' | 'max' | 'min';

/** A reduction over the first axis joins the results of slices as it joins elements; partial results are f32. */
function reductionSlices<K extends ReductionOp>(
  { op, attrs }: NodeOf<K>,
  [x]: readonly TensorType[],
): Split | undefined {
  if (!attrs.axes.includes(0)) return { sliced: [0] };
  return isFloat(x!) ? { sliced: [0], join: op } : undefined;
}

/** Axes that stay are the input's own. */
function reductionSources([x]: readonly TensorType[], { axes, keep }: Reduction) {
  return x!.shape.flatMap((_, axis) =>
    axes.includes(axis) ? (keep ? [undefined] : []) : [[0, axis] as const],
  );
}

/** A strip of an axis that stays is the reduction of the input's strip. */
function reductionStrips<K extends ReductionOp>(cut: Cut, node: NodeOf<K>): number | undefined {
  const axis = reducedFrom(cut.axis, node.attrs);
  return axis === undefined
    ? undefined
    : cut.b.add<ReductionOp>(node.op, [cut.strip(node.inputs[0], axis)], node.attrs);
}

/** The input's axis that a reduction's result axis comes from; none where it was reduced to 1. */
function reducedFrom(axis: number, { axes, keep }: Reduction): number | undefined {
  if (keep) return axes.includes(axis) ? undefined : axis;
  let own = axis;
  for (const reduced of [...axes].sort((a, b) => a - b)) if (reduced <= own) own++;
  return own;
}

/** Facts that all reductions over axes share. */
export const reductionTraits = {
  role: 'kernel',
  slices: reductionSlices,
  half: 'full',
  layout: 'dense',
  behind: false,
  strips: reductionStrips,
} as const;

export const reductionExamples: Examples<Reduction> = [
  { name: 'last axis', inputs: [floats([2, 3, 7])], attrs: { axes: [2], keep: false } },
  { name: 'middle axis kept', inputs: [floats([2, 3, 7])], attrs: { axes: [1], keep: true } },
  { name: 'outer axes', inputs: [floats([2, 3, 7])], attrs: { axes: [0, 1], keep: false } },
  { name: 'everything', inputs: [floats([2, 3, 7])], attrs: { axes: [0, 1, 2], keep: false } },
  { name: 'integers of the last axis', inputs: [integers([3, 2, 7], 9)], attrs: { axes: [2], keep: false } },
  { name: 'integers of outer axes', inputs: [integers([2, 3, 7], 9)], attrs: { axes: [0, 1], keep: true } },
];

/** The word in the language: `sum(x, axis = ..., keep = true)`; without an axis, over all of them. */
export const reductionWord = (facts: WordFacts) =>
  ({
    ...facts,
    operands: ['x'],
    settings: { axes: { as: 'axis', kind: 'axes' }, keep: { kind: 'bool', default: false } },
    idle: ({ axes }: Reduction) => axes.length === 0,
    sources: reductionSources,
  }) as const;

/** How a node is written whose word means other things as well. */
export const writtenReduction = (word: string) =>
  ({
    written: ([x]: readonly string[], { axes, keep }: Reduction) =>
      `${word}(${x}, axis = [${axes.join(', ')}]${keep ? ', keep = true' : ''})`,
  }) as const;

export function reductionShape(
  what: string,
  inputs: readonly TensorType[],
  { axes, keep }: Reduction,
): ShapeResult {
  const x = inputs[0]!;
  const refusal = refuseAxes(what, x, axes);
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
