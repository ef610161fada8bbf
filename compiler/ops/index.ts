/**
 * All operations in one table. Its type makes a name without a definition, or a definition under another name, a
 * compile error; nothing registers itself by being imported.
 */
import { allGather } from './all-gather.ts';
import { argmax } from './argmax.ts';
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
import { embedding, embeddingGrad } from './embedding.ts';
import { expand } from './expand.ts';
import { groupMoments } from './group-moments.ts';
import { l2Normalize, l2NormalizeGrad } from './l2-normalize.ts';
import { layerNorm, layerNormGrad, layerNormGradWeight } from './layer-norm.ts';
import { constant, input, iota, param } from './leaves.ts';
import { logSoftmax, logSoftmaxGrad } from './log-softmax.ts';
import { map } from './map.ts';
import { maskFuture } from './mask-future.ts';
import { matmul } from './matmul.ts';
import { max } from './max.ts';
import { mean } from './mean.ts';
import type { OpDefinition } from './op.ts';
import { recompute } from './recompute.ts';
import { reshape } from './reshape.ts';
import { pad, slice } from './slice.ts';
import { softmax, softmaxGrad } from './softmax.ts';
import { sum } from './sum.ts';
import { take, takeGrad } from './take.ts';
import { transpose } from './transpose.ts';
import { unaryOps } from './unary.ts';

export const ops: { readonly [K in OpName]: OpDefinition<K> } = {
  input,
  param,
  constant,
  iota,

  ...unaryOps,
  cast,
  mask_future: maskFuture,
  ...binaryOps,
  map,

  sum,
  mean,
  max,
  argmax,
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
  batch_norm: batchNorm,
  batch_moments: batchMoments,
  batch_norm_sums: batchNormSums,

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
  embedding,
  embedding_grad: embeddingGrad,
  take,
  take_grad: takeGrad,
  all_gather: allGather,
  recompute,
};

/** The definition of an op. */
export function opOf<K extends OpName>(name: K): OpDefinition<K> {
  return ops[name];
}
