/**
 * Scaled dot-product attention, softmax(scale q kᵀ) v, and the log-sum-exp of each query's scores.
 *
 * q [B, H, T, D], k and v [B, H, S, D]. The gradient recomputes probabilities from lse instead of keeping T×S
 * of them (FlashAttention, Dao et al. 2022): it needs lse and delta = sum(dout · out).
 */

import {
  type Dim,
  formatShape,
  type NodeOf,
  numericShape,
  sameDim,
  type TensorType,
} from '../graph/types.ts';
import { traffic } from './costs.ts';
import { floats } from './examples.ts';
import { Expressions } from './expressions.ts';
import { defineOp, type RefTensor, type ShapeResult } from './op.ts';
import { accept, firstOf, refuse, refuseIntegers, refuseMixed, refuseRank } from './shapes.ts';
import { samplewise } from './slices.ts';
import type { Cut } from './strips.ts';

declare module './attributes.ts' {
  interface OpAttributes {
    /** q [B,H,T,D], k and v [B,H,S,D]; never stores T×S for the whole batch. */
    attention: AttentionAttributes;
    /** (q, k) -> log-sum-exp of each query's scores, [B,H,T] */
    attention_lse: AttentionAttributes;
  }
  interface OpArities {
    attention: 3;
    attention_lse: 2;
  }
}

/** Scores are `scale * q·k`; with `causal`, query i sees keys j <= i + (S - T). */
export interface AttentionAttributes {
  readonly causal: boolean;
  readonly scale: number;
}

/** Checks q, k and optionally v, which are the first inputs of every attention op. */
export function refuseHeads(
  inputs: readonly TensorType[],
  { causal }: AttentionAttributes,
): ShapeResult | undefined {
  const names = ['q', 'k', 'v'].slice(0, inputs.length);
  const axes = ['[B, H, T, D]', '[B, H, S, D]', '[B, H, S, D]'];
  const refusal = firstOf(
    ...names.map((n, i) => refuseRank(`argument \`${n}\` of attention`, inputs, i, axes[i]!)),
    refuseMixed('attend with', inputs),
    refuseIntegers('attend with', inputs),
  );
  if (refusal) return refusal;
  for (const [input, name] of names.entries()) {
    if (input === 0) continue;
    const [q, other] = [inputs[0]!.shape, inputs[input]!.shape];
    const same = input === 1 ? [0, 1, 3] : [0, 1];
    const axis = same.find((a) => !sameDim(q[a]!, other[a]!));
    if (axis !== undefined) return disagree('q', name, inputs, 0, input, axis);
  }
  if (inputs.length > 2 && !sameDim(inputs[1]!.shape[2]!, inputs[2]!.shape[2]!))
    return disagree('k', 'v', inputs, 1, 2, 2);
  if (inputs.length > 2 && !sameDim(inputs[1]!.shape[3]!, inputs[2]!.shape[3]!))
    return disagree('k', 'v', inputs, 1, 2, 3);
  return causal ? refuseBlindQueries(inputs) : undefined;
}

function disagree(
  first: string,
  second: string,
  inputs: readonly TensorType[],
  i: number,
  j: number,
  axis: number,
): ShapeResult {
  const [a, b] = [inputs[i]!.shape, inputs[j]!.shape];
  return refuse(
    `cannot attend with ${first} ${formatShape(a)} and ${second} ${formatShape(b)}: axis ${axis} differs`,
    {
      blame: [
        { input: i, axis, dim: a[axis]! },
        { input: j, axis, dim: b[axis]! },
      ],
    },
  );
}

/** With fewer keys than queries the first queries would see nothing. */
function refuseBlindQueries(inputs: readonly TensorType[]): ShapeResult | undefined {
  const [t, s] = [inputs[0]!.shape[2]!, inputs[1]!.shape[2]!];
  if (typeof t !== 'number' || typeof s !== 'number' || t <= s) return undefined;
  return refuse(`causal attention of ${t} queries over ${s} keys leaves ${t - s} of them without a key`, {
    blame: [
      { input: 0, axis: 2, dim: t },
      { input: 1, axis: 2, dim: s },
    ],
  });
}

