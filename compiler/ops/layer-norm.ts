/**
 * Layer normalisation over the last axis (Ba et al. 2016) with biased variance, and its gradients.
 *
 * With xhat = (x - mean) r, r = 1 / sqrt(var + eps) and g = dy weight:
 * dx = r (g - mean(g) - xhat mean(g xhat)), dweight = sum over rows of dy xhat, dbias = sum over rows of dy.
 */

import { formatShape, type NodeOf, type TensorType } from '../graph/types.ts';
import { perElement, perInputElement } from './costs.ts';
import { floats } from './examples.ts';
import { Expressions } from './expressions.ts';
import { defineOp, type ShapeResult } from './op.ts';
import { mapRows, rowGradientShape, rowShape, rowTraits } from './rows.ts';
import { accept, firstOf, refuse, refuseMixed, refuseShape } from './shapes.ts';
import { summing } from './slices.ts';
import type { Cut } from './strips.ts';
import { rowsOf } from './tensors.ts';

declare module './attributes.ts' {
  interface OpAttributes {
    /** (x [..., W], weight [W], bias [W]); biased variance. */
    layer_norm: Normalisation;
    /** (x, weight, dy) -> dx */
    layer_norm_grad: Normalisation;
    /** (x, dy) -> dweight [W] = sum over rows of dy * xhat. (dbias is an ordinary sum of dy.) */
    layer_norm_grad_weight: Normalisation;
  }
  interface OpArities {
    layer_norm: 3;
    layer_norm_grad: 3;
    layer_norm_grad_weight: 2;
  }
}

/** Added to the variance. */
interface Normalisation {
  readonly eps: number;
}

/** Refuses a weight or bias that is not one value for each column of x. */
function refuseVector(inputs: readonly TensorType[], input: number, what: string): ShapeResult | undefined {
  const width = inputs[0]!.shape.slice(-1);
  if (refuseShape('', inputs, input, width) === undefined) return undefined;
  return refuse(
    `cannot normalise ${formatShape(inputs[0]!.shape)} with a ${what} of ${formatShape(inputs[input]!.shape)}: it must be ${formatShape(width)}`,
    {
      blame: [
        { input: 0, axis: inputs[0]!.shape.length - 1, dim: width[0]! },
        { input, axis: 0 },
      ],
    },
  );
}

/** Mean and 1 / sqrt(variance + eps) of a row. */
function statistics(x: Float64Array, eps: number): { mean: number; r: number } {
  const mean = x.reduce((a, v) => a + v, 0) / x.length;
  const variance = x.reduce((a, v) => a + (v - mean) ** 2, 0) / x.length;
  return { mean, r: 1 / Math.sqrt(variance + eps) };
}

/** Rows are normalised by themselves. */
function normStrips(cut: Cut, { inputs, attrs, type }: NodeOf<'layer_norm'>): number | undefined {
  if (cut.axis === type.shape.length - 1) return undefined;
  const [x, weight, bias] = inputs;
  return cut.b.add('layer_norm', [cut.strip(x, cut.axis), cut.whole(weight), cut.whole(bias)], attrs);
}

