/**
 * CLIP's towers as a sequence of operations, written once for all peers: each library implements `Ops` with
 * the best it offers, so all of them do the same work.
 *
 * Sizes are read off the weights. All published models have heads of width 64.
 */
import type { Work } from './work.ts';

export interface ConvolutionOptions {
  readonly stride: number;
  readonly padding: number;
  readonly relu: boolean;
}

/** A library's operations on its own tensors. Weights are given in the layout of work.ts. */
export interface Ops<T> {
  weight(name: string): T;
  reshape(x: T, shape: readonly number[]): T;
  transpose(x: T, order: readonly number[]): T;
  slice(x: T, axis: number, start: number, size: number): T;
  concat(parts: readonly T[], axis: number): T;
  broadcast(x: T, shape: readonly number[]): T;
  add(a: T, b: T): T;
  relu(x: T): T;
  /** [..., k] × [k, n] */
  matmul(x: T, matrix: T): T;
  /** [batch, rows, in] × [in, out] + [out], then perhaps x * sigmoid(1.702 x) */
  linear(x: T, shape: LinearShape, weight: T, bias: T, quickGelu?: boolean): T;
  /** Over the last axis, eps 1e-5; weights `PREFIX.weight` and `PREFIX.bias`. */
  layerNorm(x: T, prefix: string): T;
  /** q [batch, queries, width], k and v [batch, rows, width]. */
  attention(q: T, k: T, v: T, shape: AttentionShape): T;
  /** Rows of [vocab, width] by tokens [batch, context]. */
  embedding(table: T, tokens: T): T;
  /** The row of x [batch, context, width] where the tokens are largest: [batch, width]. */
  lastToken(x: T, tokens: T, context: number, width: number): T;
  /** NCHW pictures in the layout that `convolution` and `averagePool` work in. */
  toPicture(x: T): T;
  /** Convolution with weights `NAME.weight` [out, in, h, w] and `NAME.bias`. */
  convolution(x: T, name: string, options: ConvolutionOptions): T;
  /** `side`: height and width of x; stride = kernel. */
  averagePool(x: T, kernel: number, shape: PictureShape): T;
  /** A picture of `channels` × `side` × `side` as [batch, side * side, channels]. */
  toRows(x: T, shape: PictureShape): T;
  /** Mean over axis 1, which is kept. */
  meanOfRows(x: T): T;
}

export interface LinearShape {
  readonly batch: number;
  readonly rows: number;
  readonly inputs: number;
  readonly outputs: number;
}

export interface AttentionShape {
  readonly batch: number;
  readonly queries: number;
  readonly rows: number;
  readonly heads: number;
  readonly causal: boolean;
}

export interface PictureShape {
  readonly batch: number;
  readonly channels: number;
  readonly side: number;
}

export const headWidth = 64;

/** Runs of blocks: how many distinct numbers stand behind `prefix`. */
function depth(names: readonly string[], prefix: string): number {
  const found = names.filter((n) => n.startsWith(prefix)).map((n) => n.slice(prefix.length).split('.')[0]);
  return new Set(found).size;
}

interface TransformerShape {
  readonly batch: number;
  readonly rows: number;
  readonly width: number;
  readonly causal: boolean;
}

function transformer<T>(ops: Ops<T>, work: Work, start: T, prefix: string, shape: TransformerShape): T {
  const { batch, rows, width, causal } = shape;
  const linear = (x: T, inputs: number, outputs: number, weight: string, bias: string, gelu = false): T =>
    ops.linear(x, { batch, rows, inputs, outputs }, ops.weight(weight), ops.weight(bias), gelu);
  let x = start;
  for (let i = 0; i < depth(work.names, `${prefix}.`); i++) {
    const at = `${prefix}.${i}`;
    const qkv = linear(
      ops.layerNorm(x, `${at}.ln_1`),
      width,
      3 * width,
      `${at}.attn.in_proj_weight`,
      `${at}.attn.in_proj_bias`,
    );
    const [q, k, v] = [0, 1, 2].map((part) => ops.slice(qkv, 2, part * width, width)) as [T, T, T];
    const mixed = ops.attention(q, k, v, { batch, queries: rows, rows, heads: width / headWidth, causal });
    x = ops.add(x, linear(mixed, width, width, `${at}.attn.out_proj.weight`, `${at}.attn.out_proj.bias`));
    const hidden = linear(
      ops.layerNorm(x, `${at}.ln_2`),
      width,
      4 * width,
      `${at}.mlp.c_fc.weight`,
      `${at}.mlp.c_fc.bias`,
      true,
    );
    x = ops.add(x, linear(hidden, 4 * width, width, `${at}.mlp.c_proj.weight`, `${at}.mlp.c_proj.bias`));
  }
  return x;
}