/** Sizes of one attention problem; heads and batch are one axis. */
interface Heads {
  readonly heads: number;
  readonly queries: number;
  readonly keys: number;
  readonly width: number;
}

export function headsOf(q: RefTensor, k: RefTensor): Heads {
  const [b, h, queries, width] = q.shape as [number, number, number, number];
  return { heads: b * h, queries, keys: k.shape[2]!, width };
}

/** How many keys query i sees. */
function visibleKeys({ queries, keys }: Heads, causal: boolean, i: number): number {
  return causal ? i + (keys - queries) + 1 : keys;
}

/** Scaled scores of query i of one head over the keys it sees. */
export function scoresOf(
  q: RefTensor,
  k: RefTensor,
  attrs: AttentionAttributes,
  sizes: Heads,
  head: number,
  i: number,
): Float64Array {
  const { queries, keys, width } = sizes;
  const scores = new Float64Array(visibleKeys(sizes, attrs.causal, i));
  const query = (head * queries + i) * width;
  for (let j = 0; j < scores.length; j++) {
    const key = (head * keys + j) * width;
    let dot = 0;
    for (let d = 0; d < width; d++) dot += q.data[query + d]! * k.data[key + d]!;
    scores[j] = dot * attrs.scale;
  }
  return scores;
}

function logSumExp(scores: Float64Array): number {
  const most = scores.reduce((a, v) => Math.max(a, v));
  return most + Math.log(scores.reduce((a, v) => a + Math.exp(v - most), 0));
}

/** Products of a T×S score matrix with D columns; half of them under a causal mask. */
export function attentionFlops(
  inputs: readonly TensorType[],
  { causal }: AttentionAttributes,
  products: number,
): number {
  const [b, h, t, d] = numericShape(inputs[0]!) as [number, number, number, number];
  const s = numericShape(inputs[1]!)[2]!;
  const pairs = causal ? t * (s - (t - 1) / 2) : t * s;
  return b * h * pairs * (2 * d * products + 12);
}

/**
 * Of the batch and of heads; of queries, where keys that none of them sees go with the others. The first ones of a causal
 * mask see no others than the first.
 */
function attentionStrips(cut: Cut, { inputs, attrs }: NodeOf<'attention'>): number | undefined {
  const { axis, start, length } = cut;
  const [q, k, v] = inputs;
  const strips = () => inputs.map((id) => cut.strip(id, axis));
  if (axis < 2) return cut.b.add('attention', strips(), attrs);
  if (axis > 2 || (attrs.causal && start === undefined)) return undefined;
  const e = new Expressions(cut.b);
  const [queries, keys] = [cut.shape(q)[2]!, cut.shape(k)[2]!];
  if (attrs.causal && start === 0 && queries === keys) return cut.b.add('attention', strips(), attrs);
  const seen = attrs.causal ? keys - queries + start! + length : keys;
  const others = [k, v].map((id) => (seen === keys ? cut.whole(id) : e.part(cut.whole(id), 2, 0, seen)));
  const causal = attrs.causal && length > 1;
  return cut.b.add('attention', [cut.strip(q, 2), ...others], { ...attrs, causal });
}

