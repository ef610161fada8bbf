/**
 * Batch normalisation of x [B, C, H, W] over each channel (Ioffe and Szegedy 2015): y = (x - mean) /
 * sqrt(variance + eps) weight + bias.
 *
 * Mean and variance are inputs: the model's running statistics, or in training what `batch_moments` makes of
 * x itself. Either way the gradient follows from the two sums of `batch_norm_sums`: S = sum(dy) and P =
 * sum(dy (x - mean)) over a channel, with r = 1 / sqrt(variance + eps): dx = dy weight r, dweight = r P,
 * dbias = S, dmean = -weight r S, dvariance = -weight r³ P / 2. What the batch's own statistics add to dx
 * comes through the gradient of `batch_moments`.
 */

import { type Dim, formatShape, sizeOf } from '../graph/types.ts';
import { perElement, perInputElement } from './costs.ts';
import { floats } from './examples.ts';
import { Expressions } from './expressions.ts';
import { defineOp, type RefTensor } from './op.ts';
import { accept, firstOf, refuse, refuseIntegers, refuseMixed, refuseRank, refuseShape } from './shapes.ts';
import { unsliced } from './slices.ts';

declare module './attributes.ts' {
  interface OpAttributes {
    /** (x [B,C,H,W], weight, bias, mean, variance), all but x `[C]`. */
    batch_norm: { readonly eps: number };
    /** x [B,C,H,W] -> [2,C]: mean and biased variance of each channel. */
    batch_moments: None;
    /** (dy, x, mean [C]) -> [2,C]: sums over a channel of dy, and of dy (x - mean). */
    batch_norm_sums: None;
  }
  interface OpArities {
    batch_norm: 5;
    batch_moments: 1;
    batch_norm_sums: 3;
  }
}

const vectors = ['weight', 'bias', 'mean', 'variance'];

/** Calls `visit` with each element's channel and flat place. */
function eachElement(shape: readonly number[], visit: (channel: number, at: number) => void): void {
  const channels = shape[1]!;
  const plane = sizeOf(shape.slice(2));
  const size = sizeOf(shape);
  for (let at = 0; at < size; at++) visit(Math.floor(at / plane) % channels, at);
}

/** Row `row` of [2, C] as [C]. */
function rowOf(e: Expressions, x: number, row: 0 | 1): number {
  const channels = e.shape(x)[1]!;
  const part = e.b.add('slice', [x], { starts: [row, 0], ends: [row + 1, channels] });
  return e.reshape(part, [channels]);
}

/** The mean and the biased variance of `batch_moments`, each [C]. */
export function momentsOf(e: Expressions, x: number): { mean: number; variance: number } {
  const moments = e.b.add('batch_moments', [x], {});
  return { mean: rowOf(e, moments, 0), variance: rowOf(e, moments, 1) };
}

/** [C] as [C, 1, 1], which broadcasts over images. */
export function asChannels(e: Expressions, x: number): number {
  return e.reshape(x, [e.shape(x)[0]!, 1, 1]);
}

export const batchNorm = defineOp<'batch_norm', 'rewritten'>({
  name: 'batch_norm',
  arity: 5,
  shape(inputs) {
    const refusal = firstOf(
      refuseRank('batch_norm', inputs, 0, '[B, C, H, W]'),
      refuseMixed('normalise', inputs),
      refuseIntegers('normalise', inputs),
    );
    if (refusal) return refusal;
    const channels = inputs[0]!.shape[1]!;
    const bad = vectors.findIndex((what, i) => refuseShape(what, inputs, i + 1, [channels]));
    if (bad >= 0)
      return refuse(
        `cannot normalise ${formatShape(inputs[0]!.shape)} with a ${vectors[bad]} of ${formatShape(inputs[bad + 1]!.shape)}: it must be ${formatShape([channels])}`,
        { blame: [{ input: 0, axis: 1, dim: channels }, { input: bad + 1 }] },
      );
    return accept(inputs[0]!);
  },
  gradient(b, node, dy, wanted) {
    const e = new Expressions(b);
    const [x, weight, , mean, variance] = node.inputs;
    const r = e.unary('rsqrt', e.add(variance, e.scalar(x, node.attrs.eps)));
    const weighted = e.mul(weight, r);
    const [, ofWeight, ofBias, ofMean, ofVariance] = wanted;
    const sums =
      ofWeight || ofBias || ofMean || ofVariance ? b.add('batch_norm_sums', [dy, x, mean], {}) : undefined;
    const plain = () => rowOf(e, sums!, 0);
    const centred = () => rowOf(e, sums!, 1);
    return [
      wanted[0] ? e.mul(dy, asChannels(e, weighted)) : null,
      ofWeight ? e.mul(r, centred()) : null,
      ofBias ? plain() : null,
      ofMean ? e.neg(e.mul(weighted, plain())) : null,
      ofVariance ? e.scale(e.mul(e.mul(weighted, e.mul(r, r)), centred()), -0.5) : null,
    ];
  },
  reference([x, weight, bias, mean, variance], { eps }, shape) {
    const data = new Float64Array(x.data.length);
    eachElement(shape, (c, at) => {
      const centred = x!.data[at]! - mean!.data[c]!;
      data[at] = (centred / Math.sqrt(variance!.data[c]! + eps)) * weight!.data[c]! + bias!.data[c]!;
    });
    return { shape, data };
  },
  traits: { role: 'rewritten', half: 'activation', strips: 'none' },
  language: {
    written: (operands, { eps }) => `batch_norm(${operands.join(', ')}, eps = ${eps})`,
  },
  examples: [
    {
      name: 'given statistics',
      inputs: [floats([2, 3, 2, 3]), floats([3]), floats([3]), floats([3]), floats([3], 0.2, 1.5)],
      attrs: { eps: 1e-5 },
    },
  ],
  cost: perElement(4),
  tolerance: { rtol: 5e-6, atol: 5e-6 },
});

