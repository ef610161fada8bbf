/**
 * Every operation of the graph and its static attributes, in one table.
 *
 * This is the vocabulary shared by the builder, the gradients, the passes, the reference executor and the kernels.
 * `ops/index.ts` maps each name to its definition; a name without one does not compile. Axes are non-negative here
 * (the builder resolves -1). "Broadcasting" means aligned at the last axis, each pair equal or 1.
 */
import type { Dim, DType } from '../graph/types.ts';
import type { MapProgram } from './map-program.ts';

type None = Readonly<Record<never, never>>;
interface Axes {
  readonly axes: readonly number[];
  /** Keep reduced axes as 1. */
  readonly keep: boolean;
}
/** Scores are `scale * q·k`; with `causal`, query i sees keys j <= i + (S - T). */
interface Attention {
  readonly causal: boolean;
  readonly scale: number;
}

interface Convolution {
  readonly stride: number;
  readonly padding: number;
  readonly groups: number;
}

export interface OpAttributes {
  // leaves
  input: { readonly name: string; readonly dtype: DType; readonly shape: readonly Dim[] };
  /** A weight (`role: param`) or a buffer of the model. */
  param: {
    readonly name: string;
    readonly shape: readonly Dim[];
    readonly role: 'param' | 'buffer';
  };
  /** Every element is `value`. */
  constant: { readonly value: number; readonly dtype: DType; readonly shape: readonly Dim[] };
  /** i32 `[length]`: 0, 1, 2, ... */
  iota: { readonly length: Dim };

  // elementwise, one input
  neg: None;
  exp: None;
  ln: None;
  tanh: None;
  erf: None;
  sqrt: None;
  rsqrt: None;
  sigmoid: None;
  relu: None;
  abs: None;
  /** 1 where x > 0, else 0 (the derivative of relu). */
  step: None;
  cast: { readonly to: DType };
  /** `[..., T, S]`: entries with j > i + (S - T) become -3e38, finite because WGSL may assume no infinities. */
  mask_future: None;

  // elementwise, two inputs, broadcasting
  add: None;
  sub: None;
  mul: None;
  div: None;
  pow: None;
  maximum: None;
  minimum: None;
  /** i32 alone: the remainder with the divisor's sign, 0 where that is 0. */
  mod: None;
  /** 1 where equal, else 0, as f32 (the derivative of max). */
  equal: None;
  /** A fused chain made by the fusion pass: any number of inputs, broadcasting, one result. */
  map: { readonly program: MapProgram; readonly shape: readonly Dim[] };

  // reductions
  sum: Axes;
  mean: Axes;
  max: Axes;
  /** i32; the first of equal values; the axis is dropped. */
  argmax: { readonly axis: number };
  /** Along the last axis. */
  softmax: None;
  /** (y, dy) -> dx, y = softmax(x), last axis. */
  softmax_grad: None;
  log_softmax: None;
  /** (y, dy) -> dx, y = log_softmax(x). */
  log_softmax_grad: None;

  // normalisation, last axis
  /** (x [..., W], weight [W], bias [W]); biased variance. */
  layer_norm: { readonly eps: number };
  /** x [..., W] -> f32 [rows, W/64, 2]: mean and sum of squared deviations of every 64 columns of a row. */
  group_moments: None;
  /** (x, weight, dy) -> dx */
  layer_norm_grad: { readonly eps: number };
  /** (x, dy) -> dweight [W] = sum over rows of dy * xhat. (dbias is an ordinary sum of dy.) */
  layer_norm_grad_weight: { readonly eps: number };
  /** x / |x|; no epsilon, as OpenAI's code. */
  l2_normalize: None;
  /** (x, dy) -> dx */
  l2_normalize_grad: None;

  // contractions
  /**
   * (a [..., M, K], b [..., K, N]) -> [..., M, N]; with `transposeA` a is [..., K, M], with `transposeB` b is [..., N, K].
   * Batch axes broadcast; b (or a) may be 2-D. `epilogue`, made by the fusion pass, maps (product, further inputs...)
   * elementwise; inputs behind a and b broadcast to the result. With `normalise`, also made by a pass, the left operand is
   * layer_norm(a, weight [K], bias [K]) with inputs (a, b, group_moments of a, weight, bias, further inputs...) and b is 2-D.
   */
  matmul: {
    readonly transposeA: boolean;
    readonly transposeB: boolean;
    readonly epilogue?: MapProgram;
    readonly normalise?: { readonly eps: number };
  };
  /** (x [B,C,H,W], w [O,C/groups,kh,kw]) -> [B,O,H',W']; no bias. `epilogue` as for matmul. */
  conv2d: Convolution & { readonly epilogue?: MapProgram };
  /** (dy [B,O,H',W'], w) -> dx [B,C,rows,columns] */
  conv2d_grad_input: Convolution & { readonly rows: number; readonly columns: number };
  /** (x, dy) -> dw [O,C/groups,kh,kw] */
  conv2d_grad_weight: Convolution & { readonly kernel: readonly [kh: number, kw: number] };
  /** [B,C,H,W], kernel = stride. */
  avg_pool: { readonly kernel: number };
  /** dy -> dx */
  avg_pool_grad: { readonly kernel: number };
  /** (x [B,C,H,W], weight, bias, mean, variance), all but x `[C]`. */
  batch_norm: { readonly eps: number };
  /** x [B,C,H,W] -> [2,C]: mean and biased variance of each channel. */
  batch_moments: None;
  /** (dy, x, mean [C]) -> [2,C]: sums over a channel of dy, and of dy (x - mean). */
  batch_norm_sums: None;

  // attention, q [B,H,T,D], k and v [B,H,S,D]; never stores T×S for the whole batch
  attention: Attention;
  /** (q, k) -> log-sum-exp of each query's scores, [B,H,T] */
  attention_lse: Attention;
  /** (q, k, v, dout, lse, delta) -> dq; delta [B,H,T] = sum(dout * out, last axis) */
  attention_grad_q: Attention;
  attention_grad_k: Attention;
  attention_grad_v: Attention;

  // moving
  /** Same elements in row-major order. */
  reshape: { readonly shape: readonly Dim[] };
  /** Result axis i is input axis perm[i]. */
  transpose: { readonly perm: readonly number[] };
  /** Half-open `[starts, ends)` on every axis. */
  slice: { readonly starts: readonly number[]; readonly ends: readonly Dim[] };
  /** Broadcast to `shape`: equal rank; axes of 1 grow. */
  expand: { readonly shape: readonly Dim[] };
  concat: { readonly axis: number };
  /** Zeros around: the gradient of slice. */
  pad: { readonly before: readonly number[]; readonly after: readonly Dim[] };
  /** (table [V, W], ids i32 [...]) -> [..., W] */
  embedding: None;
  /** (ids, dy [..., W]) -> [V, W], deterministic. */
  embedding_grad: { readonly rows: number };
  /** (x, index i32 = x.shape[..axis]) -> x without `axis`: x[b, index[b], ...]. */
  take: { readonly axis: number };
  /** (index, dy) -> zeros with dy at the taken places; `size` is the length of the taken axis. */
  take_grad: { readonly axis: number; readonly size: number };
  /** Features of all chunks and ranks, [B, E] -> [N, E]. With one chunk on one device the identity with N = B. */
  all_gather: None;
  /** The same value, kept apart: consumers are never shared with those of the input. */
  recompute: None;
}

export type OpName = keyof OpAttributes;