export const attention = defineOp<'attention'>({
  name: 'attention',
  arity: 3,
  shape: (inputs, attrs) => refuseHeads(inputs, attrs) ?? accept(inputs[0]!),
  gradient(b, node, dy, wanted) {
    const e = new Expressions(b);
    const [q, k, v] = node.inputs;
    const { attrs } = node;
    const lse = b.add('attention_lse', [q, k], attrs);
    const delta = e.sum(e.mul(dy, node.id), [3]);
    const inputs = [q, k, v, dy, lse, delta];
    return [
      wanted[0] ? b.add('attention_grad_q', inputs, attrs) : null,
      wanted[1] ? b.add('attention_grad_k', inputs, attrs) : null,
      wanted[2] ? b.add('attention_grad_v', inputs, attrs) : null,
    ];
  },
  reference([q, k, v], attrs, shape) {
    const sizes = headsOf(q, k);
    const { heads, queries, keys, width } = sizes;
    const data = new Float64Array(heads * queries * width);
    for (let head = 0; head < heads; head++)
      for (let i = 0; i < queries; i++) {
        const scores = scoresOf(q, k, attrs, sizes, head, i);
        const lse = logSumExp(scores);
        const row = (head * queries + i) * width;
        for (let j = 0; j < scores.length; j++) {
          const p = Math.exp(scores[j]! - lse);
          const value = (head * keys + j) * width;
          for (let d = 0; d < width; d++) data[row + d]! += p * v!.data[value + d]!;
        }
      }
    return { shape, data };
  },
  traits: {
    role: 'kernel',
    slices: samplewise({ rank: 3 }),
    half: 'activation',
    layout: 'dense',
    behind: false,
    strips: attentionStrips,
  },
  language: { fuses: 'flash_attention' },
  examples: [
    {
      name: 'all keys',
      inputs: [floats([2, 2, 3, 3]), floats([2, 2, 5, 3]), floats([2, 2, 5, 3])],
      attrs: { causal: false, scale: 0.7 },
    },
    {
      name: 'causal',
      inputs: [floats([2, 2, 4, 3]), floats([2, 2, 4, 3]), floats([2, 2, 4, 3])],
      attrs: { causal: true, scale: 0.7 },
    },
    {
      name: 'causal with a past',
      inputs: [floats([2, 2, 2, 3]), floats([2, 2, 5, 3]), floats([2, 2, 5, 3])],
      attrs: { causal: true, scale: 0.7 },
    },
    {
      name: 'one query',
      inputs: [floats([2, 2, 1, 3]), floats([2, 2, 7, 3]), floats([2, 2, 7, 3])],
      attrs: { causal: false, scale: 0.7 },
    },
  ],
  cost: (inputs, attrs, result) => ({
    flops: attentionFlops(inputs, attrs, 2),
    bytes: traffic(inputs, result),
  }),
  tolerance: { rtol: 1e-5, atol: 5e-6 },
});

export const attentionLse = defineOp<'attention_lse'>({
  name: 'attention_lse',
  arity: 2,
  shape: (inputs, attrs) =>
    refuseHeads(inputs, attrs) ??
    accept({ dtype: inputs[0]!.dtype, shape: inputs[0]!.shape.slice(0, 3) as Dim[] }),
  gradient: 'made by gradients',
  reference([q, k], attrs, shape) {
    const sizes = headsOf(q, k);
    const data = new Float64Array(sizes.heads * sizes.queries);
    for (let at = 0; at < data.length; at++) {
      const head = Math.floor(at / sizes.queries);
      data[at] = logSumExp(scoresOf(q, k, attrs, sizes, head, at % sizes.queries));
    }
    return { shape, data };
  },
  traits: {
    role: 'kernel',
    slices: samplewise({ rank: 3 }),
    half: 'full',
    layout: 'dense',
    behind: false,
    strips: 'none',
  },
  language: 'none',
  examples: [
    {
      name: 'all keys',
      inputs: [floats([2, 2, 3, 3]), floats([2, 2, 5, 3])],
      attrs: { causal: false, scale: 0.7 },
    },
    {
      name: 'causal with a past',
      inputs: [floats([2, 2, 2, 3]), floats([2, 2, 5, 3])],
      attrs: { causal: true, scale: 0.7 },
    },
  ],
  cost: (inputs, attrs, result) => ({
    flops: attentionFlops(inputs, attrs, 1),
    bytes: traffic(inputs, result),
  }),
  tolerance: { rtol: 5e-6, atol: 5e-6 },
});
