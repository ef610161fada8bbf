/**
 * What ops along the last axis share: shape rules and a walk over rows.
 */
import { formatShape, type TensorType } from '../graph/types.ts';
import { type Examples, floats } from './examples.ts';
import type { RefTensor, ShapeResult } from './op.ts';
import { accept, firstOf, refuse, refuseIntegers, refuseMixed, refuseShape } from './shapes.ts';
import { samplewise } from './slices.ts';
import { rowsOf } from './tensors.ts';
import type { Half } from './traits.ts';

/** A float tensor with a last axis; the result has its type. */
export function rowShape(what: string, inputs: readonly TensorType[]): ShapeResult {
  const x = inputs[0]!;
  if (x.shape.length === 0)
    return refuse(`${what} needs an axis [..., W], got ${formatShape(x.shape)}`, {
      code: 'Z302',
      blame: [{ input: 0 }],
    });
  return refuseIntegers(`take ${what} of`, inputs) ?? accept(x);
}

/** (y or x, dy) of one type. */
export function rowGradientShape(what: string, inputs: readonly TensorType[]): ShapeResult {
  const x = inputs[0]!;
  const refusal = firstOf(refuseMixed(what, inputs), refuseShape(`dy of ${what}`, inputs, 1, x.shape));
  return refusal ?? rowShape(what, inputs);
}

/**
 * Calls `f` with the same row of every input and the row of the result to fill; all inputs have one shape.
 */
export function mapRows(
  inputs: readonly RefTensor[],
  f: (rows: readonly Float64Array[], out: Float64Array) => void,
): RefTensor {
  const shape = inputs[0]!.shape;
  const { rows, width } = rowsOf(shape);
  const data = new Float64Array(rows * width);
  for (let row = 0; row < rows; row++) {
    const [from, to] = [row * width, (row + 1) * width];
    f(
      inputs.map((x) => x.data.subarray(from, to)),
      data.subarray(from, to),
    );
  }
  return { shape, data };
}

/** Facts of an op along rows that strips do not cut: samples alike, arithmetic behind it done by its kernel. */
export const rowTraits = <H extends Half>(half: H) =>
  ({
    role: 'kernel',
    slices: samplewise(),
    half,
    layout: 'dense',
    behind: true,
    strips: 'none',
  }) as const;

/** Examples of (y or x, dy). */
export const rowGradientExamples: Examples<Readonly<Record<never, never>>> = [
  { name: 'odd rows', inputs: [floats([3, 7]), floats([3, 7])], attrs: {} },
  { name: 'three axes', inputs: [floats([2, 3, 5]), floats([2, 3, 5])], attrs: {} },
];
