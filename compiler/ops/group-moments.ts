/**
 * Mean and sum of squared deviations of every 64 columns of a row: partial statistics that joined give a
 * row's mean and variance.
 *
 * A kernel that makes a tile of x knows whole groups of its rows, so it writes these along with x, and a
 * layer norm of x needs no pass over x of its own. Pairs of this kind are joined without cancellation (Chan,
 * Golub and LeVeque 1979): with groups of c columns, M2 = sum of M2_t + c sum of (mean_t - mean)².
 */

import { multiplyDims } from '../graph/dims.ts';
import { formatShape, sizeOf } from '../graph/types.ts';
import { perInputElement } from './costs.ts';
import { floats } from './examples.ts';
import { defineOp, type RefTensor } from './op.ts';
import { accept, refuse, refuseIntegers } from './shapes.ts';
import { unsliced } from './slices.ts';

declare module './attributes.ts' {
  interface OpAttributes {
    /** x [..., W] -> f32 [rows, W/64, 2]: mean and sum of squared deviations of every 64 columns of a row. */
    group_moments: None;
  }
  interface OpArities {
    group_moments: 1;
  }
}

/**
 * Columns of a group: what every schedule's tile of a product holds whole, so that all give the same bits.
 */
export const momentColumns = 64;

/** Mean and M2 of some values. */
function momentsOf(values: Float64Array): readonly [mean: number, m2: number] {
  const mean = values.reduce((sum, v) => sum + v, 0) / values.length;
  return [mean, values.reduce((sum, v) => sum + (v - mean) ** 2, 0)];
}

/** Each row's mean and 1 / sqrt(variance + eps), from moments `[rows, groups, 2]`. */
export function joinMoments(moments: RefTensor, eps: number): { mean: Float64Array; r: Float64Array } {
  const [rows, groups] = moments.shape as [number, number, number];
  const at = (group: number, part: number, row: number) => moments.data[(row * groups + group) * 2 + part]!;
  const all = Array.from({ length: groups }, (_, group) => group);
  const mean = Float64Array.from({ length: rows }, (_, row) =>
    all.reduce((sum, group) => sum + at(group, 0, row) / groups, 0),
  );
  const r = mean.map((average, row) => {
    const m2 = all.reduce(
      (sum, group) => sum + at(group, 1, row) + momentColumns * (at(group, 0, row) - average) ** 2,
      0,
    );
    return 1 / Math.sqrt(m2 / (groups * momentColumns) + eps);
  });
  return { mean, r };
}

export const groupMoments = defineOp<'group_moments'>({
  name: 'group_moments',
  arity: 1,
  shape(inputs) {
    const { shape } = inputs[0]!;
    const width = shape.at(-1);
    const rows = multiplyDims(shape.slice(0, -1));
    if (typeof width !== 'number' || width % momentColumns !== 0 || rows === undefined)
      return refuse(`moments need rows of a multiple of ${momentColumns} columns, got ${formatShape(shape)}`);
    return (
      refuseIntegers('take moments of', inputs) ??
      accept({ dtype: 'f32', shape: [rows, width / momentColumns, 2] })
    );
  },
  gradient: 'made by passes',
  reference([x], _attrs, shape) {
    const data = new Float64Array(sizeOf(shape));
    for (let i = 0; i < data.length / 2; i++)
      data.set(momentsOf(x.data.subarray(i * momentColumns, (i + 1) * momentColumns)), 2 * i);
    return { shape, data };
  },
  traits: {
    role: 'kernel',
    slices: unsliced,
    half: 'full',
    layout: 'dense',
    behind: false,
    strips: 'none',
  },
  language: 'none',
  examples: [{ name: 'two groups', inputs: [floats([2, 3, 128])], attrs: {} }],
  cost: perInputElement(4),
  tolerance: { rtol: 5e-6, atol: 5e-6 },
});
