/**
 * Gradients of attention with respect to q, k and v, from (q, k, v, dout, lse, delta). In place of delta there may be what
 * attention gave, of which the kernel then makes it (the pass delta-inside).
 *
 * With p_ij = exp(s_ij - lse_i) and ds_ij = p_ij (dout_i · v_j - delta_i): dq_i = scale Σ_j ds_ij k_j,
 * dk_j = scale Σ_i ds_ij q_i, dv_j = Σ_i p_ij dout_i (FlashAttention, Dao et al. 2022, appendix B).
 */

import type { TensorType } from '../graph/types.ts';
import { type AttentionAttributes, attentionFlops, headsOf, refuseHeads, scoresOf } from './attention.ts';
import { traffic } from './costs.ts';
import { floats } from './examples.ts';
import { defineOp, type OpDefinition, type RefTensor, type ShapeResult } from './op.ts';
import { accept, firstOf, refuseShape } from './shapes.ts';
import { samplewise } from './slices.ts';

declare module './attributes.ts' {
  interface OpAttributes {
    /** (q, k, v, dout, lse, delta) -> dq; delta [B,H,T] = sum(dout * out, last axis), or out itself */
    attention_grad_q: AttentionAttributes;
    attention_grad_k: AttentionAttributes;
    attention_grad_v: AttentionAttributes;
  }
  interface OpArities {
    attention_grad_q: 6;
    attention_grad_k: 6;
    attention_grad_v: 6;
  }
}

type Target = 'attention_grad_q' | 'attention_grad_k' | 'attention_grad_v';

/** What a pair (query, key) adds to a row of the result. */
interface Pair {
  readonly query: number;
  readonly key: number;
  readonly p: number;
  readonly ds: number;
}

function shapeOf(inputs: readonly TensorType[], attrs: AttentionAttributes, like: number): ShapeResult {
  const q = inputs[0]!;
  const refusal = firstOf(
    refuseHeads(inputs.slice(0, 3), attrs),
    refuseShape('dout of attention', inputs, 3, q.shape),
    refuseShape('lse of attention', inputs, 4, q.shape.slice(0, 3)),
    inputs[5]!.shape.length === 4
      ? refuseShape('result of attention', inputs, 5, q.shape)
      : refuseShape('delta of attention', inputs, 5, q.shape.slice(0, 3)),
  );
  return refusal ?? accept(inputs[like]!);
}

/** The dot product of each row of one with that of the other. */
function rowProducts(a: RefTensor, b: RefTensor): Float64Array {
  const width = a.shape.at(-1)!;
  const sums = new Float64Array(a.data.length / width);
  for (const [i, value] of a.data.entries()) sums[Math.floor(i / width)]! += value * b.data[i]!;
  return sums;
}

/** Visits every visible pair of query and key with its probability and score gradient. */
function eachPair(
  [q, k, v, dout, lse, last]: readonly RefTensor[],
  attrs: AttentionAttributes,
  visit: (pair: Pair, width: number) => void,
): void {
  const sizes = headsOf(q!, k!);
  const { heads, queries, keys, width } = sizes;
  const delta = last!.shape.length === 3 ? last!.data : rowProducts(dout!, last!);
  for (let head = 0; head < heads; head++)
    for (let i = 0; i < queries; i++) {
      const query = head * queries + i;
      scoresOf(q!, k!, attrs, sizes, head, i).forEach((score, j) => {
        const key = head * keys + j;
        const p = Math.exp(score - lse!.data[query]!);
        let dp = 0;
        for (let d = 0; d < width; d++) dp += dout!.data[query * width + d]! * v!.data[key * width + d]!;
        visit({ query, key, p, ds: p * (dp - delta[query]!) }, width);
      });
    }
}

/** Row `to` of the result gains `factor` times row `from` of input `source`. */
type Contribution = (pair: Pair, scale: number) => { to: number; factor: number; from: number };

function attentionGradient<K extends Target>(
  name: K,
  like: number,
  source: number,
  products: number,
  contribution: Contribution,
): OpDefinition<K> {
  return defineOp<K>({
    name,
    arity: 6,
    shape: (inputs, attrs) => shapeOf(inputs, attrs, like),
    gradient: 'made by gradients',
    reference(inputs, attrs, shape) {
      const data = new Float64Array(inputs[like]!.data.length);
      const rows = inputs[source]!.data;
      eachPair(inputs, attrs, (pair, width) => {
        const { to, factor, from } = contribution(pair, attrs.scale);
        for (let d = 0; d < width; d++) data[to * width + d]! += factor * rows[from * width + d]!;
      });
      return { shape, data };
    },
    traits: {
      role: 'kernel',
      slices: samplewise({ rank: 3 }),
      half: 'activation',
      layout: 'any',
      behind: false,
      strips: 'none',
    },
    language: 'none',
    examples: [
      {
        name: 'all keys',
        inputs: [
          floats([2, 2, 3, 3]),
          floats([2, 2, 5, 3]),
          floats([2, 2, 5, 3]),
          floats([2, 2, 3, 3]),
          floats([2, 2, 3], 1, 2),
          floats([2, 2, 3]),
        ],
        attrs: { causal: false, scale: 0.7 },
      },
      {
        name: 'causal with a past',
        inputs: [
          floats([2, 2, 2, 3]),
          floats([2, 2, 5, 3]),
          floats([2, 2, 5, 3]),
          floats([2, 2, 2, 3]),
          floats([2, 2, 2], 1, 2),
          floats([2, 2, 2]),
        ],
        attrs: { causal: true, scale: 0.7 },
      },
    ],
    cost: (inputs, attrs, result) => ({
      flops: attentionFlops(inputs, attrs, products),
      bytes: traffic(inputs, result),
    }),
    tolerance: { rtol: 2e-5, atol: 1e-5, perSqrtK: true },
  });
}

export const attentionGradQ = attentionGradient('attention_grad_q', 0, 1, 3, ({ query, key, ds }, scale) => ({
  to: query,
  factor: scale * ds,
  from: key,
}));
export const attentionGradK = attentionGradient('attention_grad_k', 1, 0, 3, ({ query, key, ds }, scale) => ({
  to: key,
  factor: scale * ds,
  from: query,
}));
export const attentionGradV = attentionGradient('attention_grad_v', 2, 3, 2, ({ query, key, p }) => ({
  to: key,
  factor: p,
  from: query,
}));
