/** Random steps of a graph: products, norms, attention, reductions, lookups, convolutions, each as models write them. */
import { asChannels, momentsOf } from '../../../compiler/ops/batch-norm.ts';
import { Expressions } from '../../../compiler/ops/expressions.ts';
import { type Growth, lengths, widths } from './growth.ts';
import { broadcastingTo, type Step } from './steps-elementwise.ts';

function linear(g: Growth, x: number, out: number): number {
  const inner = g.shape(x).at(-1)!;
  const y = g.draw.chance(0.75)
    ? g.e.matmul(x, g.weight('matrix', [out, inner]), false, true)
    : g.e.matmul(x, g.weight('matrix', [inner, out]));
  return g.draw.chance(0.7) ? g.e.add(y, g.weight('bias', [out])) : y;
}

const dense: Step = (g) => {
  const x = g.value((shape) => shape.length > 1);
  if (x === undefined) return undefined;
  const own = g.shape(x).at(-1)!;
  return linear(g, x, g.draw.chance(0.5) ? own : g.draw.pick(widths));
};

/** A gate: one number for each row, spread over it, as a factor, an addend or a mixture. */
const gate: Step = (g) => {
  const x = g.value((shape) => shape.length > 1 && shape.at(-1)! > 1);
  if (x === undefined) return undefined;
  const { e } = g;
  const one = linear(g, x, 1);
  const spread = g.draw.chance(0.6) ? e.expand(one, g.shape(x)) : one;
  const y = g.twin(x) ?? x;
  return g.draw.chance(0.5) ? e.add(y, spread) : e.mul(y, e.unary('sigmoid', spread));
};

/** Of two values, with any of the flags. */
const product: Step = (g) => {
  const a = g.value((shape) => shape.length > 1);
  if (a === undefined) return undefined;
  const shape = g.shape(a);
  const [transposeA, transposeB] = [g.draw.chance(0.4), g.draw.chance(0.5)];
  const inner = shape.at(transposeA ? -2 : -1)!;
  const fitting = g.values.filter((id) => {
    const own = g.shape(id);
    const batches = own.slice(0, -2);
    const same = batches.every((n, i) => n === shape.slice(0, -2)[i]) && own.length === shape.length;
    return own.length > 1 && own.at(transposeB ? -1 : -2) === inner && (same || batches.length === 0);
  });
  if (fitting.length === 0) return undefined;
  return g.e.scale(
    g.e.matmul(a, g.draw.pick(fitting), transposeA, transposeB),
    g.draw.pick([1, inner ** -0.5]),
  );
};

const layerNorm: Step = (g) => {
  const x = g.value((shape) => shape.length > 0);
  if (x === undefined) return undefined;
  const width = g.shape(x).slice(-1);
  return g.b.add('layer_norm', [x, g.weight('gain', width), g.weight('bias', width)], { eps: 1e-5 });
};

const rows: Step = (g) => {
  const x = g.value((shape) => shape.length > 0);
  if (x === undefined) return undefined;
  return g.b.add(g.draw.pick(['softmax', 'log_softmax', 'l2_normalize'] as const), [x], {});
};

/** A pre-norm block's half: x + layer(norm(x)). */
const prenorm: Step = (g) => {
  const x = g.value((shape) => shape.length > 1);
  if (x === undefined) return undefined;
  const width = g.shape(x).at(-1)!;
  const inputs = [x, g.weight('gain', [width]), g.weight('bias', [width])];
  const normed = g.b.add('layer_norm', inputs, { eps: 1e-5 });
  g.values.push(normed);
  const hidden = g.e.unary(
    g.draw.pick(['relu', 'sigmoid', 'tanh'] as const),
    linear(g, normed, g.draw.pick(widths)),
  );
  return g.e.add(x, linear(g, hidden, width));
};

/** A norm between two products of which each could take a half: rows of whole groups of 64 columns, read by products only. */
const betweenProducts: Step = (g) => {
  const x = g.value((shape) => shape.length > 1);
  if (x === undefined) return undefined;
  const width = g.draw.pick([64, 128]);
  if (!g.fits([...g.shape(x).slice(0, -1), width])) return undefined;
  const hidden = linear(g, x, width);
  const inputs = [hidden, g.weight('gain', [width]), g.weight('bias', [width])];
  const normed = g.b.add('layer_norm', inputs, { eps: 1e-5 });
  const y = linear(g, normed, g.draw.pick(widths));
  if (g.draw.chance(0.3)) g.values.push(linear(g, normed, g.draw.pick(widths)));
  return y;
};