function visionTransformer<T>(ops: Ops<T>, work: Work, images: T): T {
  const { batch } = work.test;
  const [inputs, width] = work.shape('visual.conv1.weight') as [number, number];
  const patch = Math.sqrt(inputs / 3);
  const grid = work.model.resolution! / patch;
  const rows = grid * grid + 1;
  const cut = ops.transpose(ops.reshape(images, [batch, 3, grid, patch, grid, patch]), [0, 2, 4, 1, 3, 5]);
  const patches = ops.matmul(
    ops.reshape(cut, [batch, grid * grid, inputs]),
    ops.weight('visual.conv1.weight'),
  );
  const token = ops.broadcast(ops.reshape(ops.weight('visual.class_embedding'), [1, 1, width]), [
    batch,
    1,
    width,
  ]);
  const placed = ops.add(ops.concat([token, patches], 1), ops.weight('visual.positional_embedding'));
  const start = ops.layerNorm(placed, 'visual.ln_pre');
  const x = transformer(ops, work, start, 'visual.transformer.resblocks', {
    batch,
    rows,
    width,
    causal: false,
  });
  const first = ops.reshape(ops.slice(x, 1, 0, 1), [batch, width]);
  return ops.matmul(ops.layerNorm(first, 'visual.ln_post'), ops.weight('visual.proj'));
}

/** Queries from the mean of all places, keys and values from the mean and all places. */
function attentionPool<T>(ops: Ops<T>, work: Work, picture: T, shape: PictureShape): T {
  const { batch, channels: width, side } = shape;
  const places = ops.toRows(picture, shape);
  const joined = ops.concat([ops.meanOfRows(places), places], 1);
  const t = ops.add(joined, ops.weight('visual.attnpool.positional_embedding'));
  const rows = side * side + 1;
  const linear = (x: T, name: string, count: number, outputs: number): T =>
    ops.linear(
      x,
      { batch, rows: count, inputs: width, outputs },
      ops.weight(`visual.attnpool.${name}.weight`),
      ops.weight(`visual.attnpool.${name}.bias`),
    );
  const q = linear(ops.slice(t, 1, 0, 1), 'q_proj', 1, width);
  const [k, v] = [linear(t, 'k_proj', rows, width), linear(t, 'v_proj', rows, width)];
  const heads = width / headWidth;
  const mixed = ops.attention(q, k, v, { batch, queries: 1, rows, heads, causal: false });
  const embed = work.shape('visual.attnpool.c_proj.bias')[0]!;
  return ops.reshape(linear(mixed, 'c_proj', 1, embed), [batch, embed]);
}

function residualNetwork<T>(ops: Ops<T>, work: Work, images: T): T {
  const { batch } = work.test;
  const [one, three] = [
    { stride: 1, padding: 0 },
    { stride: 1, padding: 1 },
  ];
  const stem = work.shape('visual.conv3.bias')[0]!;
  let side = work.model.resolution! / 2;
  let x = ops.convolution(ops.toPicture(images), 'visual.conv1', { stride: 2, padding: 1, relu: true });
  x = ops.convolution(x, 'visual.conv2', { ...three, relu: true });
  x = ops.convolution(x, 'visual.conv3', { ...three, relu: true });
  x = ops.averagePool(x, 2, { batch, channels: stem, side });
  side /= 2;
  let channels = stem;
  for (let layer = 1; layer <= 4; layer++) {
    for (let i = 0; i < depth(work.names, `visual.layer${layer}.`); i++) {
      const at = `visual.layer${layer}.${i}`;
      const planes = stem * 2 ** (layer - 1);
      const shrink = layer > 1 && i === 0;
      let y = ops.convolution(x, `${at}.conv1`, { ...one, relu: true });
      y = ops.convolution(y, `${at}.conv2`, { ...three, relu: true });
      if (shrink) y = ops.averagePool(y, 2, { batch, channels: planes, side });
      y = ops.convolution(y, `${at}.conv3`, { ...one, relu: false });
      let kept = shrink ? ops.averagePool(x, 2, { batch, channels, side }) : x;
      if (i === 0) kept = ops.convolution(kept, `${at}.downsample.0`, { ...one, relu: false });
      x = ops.relu(ops.add(y, kept));
      channels = planes * 4;
      if (shrink) side /= 2;
    }
  }
  return attentionPool(ops, work, x, { batch, channels, side });
}

/** Features of NCHW pictures, [batch, embed], not normalised. */
export function encodeImage<T>(ops: Ops<T>, work: Work, images: T): T {
  return work.names.includes('visual.class_embedding')
    ? visionTransformer(ops, work, images)
    : residualNetwork(ops, work, images);
}

/** Features of tokens [batch, context], [batch, embed], not normalised. */
export function encodeText<T>(ops: Ops<T>, work: Work, tokens: T): T {
  const { batch } = work.test;
  const [rows, width] = work.shape('positional_embedding') as [number, number];
  const embedded = ops.embedding(ops.weight('token_embedding.weight'), tokens);
  const start = ops.add(embedded, ops.weight('positional_embedding'));
  const shape = { batch, rows, width, causal: true };
  const x = ops.layerNorm(transformer(ops, work, start, 'transformer.resblocks', shape), 'ln_final');
  return ops.matmul(ops.lastToken(x, tokens, rows, width), ops.weight('text_projection'));
}
