/** What random programs use beside their own tower: blocks and objectives declared in the program, and names that are imported. */

/** Blocks that say what the library's do not. */
const helpers = `block Mlp(width: int, hidden: int) {
  up: Linear(width, hidden)
  down: Linear(hidden, width)
  forward(x: [..., width]) -> [..., width] = x + down(gelu(up(x)))
}
block Scale(width: int) {
  param gamma: [width] = const(0.5)
  forward(x: [..., width]) -> [..., width] = x * gamma
}
block Places(tokens: int, width: int) {
  param embedding: [tokens, width] = normal(0.1)
  param offset: [tokens, 1] = normal(0.1)
  forward(x: [B, tokens, width]) -> [B, tokens, width] = x + dropout(embedding, 0.2) + offset
}
block Masked(width: int) {
  proj: Linear(width, width)
  forward(x: [..., width], other: [..., width], scale: float = 1.0) -> [..., width] {
    return x + proj(x) * sigmoid(other) * scale
  }
}
block Pair(width: int) {
  proj: Linear(width, width)
  forward(s: { x: [..., width], sum: [..., width] }) -> { x: [..., width], sum: [..., width] } {
    let y = dropout(tanh(proj(s.x)), 0.2)
    return { x = y, sum = s.sum + y }
  }
}
block Bilinear(width: int) {
  param weight: [width, 3, width] = xavier_uniform()
  param back: [3, width] = normal(0.1)
  forward(x: [B, T, width], y: [B, T, width]) -> [B, T, width] {
    return einsum(x[b, t, i], weight[i, k, j], y[b, t, j], back[k, o] -> [b, t, o])
  }
}
block Lookup() {
  param table: [7] = normal(1)
  forward(x: [...]) -> [...] = x + select(table, max(min(int(x * 3) + 3, 6), 0), axis = 0)
}
block Kinds(count: int, width: int) {
  param table: [count, width] = normal(1)
  forward(x: [..., width]) -> [..., width] = select(table, argmax(x, axis = -1) % count, axis = 0)
}
block Bucketed(width: int, heads: int) {
  positions: Embedding(8, heads)
  layer: T5Block(width, heads, size = 4, hidden = 6, gated = true, drop = 0.1)
  forward(x: [B, T, width], seen: [B, T]) -> [B, T, width] {
    let bias = positions(position_buckets(T, 8, 16)) |> rearrange([i, j, h] -> [h, i, j])
    return layer(x, bias, seen)
  }
}
block Turned(width: int, heads: int, grid: int) {
  param front: [1, 1, width] = normal(0.1)
  attn: RotaryAttention(width, heads, grid, reference = 4, inner = true)
  forward(x: [B, T, width]) -> [B, T, width] {
    return attn(concat(expand(front, [B, 1, width]), x, axis = 1))[:, 1:]
  }
}
block Dilated(width: int, groups: int) {
  param weight: [width, width / groups, 3, 3] = kaiming_normal()
  forward(x: [B, width, H, W]) -> [B, width, H, W] {
    return conv2d(x, weight, padding = 2, groups = groups, dilation = 2)
  }
}
block Signal(width: int, dilation: int) {
  param weight: [width, width, 3] = kaiming_normal()
  forward(x: [B, width, L]) -> [B, width, L] = conv1d(x, weight, padding = dilation, dilation = dilation)
}
block Normed(width: int) {
  param weight: [width] = ones
  param bias: [width] = zeros
  buffer running_mean: [width] = zeros
  buffer running_var: [width] = ones
  forward(x: [B, width, H, W]) -> [B, width, H, W] {
    return batch_norm(x, weight, bias, running_mean, running_var, eps = 0.001, momentum = 0.2)
  }
}
block Words(context: int, vocab: int, width: int) {
  param table: [vocab, width] = normal(1)
  param small: [7, width] = normal(1)
  proj: Linear(width, width)
  forward(tokens: i32[B, context]) -> [B, width] {
    let seen = tokens != 0
    let words = embedding(table, tokens) + embedding(small, INDEX)
    let pairs = select(table, max(tokens[:, 1:] / 2, tokens[:, 0:context - 1] - 3), axis = 0)
    let counts = sum(one_hot(tokens, vocab), axis = 1) @ table
    let known = sum(where(rearrange(seen, [b, t] -> [b, t, 1]), words, 0), axis = 1) / (1 + rearrange(sum(seen, axis = 1), [b] -> [b, 1]))
    let most = rearrange(float(max(tokens, axis = 1) - min(tokens, axis = 1)), [b] -> [b, 1])
    return proj(dropout(known, 0.2) + max(pairs, axis = 1) + counts * 0.2) * cos(most)
  }
}
`;

