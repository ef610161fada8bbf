/**
 * Built-ins over images [B, C, H, W]: convolution, pooling, batch normalisation.
 *
 * Batch normalisation is the one built-in that means something else in training: it normalises by the batch's
 * own moments and moves its running statistics, which the tracer collects as results of the graph. Frozen
 * ones keep to the running statistics (open_clip's `freeze_bn_stats`).
 */
import { type Dim, formatShape, sizeOf } from '../../graph/types.ts';
import { momentsOf } from '../../ops/batch-norm.ts';
import { Expressions } from '../../ops/expressions.ts';
import { emit, shapeOf } from '../nodes/emit.ts';
import type { Weight } from '../types.ts';
import type { BuiltinParameter } from '../values/builtin.ts';
import { originAt } from '../values/scope.ts';
import { poison, type TensorValue, type Value } from '../values/values.ts';
import { number, tensorArgument } from './call.ts';
import type { BuiltinCall, BuiltinRow } from './row.ts';

const normParameters = ['x', 'weight', 'bias', 'running_mean', 'running_var'];

function batchNorm(call: BuiltinCall): Value {
  const inputs = normParameters.map((n) => tensorArgument(call, n));
  if (inputs.some((i) => i === undefined)) return poison;
  const attrs = { eps: number(call, 'eps', 1e-5) };
  const names = normParameters.map((n) => `\`${n}\``);
  const operands = inputs as TensorValue[];
  // In eval form first: whatever does not fit is refused alike in both modes.
  const plain = emit(call.env, 'batch_norm', operands, attrs, call.span, { names });
  const statistics = runningStatistics(call);
  if (plain.kind === 'poison' || statistics === 'poison') return poison;
  if (statistics === undefined) return plain;
  const [x, weight, bias] = operands as [TensorValue, TensorValue, TensorValue];
  const { mean, variance } = trackBatch(call, x, statistics);
  return emit(call.env, 'batch_norm', [x, weight, bias, mean, variance], attrs, call.span, { names });
}

interface Statistics {
  readonly mean: Weight;
  readonly variance: Weight;
}

/** The buffers that this call moves: none outside training and where they are frozen. */
function runningStatistics(call: BuiltinCall): Statistics | undefined | 'poison' {
  const tracer = call.env.tracer!;
  if (!tracer.training) return undefined;
  const [mean, variance] = ['running_mean', 'running_var'].map((name) => {
    const value = call.values.get(name);
    if (value?.kind === 'weight' && value.weight.kind === 'buffer') return value.weight;
    const message = `\`${name}\` of batch_norm must be a buffer: training moves it`;
    call.env.session.report('Z209', call.spans.get(name) ?? call.span, message);
    return undefined;
  });
  if (mean === undefined || variance === undefined) return 'poison';
  return tracer.frozen(mean.name) ? undefined : { mean, variance };
}

function valuesPerChannel(shape: readonly Dim[]): number | undefined {
  const others = shape.filter((_, axis) => axis !== 1);
  return others.every((d) => typeof d === 'number') ? sizeOf(others) : undefined;
}

/**
 * Emits the batch's moments and the moved statistics: old + momentum (batch - old), with the unbiased
 * variance.
 */
function trackBatch(
  call: BuiltinCall,
  x: TensorValue,
  statistics: Statistics,
): { mean: TensorValue; variance: TensorValue } {
  const { env, span } = call;
  const tracer = env.tracer!;
  const momentum = number(call, 'momentum', 0.1);
  const shape = shapeOf(x, env);
  const count = valuesPerChannel(shape);
  if (count === 1)
    env.session.report(
      'Z313',
      span,
      `batch_norm in training needs more than one value in each channel, got ${formatShape(shape)}`,
      { help: 'use a larger batch' },
    );
  const origin = originAt(env, span);
  return tracer.builder.withOrigin(origin, () => {
    const e = new Expressions(tracer.builder);
    const { mean, variance } = acrossRanks(e, momentsOf(e, x.node), tracer.normRanks);
    const move = (buffer: Weight, batch: number) => {
      const old = tracer.statistic(buffer, origin);
      const moved = e.add(old, e.scale(e.sub(batch, old), momentum));
      tracer.statistics.set(buffer.name, { node: moved, from: mean });
    };
    // With an open batch a trace is only a check: nothing runs it.
    if (count !== undefined) {
      move(statistics.mean, mean);
      const all = count * tracer.normRanks;
      move(statistics.variance, e.scale(variance, all / Math.max(1, all - 1)));
    }
    const tensor = (node: number): TensorValue => ({ kind: 'tensor', node, axes: [x.axes[1]] });
    return { mean: tensor(mean), variance: tensor(variance) };
  });
}

/** Moments of equally many values on each of `ranks` as those of all of them: two exchanges, since one would cancel. */
function acrossRanks(
  e: Expressions,
  own: { readonly mean: number; readonly variance: number },
  ranks: number,
): typeof own {
  if (ranks === 1) return own;
  const mean = e.b.add('rank_mean', [own.mean], {});
  const shift = e.sub(own.mean, mean);
  const spread = e.add(own.variance, e.mul(shift, shift));
  return { mean, variance: e.b.add('rank_mean', [spread], {}) };
}

const x: BuiltinParameter = { name: 'x', kind: 'tensor' };

export const imageBuiltins: readonly BuiltinRow[] = [
  {
    name: 'batch_norm',
    about: 'batch normalisation over all axes but the channels',
    shapes: '[B, C, ...], [C] ×4',
    gradient: 'of x, weight and bias',
    source: 'torch.nn.functional.batch_norm',
    parameters: [
      x,
      ...normParameters.slice(1).map((name) => ({ name, kind: 'tensor' as const })),
      { name: 'eps', kind: 'number', optional: true },
      { name: 'momentum', kind: 'number', optional: true },
    ],
    apply: batchNorm,
  },
];