/**
 * A sum of unlike things of one shape: layers of x, x itself, something smaller that is repeated. All have the same gradient, whose
 * sums over one set of axes or another are gradients of theirs.
 */
export const addends: Step = (g) => {
  const x = g.value((shape) => shape.length > 0 && shape.length < 5);
  if (x === undefined) return undefined;
  const { e } = g;
  const shape = g.shape(x);
  const width = shape.slice(-1);
  const kinds = [
    () => g.b.add('layer_norm', [x, g.weight('gain', width), g.weight('bias', width)], { eps: 1e-5 }),
    () => g.b.add('softmax', [x], {}),
    () =>
      e.expand(
        g.weight(
          'free',
          shape.map((n) => (g.draw.chance(0.5) ? n : 1)),
        ),
        shape,
      ),
    () => g.weight('free', broadcastingTo(g, shape)),
    () => e.expand(g.b.add('mean', [x], { axes: [g.draw.below(shape.length)], keep: true }), shape),
    ...(shape.length > 1
      ? [() => linear(g, x, width[0]!), () => e.expand(linear(g, x, 1), shape), () => g.twin(x) ?? x]
      : []),
  ];
  const chosen = g.draw.shuffled(kinds).slice(0, 2 + g.draw.below(3));
  return chosen.map((make) => make()).reduce((sum, y) => e.add(sum, y), x);
};

const reduce: Step = (g) => {
  const x = g.value((shape) => shape.length > 0);
  if (x === undefined) return undefined;
  const rank = g.shape(x).length;
  const all = Array.from({ length: rank }, (_, i) => i);
  const leading = all.slice(0, -1);
  const axes = g.draw.chance(0.3) ? leading : g.draw.some(all, 0.5);
  if (axes.length === 0) axes.push(g.draw.below(rank));
  return g.b.add(
    g.draw.weighted<'sum' | 'mean' | 'max'>([
      [3, 'sum'],
      [2, 'mean'],
      [1, 'max'],
    ]),
    [x],
    { axes, keep: g.draw.chance(0.5) },
  );
};

/** Heads [B, H, T, D] out of tokens [B, T, 3 W]: through views, as one projection makes them. */
function splitHeads(g: Growth, x: number, heads: number): [number, number, number] {
  const [batch, tokens, triple] = g.shape(x) as [number, number, number];
  const depth = triple / 3 / heads;
  const split = g.e.transpose(g.e.reshape(x, [batch, tokens, 3, heads, depth]), [2, 0, 3, 1, 4]);
  const part = (i: number) =>
    g.e.reshape(
      g.b.add('slice', [split], { starts: [i, 0, 0, 0, 0], ends: [i + 1, batch, heads, tokens, depth] }),
      [batch, heads, tokens, depth],
    );
  return [part(0), part(1), part(2)];
}

function attend(g: Growth, [q, k, v]: readonly [number, number, number]): number {
  const [queries, keys] = [g.shape(q)[2]!, g.shape(k)[2]!];
  const scale = g.shape(q)[3]! ** -0.5;
  const causal = queries <= keys && g.draw.chance(0.4);
  if (g.draw.chance(0.75)) return g.b.add('attention', [q, k, v], { causal, scale });
  const scores = g.e.scale(g.e.matmul(q, k, false, true), scale);
  const seen = causal ? g.b.add('mask_future', [scores], {}) : scores;
  return g.e.matmul(g.b.add('softmax', [seen], {}), v);
}

/** Attention among the tokens of x, if that fits. */
function attendTokens(g: Growth, x: number): number | undefined {
  const [batch, tokens, width] = g.shape(x) as [number, number, number];
  const heads = g.draw.pick([1, 2, 3, 4].filter((n) => width % n === 0));
  if (!g.fits([batch, tokens, 3 * width])) return undefined;
  const out = attend(g, splitHeads(g, linear(g, x, 3 * width), heads));
  const joined = g.e.reshape(g.e.transpose(out, [0, 2, 1, 3]), [batch, tokens, width]);
  const y = g.draw.chance(0.7) ? linear(g, joined, width) : joined;
  return g.draw.chance(0.6) ? g.e.add(x, y) : y;
}

