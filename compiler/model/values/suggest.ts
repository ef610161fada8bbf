/**
 * "Did you mean": the nearest of some known names, if it is near enough to be a slip of the pen.
 *
 * Distance is optimal string alignment (insert, delete, replace, swap neighbours), which is what typing
 * errors are made of.
 */
import type { Fix } from '../../../grammar/diagnostics.ts';
import type { Span } from '../../../grammar/source.ts';

function distance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) > limit) return limit + 1;
  let before: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1;
      let best = Math.min(previous[j]! + 1, row[j - 1]! + 1, previous[j - 1]! + cost);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        best = Math.min(best, before[j - 2]! + 1);
      row.push(best);
    }
    before = previous;
    previous = row;
  }
  return previous[b.length]!;
}

/** What a beginning of a name counts as: behind single slips. */
const beginning = 1.5;

/** The nearest known name: at most a third of its letters wrong, or a beginning of at least two letters. */
export function nearest(name: string, known: Iterable<string>): string | undefined {
  if (name.length > 60) return undefined;
  const lower = name.toLowerCase();
  let best: string | undefined;
  let bestDistance = Number.POSITIVE_INFINITY;
  for (const candidate of known) {
    if (candidate === name) continue;
    const limit = Math.max(1, Math.floor(Math.max(name.length, candidate.length) / 3));
    let d = distance(lower, candidate.toLowerCase(), limit);
    if (lower.length >= 2 && candidate.toLowerCase().startsWith(lower)) d = Math.min(d, beginning);
    if (d <= Math.max(limit, beginning) && d < bestDistance && d < name.length) {
      best = candidate;
      bestDistance = d;
    }
  }
  return best;
}

/** Whether a name may be a slip of the pen for another. */
export function isNear(name: string, other: string): boolean {
  return nearest(name, [other]) !== undefined;
}

/** "; did you mean `width`?" or nothing. */
export function didYouMean(name: string, known: Iterable<string>): string {
  const found = nearest(name, known);
  return found === undefined ? '' : `; did you mean \`${found}\`?`;
}

/** The edit that follows the hint of `didYouMean`, if there is one; `span` holds the name alone, or in quotes. */
export function corrected(name: string, known: Iterable<string>, span: Span): { readonly fix?: Fix } {
  const found = nearest(name, known);
  if (found === undefined) return {};
  const quoted = span.file.text[span.start] === '"';
  return { fix: { span, replacement: quoted ? JSON.stringify(found) : found } };
}

/**
 * What users of PyTorch, NumPy and Python write, and how the language says it. Of functions, of members of a
 * tensor (`x.mean(1)` is the function `mean`), and of arguments.
 */
const spellings: Readonly<Record<string, string>> = {
  arange: 'iota(n)',
  astype: 'float(i) or int(x)',
  bmm: 'a @ b, or einsum(a[b, i, k], c[b, k, j] -> [b, i, j])',
  cat: 'concat(a, b, axis = 1)',
  chunk: 'slices, x[:, 0:4], or rearrange(x, [b, (n w)] -> [n, b, w], n = 2)',
  clamp: 'max(min(x, high), low)',
  clip: 'max(min(x, high), low)',
  cross_entropy_loss: 'cross_entropy(scores, labels)',
  detach: 'stop_gradient(x)',
  dim: 'axis = 1',
  f32: 'float(i)',
  flatten: 'rearrange(x, [b, c, h, w] -> [b, (c h w)])',
  i32: 'int(x)',
  gather_nd: 'take(x, index, axis = 1)',
  index_select: 'select(x, indices, axis = 1)',
  keepdim: 'keep = true',
  keepdims: 'keep = true',
  layer_norm: 'a child: norm: LayerNorm(width)',
  leaky_relu: 'where(x > 0, x, 0.01 * x)',
  linear: 'a child: fc: Linear(inputs, outputs)',
  log10: 'log(x) / ln(10)',
  logsumexp: 'log(sum(exp(x - m), axis = -1)) + m with m = max(x, axis = -1, keep = true)',
  masked_fill: 'where(mask, value, x)',
  matmul: 'a @ b',
  mm: 'a @ b',
  multiply: 'a * b',
  norm: 'sqrt(sum(x * x, axis = -1))',
  normalize: 'l2_normalize(x)',
  permute: 'rearrange(x, [a, b, c] -> [a, c, b])',
  pow: 'x ^ n',
  rand: 'random(shape)',
  repeat: 'expand(x, shape), or concat(x, x, axis = 1)',
  reshape: 'rearrange(x, [b, (h d)] -> [b, h, d], h = heads)',
  self: 'the name alone: children and weights of the block are in reach',
  shape: 'dimension names: x: [B, T, width] makes B and T values of the body',
  size: 'dimension names: x: [B, T, width] makes B and T values of the body',
  split: 'slices, x[:, 0:4], or rearrange(x, [b, (n w)] -> [n, b, w], n = 2)',
  squeeze: 'rearrange(x, [b, 1, c] -> [b, c]), or x[:, 0]',
  std: 'sqrt(mean((x - mean(x, axis = -1, keep = true)) ^ 2, axis = -1))',
  swapaxes: 'rearrange(x, [a, b, c] -> [a, c, b])',
  tile: 'expand(x, shape), or concat(x, x, axis = 1)',
  to: 'float(i) or int(x)',
  torch: 'the function alone: relu(x), not torch.relu(x)',
  F: 'the function alone: relu(x), not F.relu(x)',
  np: 'the function alone: exp(x), not np.exp(x)',
  transpose: 'rearrange(x, [a, b, c] -> [a, c, b]), or x.T of a matrix',
  unfold: 'rearrange, or conv2d',
  unsqueeze: 'rearrange(x, [b, c] -> [b, 1, c])',
  var: 'mean((x - mean(x, axis = -1, keep = true)) ^ 2, axis = -1)',
  view: 'rearrange(x, [b, (h d)] -> [b, h, d], h = heads)',
};

/** The help for a name that other libraries have, if it is one. */
export function spelledHere(name: string): { readonly help: string } | undefined {
  return Object.hasOwn(spellings, name) ? { help: `write ${spellings[name]}` } : undefined;
}