/** Numbers from 0 to 6 that are made of tokens. */
export const indices = [
  '(tokens * 3 + iota(context)) % 7',
  'tokens * tokens % 7',
  'max(min(tokens - 2, 6), 0)',
  'abs(tokens - 5) % 7',
  'tokens / 2 + iota(context) / 4',
  'where(tokens > 3, tokens % 7, iota(context))',
  'argsort(tokens)',
  'max(min(cumsum(int(tokens != 0), axis = 1), 6), 0)',
  '(int(tokens == max(tokens, axis = 1, keep = true)) + 6) % 7',
  'pad(concat(tokens[:, 2:], tokens[:, 0:1] * 0, axis = 1), axis = 1, before = 0, after = 1, value = 2) / 2',
];

/** Losses of pairs: of all pictures and texts, as pairs or as a matrix. */
const objectives = `objective hardest(out: { image: [B, E], text: [B, E], scale: [] }) -> [] {
  let s = logits(gather(out.image), gather(out.text), out.scale)
  let others = max(where(one_hot(iota(N), N) > 0, -9, s), axis = 1)
  return mean(relu(0.3 + others - take(s, iota(N), axis = 1)))
}
objective smoothed(out: { image: [B, E], text: [B, E], scale: [] }) -> [] {
  let s = log_softmax(logits(gather(out.image), gather(out.text), out.scale), axis = 0)
  return -sum(s * (one_hot(iota(N), N) * 0.9 + 0.1 / N)) / (N - 1)
}
objective apart(out: { image: [B, E], text: [B, E], scale: [] }) -> [] {
  let d = gather(out.image) - gather(rearrange(out.text, [b, e] -> [b, e, 1]))[:, :, 0]
  return mean(d ^ 2) * out.scale + mean(min(abs(d), axis = 0)) + sum(max(abs(d), axis = 1)) / (2 * N)
}
`;

const packages: Readonly<Record<string, readonly string[]>> = {
  nn: [
    ...['Linear', 'LayerNorm', 'RMSNorm', 'MultiheadAttention', 'Embedding', 'Conv2d', 'BatchNorm2d'],
    ...[
      'gelu',
      'gelu_tanh',
      'quick_gelu',
      'silu',
      'softplus',
      'identity',
      'tokens_at',
      'drop_tokens',
      'mask_tokens',
    ],
  ],
  losses: ['l2_normalize', 'logits'],
  clip: ['CLIP', 'TextTransformer', 'ResidualAttentionBlock', 'Bottleneck'],
  encoders: [
    'SigLIP',
    'SigLIPTextTransformer',
    'BagOfWords',
    'AttentionPool',
    'ConvNeXtBlock',
    'ChannelNorm',
  ],
  trunk: ['TrunkBlock'],
  rotary: ['RotaryAttention', 'SwiGLU'],
  llama: ['LlamaTextTransformer', 'GroupedQueryAttention', 'GatedMLP'],
  swin: ['SwinBlock'],
  bert: ['BertTextTransformer', 'BertLayer'],
  t5: ['T5TextTransformer', 'T5Block', 'position_buckets'],
  moe: ['MixtureOfExperts'],
  adapters: ['LoRALinear', 'Adapter'],
};

const wordsOf = (text: string) => new Set(text.match(/\w+/g));

/** Declarations of a text by name. */
function declarations(text: string): readonly { readonly name: string; readonly text: string }[] {
  return text
    .split(/^(?=block |objective )/m)
    .map((own) => ({ name: /^\w+ (\w+)/.exec(own)![1]!, text: own }));
}

const blocks = declarations(helpers);
const losses = declarations(objectives);
export const objectiveNames = losses.map(({ name }) => name);

/** The program with the blocks that it uses and its objective, and imports of what these use; `index` is one of `indices`. */
export function withBlocks(program: string, objective: string, index: string): string {
  const own = wordsOf(program);
  const declared = [
    ...blocks.filter(({ name }) => own.has(name)),
    ...losses.filter(({ name }) => name === objective),
  ];
  const body = [...declared.map(({ text }) => text), program].join('').replace('INDEX', index);
  const used = wordsOf(body);
  const imports = Object.entries(packages).flatMap(([name, names]) => {
    const wanted = names.filter((n) => used.has(n));
    return wanted.length === 0 ? [] : [`import ${name} { ${wanted.join(', ')} }\n`];
  });
  return `${imports.join('')}${body}`;
}