export const batchMoments = defineOp<'batch_moments'>({
  name: 'batch_moments',
  arity: 1,
  shape: (inputs) =>
    firstOf(
      refuseRank('batch_moments', inputs, 0, '[B, C, H, W]'),
      refuseIntegers('take moments of', inputs),
    ) ?? accept({ dtype: inputs[0]!.dtype, shape: [2, inputs[0]!.shape[1]!] }),
  gradient(b, node, d, wanted) {
    if (!wanted[0]) return [null];
    const e = new Expressions(b);
    const [x] = node.inputs;
    const count = e.count(x, [0, 2, 3]);
    const mean = asChannels(e, rowOf(e, node.id, 0));
    const shift = asChannels(e, e.scale(rowOf(e, d, 0), 1 / count));
    const slope = asChannels(e, e.scale(rowOf(e, d, 1), 2 / count));
    return [e.add(e.mul(e.sub(x, mean), slope), shift)];
  },
  reference([x], _attrs, shape): RefTensor {
    const channels = shape[1]!;
    const count = x!.data.length / channels;
    const data = new Float64Array(2 * channels);
    eachElement(x!.shape, (c, at) => {
      data[c]! += x!.data[at]! / count;
    });
    eachElement(x!.shape, (c, at) => {
      data[channels + c]! += (x!.data[at]! - data[c]!) ** 2 / count;
    });
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
  examples: [{ name: 'pictures', inputs: [floats([2, 3, 2, 3])], attrs: {} }],
  cost: perInputElement(4),
  tolerance: { rtol: 5e-6, atol: 5e-6 },
});

export const batchNormSums = defineOp<'batch_norm_sums'>({
  name: 'batch_norm_sums',
  arity: 3,
  shape(inputs) {
    const [dy, x] = inputs as [(typeof inputs)[0], (typeof inputs)[0]];
    const channels: readonly Dim[] = [dy.shape[1]!];
    return (
      firstOf(
        refuseRank('batch_norm_sums', inputs, 0, '[B, C, H, W]'),
        refuseShape('x', inputs, 1, dy.shape),
        refuseShape('mean', inputs, 2, channels),
        refuseMixed('sum', inputs),
      ) ?? accept({ dtype: x.dtype, shape: [2, ...channels] })
    );
  },
  gradient: 'made by gradients',
  reference([dy, x, mean], _attrs, shape) {
    const channels = shape[1]!;
    const data = new Float64Array(2 * channels);
    eachElement(x!.shape, (c, at) => {
      data[c]! += dy!.data[at]!;
      data[channels + c]! += dy!.data[at]! * (x!.data[at]! - mean!.data[c]!);
    });
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
  examples: [
    { name: 'pictures', inputs: [floats([2, 3, 2, 3]), floats([2, 3, 2, 3]), floats([3])], attrs: {} },
  ],
  cost: perInputElement(4),
  // Sums of signed terms: judged against the sum of their sizes.
  tolerance: { rtol: 5e-6, atol: 5e-6, perSqrtK: true },
});
