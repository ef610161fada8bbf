/**
 * Layer norm, L2 normalisation and their gradients along the last axis.
 *
 * Variance is taken in a second pass over centred values, which keeps f32 accuracy where the mean is large.
 * The weight's gradient needs every row's mean and 1/deviation for each column, so those go to scratch first;
 * then dy * (x - mean) * rstd is summed down the columns. GPUs do both in one pass (layer-norm-grad.ts).
 */
import type { NodeOf } from '../../graph/types.ts';
import { sizeOf } from '../../graph/types.ts';
import type { OpName } from '../../ops/attributes.ts';
import type { Lower, LowerContext } from '../text/kernel.ts';
import { denseView, type View } from '../text/view.ts';
import { literal } from '../text/wgsl.ts';
import { columnReduction } from './columns.ts';
import { emitLayerNormGradients, holdsRows } from './layer-norm-grad.ts';
import { type RowStep, rowKernel } from './rows.ts';
import { lowerRows } from './softmax.ts';

/** Steps that leave `mean` and `rstd` (1 / standard deviation) of `x`. */
function statistics(length: number, eps: number): RowStep[] {
  const count = literal(length);
  return [
    { reduce: [{ op: 'sum', name: 'x_total', value: 'x', reads: ['x'] }] },
    { name: 'mean', value: `x_total / ${count}` },
    { reduce: [{ op: 'sum', name: 'squares', value: '(x - mean) * (x - mean)', reads: ['x'] }] },
    { name: 'rstd', value: `inverseSqrt(squares / ${count} + ${literal(eps)})` },
  ];
}

const lowerLayerNorm: Lower<'layer_norm'> = (ctx, node) => {
  const length = ctx.view(node.inputs[0]).shape.at(-1)!;
  lowerRows(ctx, node, ['x', 'weight', 'bias'], 8, [
    ...statistics(length, node.attrs.eps),
    { store: '(x - mean) * rstd * weight + bias', reads: ['x', 'weight', 'bias'] },
  ]);
};

/** dx = rstd * (g - mean(g) - xhat * mean(g * xhat)) with g = dy * weight. */
const lowerLayerNormGrad: Lower<'layer_norm_grad'> = (ctx, node) => {
  const view = ctx.view(node.inputs[0]);
  const length = view.shape.at(-1)!;
  const count = literal(length);
  // The weight's gradient needs the statistics that this kernel has at hand.
  const weight = ctx.joined(node, 'weight-gradient');
  if (
    weight &&
    holdsRows(
      ctx,
      node.inputs.map((id) => ctx.view(id)),
    )
  ) {
    const bias = ctx.joined(weight, 'bias-gradient');
    const sums = [weight, ...(bias ? [bias] : [])].map((made) => ctx.result(made));
    emitLayerNormGradients(ctx, node, sums);
    return;
  }
  const dweight = weight && ctx.result(weight);
  const kept = dweight && scratchStatistics(ctx, view);
  lowerRows(ctx, node, ['x', 'weight', 'dy'], 18, [
    ...statistics(length, node.attrs.eps),
    {
      reduce: [
        { op: 'sum', name: 'g_total', value: 'dy * weight', reads: ['dy', 'weight'] },
        {
          op: 'sum',
          name: 'g_xhat_total',
          value: 'dy * weight * ((x - mean) * rstd)',
          reads: ['x', 'weight', 'dy'],
        },
      ],
    },
    { name: 'g_mean', value: `g_total / ${count}` },
    { name: 'g_xhat_mean', value: `g_xhat_total / ${count}` },
    ...(kept ? kept.steps : []),
    {
      store: 'rstd * (dy * weight - g_mean - (x - mean) * rstd * g_xhat_mean)',
      reads: ['x', 'weight', 'dy'],
    },
  ]);
  if (weight && dweight && kept) sumWeightGradient(ctx, weight, dweight, kept);
};