const selfAttention: Step = (g) => {
  const x = g.value((shape) => shape.length === 3);
  return x === undefined ? undefined : attendTokens(g, x);
};

/** One token, or few, behind layers whose results nothing else reads, as encoders pool. */
const pooled: Step = (g) => {
  const x = g.value((shape) => shape.length === 3 && shape[1]! > 1);
  if (x === undefined) return undefined;
  const { e, draw } = g;
  const [batch, tokens, width] = g.shape(x) as [number, number, number];
  const norm = (y: number) =>
    g.b.add('layer_norm', [y, g.weight('gain', [width]), g.weight('bias', [width])], { eps: 1e-5 });
  const layers: readonly ((y: number) => number)[] = [
    (y) => attendTokens(g, norm(y)) ?? y,
    (y) => attendTokens(g, y) ?? y,
    (y) => e.add(y, linear(g, e.unary('tanh', linear(g, norm(y), width)), width)),
    (y) => linear(g, y, width),
    (y) =>
      e.add(
        y,
        g.weight(
          'free',
          draw.pick([
            [tokens, width],
            [tokens, 1],
            [1, tokens, width],
            [batch, 1, width],
          ]),
        ),
      ),
    (y) => e.mul(y, e.unary('sigmoid', linear(g, y, 1))),
    (y) => g.b.add(draw.pick(['softmax', 'l2_normalize'] as const), [y], {}),
    (y) =>
      e.mul(
        y,
        e.unary('rsqrt', e.add(g.b.add('mean', [e.mul(y, y)], { axes: [2], keep: true }), e.scalar(y, 1))),
      ),
    norm,
  ];
  let y = x;
  for (let i = 1 + draw.below(4); i > 0; i--) y = draw.pick(layers)(y);
  if (draw.chance(0.5)) return g.b.add('take', [y, g.indices([batch], tokens)], { axis: 1 });
  const length = draw.pick([1, 1, Math.ceil(tokens / 2)]);
  const start = draw.below(tokens - length + 1);
  const part = e.part(y, 1, start, start + length);
  return length === 1 ? e.reshape(part, [batch, width]) : part;
};

/** Queries of one value over keys of another, or over a weight. */
const crossAttention: Step = (g) => {
  const q = g.value((shape) => shape.length === 4 && shape[3]! <= 64);
  if (q === undefined) return undefined;
  const [batch, heads, , depth] = g.shape(q) as [number, number, number, number];
  const length = g.draw.pick(lengths);
  const fitting = g.values.filter((id) => {
    const own = g.shape(id);
    return own.length === 4 && own[0] === batch && own[1] === heads && own[3] === depth;
  });
  const weights = () => g.weight('free', [batch, heads, length, depth]);
  const k = g.draw.chance(0.5) ? g.draw.pick(fitting) : weights();
  const same = fitting.filter((id) => g.shape(id)[2] === g.shape(k)[2]);
  const v = same.length > 0 && g.draw.chance(0.6) ? g.draw.pick(same) : g.weight('free', g.shape(k));
  return attend(g, [q, k, v]);
};

const embed: Step = (g) => {
  const table = [g.draw.pick([5, 8, 33]), g.draw.pick(widths)] as const;
  const ids = g.indices(g.draw.chance(0.5) ? [g.draw.pick(lengths)] : [2, g.draw.pick(lengths)], table[0]);
  const x = g.b.add('embedding', [g.weight('free', table), ids], {});
  return g.draw.chance(0.5) ? g.e.add(x, g.weight('free', g.shape(x).slice(-2))) : x;
};

/** By given numbers, or at the largest value. */
const take: Step = (g) => {
  const x = g.value((shape) => shape.length > 1);
  if (x === undefined) return undefined;
  const shape = g.shape(x);
  const axis = g.draw.below(Math.min(2, shape.length));
  const lead = shape.slice(0, axis);
  const scores = g.values.filter((id) => {
    const own = g.shape(id);
    return own.length === axis + 1 && own.every((n, i) => n === shape[i]);
  });
  const index =
    scores.length > 0 && g.draw.chance(0.4)
      ? g.b.add('argmax', [g.draw.pick(scores)], { axis })
      : g.indices(lead, shape[axis]!);
  return g.b.add('take', [x, index], { axis });
};