export const layerNorm = defineOp<'layer_norm'>({
  name: 'layer_norm',
  arity: 3,
  shape(inputs) {
    const result = rowShape('layer_norm', inputs);
    if (!result.ok) return result;
    return (
      firstOf(
        refuseVector(inputs, 1, 'weight'),
        refuseVector(inputs, 2, 'bias'),
        refuseMixed('normalise', inputs),
      ) ?? result
    );
  },
  gradient(b, node, dy, wanted) {
    const e = new Expressions(b);
    const [x, weight] = node.inputs;
    const { eps } = node.attrs;
    return [
      wanted[0] ? b.add('layer_norm_grad', [x, weight, dy], { eps }) : null,
      wanted[1] ? b.add('layer_norm_grad_weight', [x, dy], { eps }) : null,
      wanted[2] ? e.sumTo(dy, e.shape(node.inputs[2])) : null,
    ];
  },
  reference: ([x, weight, bias], { eps }) =>
    mapRows([x!], (rows, out) => {
      const x = rows[0]!;
      const { mean, r } = statistics(x, eps);
      for (let i = 0; i < x.length; i++) out[i] = (x[i]! - mean) * r * weight!.data[i]! + bias!.data[i]!;
    }),
  traits: { ...rowTraits('activation'), strips: normStrips },
  language: { fuses: 'layer_norm' },
  examples: [
    { name: 'odd rows', inputs: [floats([3, 7]), floats([7]), floats([7])], attrs: { eps: 1e-5 } },
    { name: 'three axes', inputs: [floats([2, 3, 5]), floats([5]), floats([5])], attrs: { eps: 1e-5 } },
    { name: 'one row', inputs: [floats([7]), floats([7]), floats([7])], attrs: { eps: 1e-5 } },
  ],
  cost: perElement(8),
  tolerance: { rtol: 5e-6, atol: 5e-6 },
});

export const layerNormGrad = defineOp<'layer_norm_grad'>({
  name: 'layer_norm_grad',
  arity: 3,
  shape(inputs) {
    const [x, , dy] = inputs;
    const result = rowGradientShape('layer_norm_grad', [x!, dy!]);
    return result.ok ? (refuseVector(inputs, 1, 'weight') ?? result) : result;
  },
  gradient: 'made by gradients',
  reference: ([x, weight, dy], { eps }) =>
    mapRows([x!, dy!], (rows, out) => {
      const [x, dy] = [rows[0]!, rows[1]!];
      const { mean, r } = statistics(x, eps);
      const width = x.length;
      let meanG = 0;
      let meanGX = 0;
      for (let i = 0; i < width; i++) {
        const g = dy[i]! * weight!.data[i]!;
        meanG += g / width;
        meanGX += (g * (x[i]! - mean) * r) / width;
      }
      for (let i = 0; i < width; i++)
        out[i] = r * (dy[i]! * weight!.data[i]! - meanG - (x[i]! - mean) * r * meanGX);
    }),
  traits: rowTraits('activation'),
  language: 'none',
  examples: [
    { name: 'odd rows', inputs: [floats([3, 7]), floats([7]), floats([3, 7])], attrs: { eps: 1e-5 } },
    { name: 'three axes', inputs: [floats([2, 3, 5]), floats([5]), floats([2, 3, 5])], attrs: { eps: 1e-5 } },
  ],
  cost: perElement(14),
  tolerance: { rtol: 1e-5, atol: 1e-5 },
});

export const layerNormGradWeight = defineOp<'layer_norm_grad_weight'>({
  name: 'layer_norm_grad_weight',
  arity: 2,
  shape(inputs) {
    const result = rowGradientShape('layer_norm_grad_weight', inputs);
    return result.ok ? accept({ ...result.type, shape: result.type.shape.slice(-1) }) : result;
  },
  gradient: 'made by gradients',
  reference([x, dy], { eps }, shape) {
    const { rows, width } = rowsOf(x.shape);
    const data = new Float64Array(width);
    for (let row = 0; row < rows; row++) {
      const values = x.data.subarray(row * width, (row + 1) * width);
      const { mean, r } = statistics(values, eps);
      for (let i = 0; i < width; i++) data[i]! += dy!.data[row * width + i]! * (values[i]! - mean) * r;
    }
    return { shape, data };
  },
  traits: {
    role: 'kernel',
    slices: summing,
    half: 'full',
    layout: 'dense',
    behind: false,
    strips: 'none',
  },
  language: 'none',
  examples: [
    { name: 'odd rows', inputs: [floats([3, 7]), floats([3, 7])], attrs: { eps: 1e-5 } },
    { name: 'three axes', inputs: [floats([2, 3, 5]), floats([2, 3, 5])], attrs: { eps: 1e-5 } },
  ],
  cost: perInputElement(9),
  tolerance: { rtol: 5e-6, atol: 5e-6, perSqrtK: true },
});