interface Statistics {
  readonly mean: View;
  readonly rstd: View;
  /** Steps that keep both. */
  readonly steps: readonly RowStep[];
}

/** Room for every row's mean and 1/deviation. */
function scratchStatistics(ctx: LowerContext, x: View): Statistics {
  const lead = x.shape.slice(0, -1);
  const rows = sizeOf(lead);
  const mean = denseView(ctx.scratch(2 * rows, 'f32', 'layer_norm statistics'), lead);
  const rstd = { ...mean, offset: rows };
  const steps = [
    { put: 'mean', into: mean },
    { put: 'rstd', into: rstd },
  ];
  return { mean, rstd, steps };
}

/** dweight, and with it the bias's gradient, which sums the same dy. */
function sumWeightGradient(
  ctx: LowerContext,
  node: NodeOf<'layer_norm_grad_weight'>,
  result: View,
  { mean, rstd }: Statistics,
): void {
  const [x, dy] = node.inputs.map((id) => ctx.view(id)) as [View, View];
  const alongRow = (view: View): View => ({ ...view, shape: x.shape, strides: [...view.strides, 0] });
  const inputs = [
    { role: 'x', view: x },
    { role: 'dy', view: dy },
    { role: 'mean', view: alongRow(mean) },
    { role: 'rstd', view: alongRow(rstd) },
  ];
  const axes = x.shape.slice(0, -1).map((_, axis) => axis);
  const bias = ctx.joined(node, 'bias-gradient');
  const values = ['dy * ((x - mean) * rstd)', ...(bias ? ['dy'] : [])];
  const outputs = [result, ...(bias ? [ctx.result(bias)] : [])];
  columnReduction(ctx, node, { inputs, axes, op: 'sum', values, flops: 5 }, outputs);
}

const lowerLayerNormGradWeight: Lower<'layer_norm_grad_weight'> = (ctx, node) => {
  const x = ctx.view(node.inputs[0]);
  const kept = scratchStatistics(ctx, x);
  const steps = [...statistics(x.shape.at(-1)!, node.attrs.eps), ...kept.steps];
  const spec = { name: 'layer_norm_statistics', inputs: [{ role: 'x', view: x }], output: kept.mean, steps };
  ctx.emit(rowKernel({ ...spec, flops: 4 * sizeOf(x.shape) }, ctx.profile, node.origin));
  sumWeightGradient(ctx, node, ctx.result(node), kept);
};

const lowerL2Normalize: Lower<'l2_normalize'> = (ctx, node) => {
  lowerRows(ctx, node, ['x'], 3, [
    { reduce: [{ op: 'sum', name: 'squares', value: 'x * x', reads: ['x'] }] },
    { name: 'factor', value: 'inverseSqrt(squares)' },
    { store: 'x * factor', reads: ['x'] },
  ]);
};

/** dx = (dy - y * (y . dy)) / |x| with y = x / |x|. */
const lowerL2NormalizeGrad: Lower<'l2_normalize_grad'> = (ctx, node) => {
  lowerRows(ctx, node, ['x', 'dy'], 8, [
    {
      reduce: [
        { op: 'sum', name: 'squares', value: 'x * x', reads: ['x'] },
        { op: 'sum', name: 'mixed', value: 'x * dy', reads: ['x', 'dy'] },
      ],
    },
    { name: 'factor', value: 'inverseSqrt(squares)' },
    { name: 'along', value: 'mixed * factor * factor' },
    { store: '(dy - x * along) * factor', reads: ['x', 'dy'] },
  ]);
};

export const normalizeLowerings = {
  layer_norm: lowerLayerNorm,
  layer_norm_grad: lowerLayerNormGrad,
  layer_norm_grad_weight: lowerLayerNormGradWeight,
  l2_normalize: lowerL2Normalize,
  l2_normalize_grad: lowerL2NormalizeGrad,
} satisfies { [K in OpName]?: Lower<K> };