/** Integers that become numbers. */
const counted: Step = (g) => {
  if (g.draw.chance(0.5))
    return g.b.add('cast', [g.b.add('iota', [], { length: g.draw.pick(lengths) })], { to: 'f32' });
  const known = g.integers.length > 0 ? g.draw.pick(g.integers).id : g.indices([2, g.draw.pick(lengths)], 8);
  const three = g.b.add('constant', [], { value: 3, dtype: 'i32', shape: [] });
  const op = g.draw.pick(['add', 'sub', 'mul', 'mod', 'maximum', 'minimum'] as const);
  const whole = g.draw.chance(0.5) ? known : g.b.add(op, [known, three], {});
  return g.e.scale(g.b.add('cast', [whole], { to: 'f32' }), 0.125);
};

/** A value as images [B, C, H, W]. */
function asImages(g: Growth): number | undefined {
  const images = g.value((shape) => shape.length === 4 && shape[2]! > 1 && shape[3]! > 1);
  if (images !== undefined) return images;
  const x = g.value((shape) => shape.length === 3 && [16, 64].includes(shape[2]!));
  if (x === undefined) return undefined;
  const [b, c, w] = g.shape(x) as [number, number, number];
  return g.e.reshape(x, [b, c, w ** 0.5, w ** 0.5]);
}

const convolve: Step = (g) => {
  const x = asImages(g);
  if (x === undefined) return undefined;
  const [, channels, height, width] = g.shape(x) as [number, number, number, number];
  const groups = g.draw.weighted([
    [3, 1],
    [1, channels],
    [1, channels % 2 === 0 ? 2 : 1],
  ]);
  const filters = groups * g.draw.pick(groups === channels ? [1] : [1, 2, 4, 8]);
  const kernel = g.draw.pick([1, 2, 3].filter((n) => n <= Math.min(height, width)));
  const stride = g.draw.pick([1, 1, 2, kernel]);
  const padding = kernel === 3 ? g.draw.below(2) : 0;
  const w = g.weight('matrix', [filters, channels / groups, kernel, kernel]);
  const y = g.b.add('conv2d', [x, w], { stride, padding, groups, dilation: 1 });
  return g.draw.chance(0.5) ? g.e.add(y, g.weight('bias', [filters, 1, 1])) : y;
};

/** By running statistics, or by the batch's own. */
const batchNorm: Step = (g) => {
  const x = asImages(g);
  if (x === undefined) return undefined;
  const channels = g.shape(x).slice(1, 2);
  const [batch, , height, width] = g.shape(x) as [number, number, number, number];
  const own = batch * height * width > 8 && g.draw.chance(0.6);
  const { mean, variance } = own
    ? momentsOf(new Expressions(g.b), x)
    : { mean: g.buffer('bias', channels), variance: g.buffer('positive', channels) };
  const inputs = [x, g.weight('gain', channels), g.weight('bias', channels), mean, variance];
  const y = g.b.add('batch_norm', inputs, { eps: 1e-5 });
  const shaped = g.draw.chance(0.3) ? g.e.mul(y, asChannels(g.e, g.weight('gain', channels))) : y;
  return g.draw.chance(0.6) ? g.e.unary('relu', shaped) : shaped;
};

const pool: Step = (g) => {
  const x = asImages(g);
  if (x === undefined) return undefined;
  const [, , height, width] = g.shape(x) as [number, number, number, number];
  const kernels = [2, 3, 4].filter((n) => height % n === 0 && width % n === 0);
  return kernels.length === 0 ? undefined : g.b.add('avg_pool', [x], { kernel: g.draw.pick(kernels) });
};

export const layerSteps: readonly (readonly [weight: number, step: Step])[] = [
  [3, dense],
  [1.5, gate],
  [1.5, product],
  [2, layerNorm],
  [1, prenorm],
  [1.2, rows],
  [0.8, betweenProducts],
  [2.5, addends],
  [2.5, reduce],
  [1.5, selfAttention],
  [1.5, pooled],
  [1, crossAttention],
  [0.5, embed],
  [0.7, take],
  [0.4, counted],
];

export const imageSteps: readonly (readonly [weight: number, step: Step])[] = [
  [3, convolve],
  [2.5, batchNorm],
  [1, pool],
];
