/**
 * Batch normalisation of [B, C, H, W] over each channel (Ioffe and Szegedy 2015): y = (x - mean) / sqrt(var + eps) weight + bias.
 *
 * Mean and variance are the running ones, or with `training` those of the batch (biased variance). The gradient is
 * built from primitive ops. With r = 1 / sqrt(var + eps), xhat = (x - mean) r and means taken over a channel:
 * running statistics: dx = dy weight r; batch statistics: dx = weight r (dy - mean(dy) - xhat mean(dy xhat)).
 */
import { type Dim, formatShape, sizeOf } from '../graph/types.ts';
import { perElement } from './costs.ts';
import { Expressions } from './expressions.ts';
import { defineOp, type RefTensor } from './op.ts';
import { accept, firstOf, refuse, refuseIntegers, refuseMixed, refuseRank, refuseShape } from './shapes.ts';

const vectors = ['weight', 'bias', 'running_mean', 'running_var'];
/** All axes but the channels. */
const others = [0, 2, 3];

/** Mean and biased variance of each channel of x [B, C, H, W]. */
function channelStatistics(x: RefTensor): { mean: Float64Array; variance: Float64Array } {
  const [batch, channels] = [x.shape[0]!, x.shape[1]!];
  const plane = sizeOf(x.shape.slice(2));
  const count = batch * plane;
  const mean = new Float64Array(channels);
  const variance = new Float64Array(channels);
  const each = (visit: (channel: number, value: number) => void) =>
    x.data.forEach((v, i) => {
      visit(Math.floor(i / plane) % channels, v);
    });
  each((c, v) => {
    mean[c]! += v / count;
  });
  each((c, v) => {
    variance[c]! += (v - mean[c]!) ** 2 / count;
  });
  return { mean, variance };
}

export const batchNorm = defineOp<'batch_norm'>({
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
    const [x, weight, , runningMean, runningVariance] = node.inputs as [
      number,
      number,
      number,
      number,
      number,
    ];
    const { eps, training } = node.attrs;
    const column: Dim[] = [node.type.shape[1]!, 1, 1];
    const average = (v: number) => b.add('mean', [v], { axes: others, keep: true });
    const mean = training ? average(x) : e.reshape(runningMean, column);
    const centred = e.sub(x, mean);
    const variance = training ? average(e.mul(centred, centred)) : e.reshape(runningVariance, column);
    const r = e.unary('rsqrt', e.add(variance, e.scalar(x, eps)));
    const xhat = e.mul(centred, r);
    const dx = () => {
      const through = training ? e.sub(e.sub(dy, average(dy)), e.mul(xhat, average(e.mul(dy, xhat)))) : dy;
      return e.mul(through, e.mul(e.reshape(weight, column), r));
    };
    return [
      wanted[0] ? dx() : null,
      wanted[1] ? e.sum(e.mul(dy, xhat), others) : null,
      wanted[2] ? e.sum(dy, others) : null,
      // Running statistics are buffers: nothing learns them.
      null,
      null,
    ];
  },
  reference([x, weight, bias, runningMean, runningVariance], { eps, training }, shape) {
    const batch = training ? channelStatistics(x!) : undefined;
    const mean = batch?.mean ?? runningMean!.data;
    const variance = batch?.variance ?? runningVariance!.data;
    const plane = sizeOf(shape.slice(2));
    const data = x!.data.map((v, i) => {
      const c = Math.floor(i / plane) % shape[1]!;
      return ((v - mean[c]!) / Math.sqrt(variance[c]! + eps)) * weight!.data[c]! + bias!.data[c]!;
    });
    return { shape, data };
  },
  family: 'reduce',
  cost: perElement(8),
  tolerance: { rtol: 5e-6, atol: 5e-6 },
});
