/**
 * All operations in one table. Its type makes a name without a definition, or a definition under another
 * name, a compile error; nothing registers itself by being imported.
 */
import type { Node, NodeOf } from '../graph/types.ts';
import { allGather } from './all-gather.ts';
import { argmax } from './argmax.ts';
import { argsort } from './argsort.ts';
import { attention, attentionLse } from './attention.ts';
import { attentionGradK, attentionGradQ, attentionGradV } from './attention-grad.ts';
import type { OpName } from './attributes.ts';
import { avgPool, avgPoolGrad } from './avg-pool.ts';
import { batchMoments, batchNorm, batchNormSums } from './batch-norm.ts';
import { binaryOps } from './binary.ts';
import { cast } from './cast.ts';
import { concat } from './concat.ts';
import { conv2d } from './conv2d.ts';
import { conv2dGradInput, conv2dGradWeight } from './conv2d-grad.ts';
import { cumsum } from './cumsum.ts';
import { embedding, embeddingGrad } from './embedding.ts';
import { expand } from './expand.ts';
import { flip } from './flip.ts';
import { groupMoments } from './group-moments.ts';
import { l2Normalize, l2NormalizeGrad } from './l2-normalize.ts';
import { layerNorm, layerNormGrad, layerNormGradWeight } from './layer-norm.ts';
import { constant, input, iota, param } from './leaves.ts';
import { logSoftmax, logSoftmaxGrad } from './log-softmax.ts';
import { map } from './map.ts';
import { maskFuture } from './mask-future.ts';
import { matmul } from './matmul.ts';
import { max } from './max.ts';
import { maxPool, maxPoolGrad, maxPoolIndex } from './max-pool.ts';
import { mean } from './mean.ts';
import { min } from './min.ts';
import type { OpDefinition } from './op.ts';
import { packHalves, unpackHalves } from './packed-halves.ts';
import { pick, pickGrad } from './pick.ts';
import { rankGather } from './rank-gather.ts';
import { rankMean } from './rank-mean.ts';
import { recompute } from './recompute.ts';
import { reshape } from './reshape.ts';
import { pad, slice } from './slice.ts';
import { softmax, softmaxGrad } from './softmax.ts';
import { stopGradient } from './stop-gradient.ts';
import type { Strips } from './strips.ts';
import { sum } from './sum.ts';
import { take, takeGrad } from './take.ts';
import { ternaryOps } from './ternary.ts';
import type { Half, Role, TraitsOf } from './traits.ts';
import { transpose } from './transpose.ts';
import { unaryOps } from './unary.ts';
import { uniform } from './uniform.ts';

const definitions = {
  input,
  param,
  constant,
  iota,

  ...unaryOps,
  cast,
  mask_future: maskFuture,
  ...binaryOps,
  ...ternaryOps,
  map,
  uniform,

  sum,
  mean,
  max,
  min,
  argmax,
  argsort,
  cumsum,
  softmax,
  softmax_grad: softmaxGrad,
  log_softmax: logSoftmax,
  log_softmax_grad: logSoftmaxGrad,

  layer_norm: layerNorm,
  group_moments: groupMoments,
  layer_norm_grad: layerNormGrad,
  layer_norm_grad_weight: layerNormGradWeight,
  l2_normalize: l2Normalize,
  l2_normalize_grad: l2NormalizeGrad,

  matmul,
  conv2d,
  conv2d_grad_input: conv2dGradInput,
  conv2d_grad_weight: conv2dGradWeight,
  avg_pool: avgPool,
  avg_pool_grad: avgPoolGrad,
  max_pool: maxPool,
  max_pool_index: maxPoolIndex,
  max_pool_grad: maxPoolGrad,
  batch_norm: batchNorm,
  batch_moments: batchMoments,
  batch_norm_sums: batchNormSums,
  rank_mean: rankMean,
  rank_gather: rankGather,
  pack_halves: packHalves,
  unpack_halves: unpackHalves,

  attention,
  attention_lse: attentionLse,
  attention_grad_q: attentionGradQ,
  attention_grad_k: attentionGradK,
  attention_grad_v: attentionGradV,

  reshape,
  transpose,
  slice,
  expand,
  concat,
  pad,
  flip,
  embedding,
  embedding_grad: embeddingGrad,
  take,
  take_grad: takeGrad,
  pick,
  pick_grad: pickGrad,
  all_gather: allGather,
  stop_gradient: stopGradient,
  recompute,
} satisfies { readonly [K in OpName]: OpDefinition<K> };

export const ops: { readonly [K in OpName]: OpDefinition<K> } = definitions;

/** The ops of a role, by name. */
export type OpsOf<R extends Role> = {
  [K in OpName]: (typeof definitions)[K] extends OpDefinition<K, R> ? K : never;
}[OpName];

function isOf<R extends Role>(op: OpName, role: R): op is OpsOf<R> {
  return ops[op].traits.role === role;
}

/** The names of all ops, or of those of a role. */
export const opNames = Object.keys(definitions) as readonly OpName[];

export function opsOf<R extends Role>(role: R): OpsOf<R>[] {
  return opNames.filter((op): op is OpsOf<R> => isOf(op, role));
}

/** Ops with a kernel of their own. */
export type KernelOp = OpsOf<'kernel'>;

/** Whether values of this op are made by a kernel. */
export function isKernelOp(op: OpName): op is KernelOp {
  return isOf(op, 'kernel');
}

export type KernelNode = { [K in KernelOp]: NodeOf<K> }[KernelOp];

/** Whether a node is made by a kernel. */
export function isKernelNode(node: Node): node is KernelNode {
  return isKernelOp(node.op);
}

const kernels: { readonly [K in KernelOp]: OpDefinition<K, 'kernel'> } = definitions;

/** What is known of an op with a kernel. */
export function kernelTraits<K extends KernelOp>(op: K): TraitsOf<K>['kernel'] {
  return kernels[op].traits;
}

/** Whether a value of this op is fed from outside. */
export function isLeaf(op: OpName): boolean {
  return isOf(op, 'leaf');
}

/** How strips of an op's result are made of strips of its inputs. */
export function stripsOf<K extends OpName>(op: K): Strips<K> | 'none' {
  const { traits } = opOf(op);
  return 'strips' in traits ? traits.strips : 'none';
}

/** What mixed precision makes of an op; of views and leaves nothing. */
export function halfOf(op: OpName): Half {
  const { traits } = ops[op];
  return 'half' in traits ? traits.half : 'full';
}

/** Whether the kernel of an op writes its result in any order of axes. */
export function writesAnyLayout(op: OpName): boolean {
  const { traits } = ops[op];
  return traits.role === 'kernel' && traits.layout === 'any';
}

/** The definition of an op. */
export function opOf<K extends OpName>(name: K): OpDefinition<K> {
  return ops[name];
}
