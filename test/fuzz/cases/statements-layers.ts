/** Random statements of programs: layers, residuals, gates, attention, the library's blocks, chains. */
import { anyAxis, cut, type Place, type Sizes, type Statements, shapeText } from './statements.ts';

const linear = ({ width }: Sizes) => `Linear(${width}, ${width})`;
const activations = [
  'gelu',
  'quick_gelu',
  'silu',
  'gelu_tanh',
  'softplus',
  'tanh',
  'relu',
  'erf',
  'sigmoid',
  'abs',
];

/** Part of an array of three, as a chain. */
const partOfChain = ({ d }: Place, array: string) =>
  `${array}${d.pick(['', '[1..3]', '[0..-1]', '[-2..]', '[..2]', '[1]', '[1..][..1]'])}`;

/** What works on tokens and on features alike. */
export const layersOnAny: Statements = [
  [3, ({ x, child, s }) => `${child(linear(s))}(${x})`],
  [3, ({ x, y, child, s }) => `${y} + ${child(`LayerNorm(${s.width})`)}(${x})`],
  [2, ({ x, child, s }) => `${child(`LayerNorm(${s.width})`)}(${x})`],
  [3, ({ x, y }) => `${x} + ${y}`],
  [1, ({ x, y }) => `${x} * sigmoid(${y})`],
  [1, ({ x, y }) => `${x} / (1 + ${y} * ${y})`],
  [2, ({ x, d }) => `${d.pick(activations)}(${x})`],
  [1.3, ({ x, s, d }) => `${d.pick(['softmax', 'log_softmax'])}(${x}, axis = ${anyAxis(s, d).axis})`],
  [1, ({ x }) => `${x} * rsqrt(sum(${x} * ${x}, axis = -1, keep = true) + 0.01)`],
  [0.5, ({ x, y }) => `${y} + l2_normalize(${x})`],
  [1, ({ x, child, s }) => `${child(`Mlp(${s.width}, ${2 * s.width})`)}(${x})`],
  [
    2,
    ({ x, y, child, s }) => `${y} + expand(${child(`Linear(${s.width}, 1)`)}(${x}), shape = ${shapeText(s)})`,
  ],
  [1, ({ x, y, child, s }) => `${y} * sigmoid(${child(`Linear(${s.width}, 1)`)}(${x}))`],
  // The library's.
  [0.7, ({ x, y, child, s }) => `${y} + ${child(`RMSNorm(${s.width})`)}(${x})`],
  [
    0.7,
    ({ x, y, child, s, d }) =>
      `${y} + ${child(`SwiGLU(${s.width}, 12, norm = ${d.pick([true, false])})`)}(${x})`,
  ],
  [0.5, ({ x, child, s }) => `${child(`GatedMLP(${s.width}, 6)`)}(${x})`],
  [0.5, ({ x, child, s }) => `${child(`Adapter(${s.width}, 3)`)}(${x})`],
  [0.5, ({ x, child, s }) => `${child(`LoRALinear(${s.width}, ${s.width}, rank = 2, drop = 0.2)`)}(${x})`],
  // Chains.
  [
    1.5,
    (p) =>
      `${partOfChain(p, p.child(`Masked(${p.s.width})`, 3))}(${p.x}, ${p.y}${p.d.pick(['', ', scale = 0.5'])})`,
  ],
  [1, (p) => `${partOfChain(p, p.child(`Pair(${p.s.width})`, 3))}({ x = ${p.x}, sum = ${p.y} }).sum`],
  [
    0.7,
    ({ x, child, s, d }) => {
      const chain = child(`seq { a: Linear(${s.width}, 6) act: gelu "2": Linear(6, ${s.width}) }`);
      return d.pick([
        `${chain}(${x})`,
        `${chain}[-1](${chain}[..-1](${x}))`,
        `${chain}[0..2](${x}) @ ${chain}.a.weight`,
      ]);
    },
  ],
  // Lists.
  [
    0.7,
    ({ x, child, s }) => {
      const layers = child(linear(s), 3);
      return `sum([${layers}[i](${x}) * (i + 1) for i in 0..len(${layers})]) / 6`;
    },
  ],
  [
    0.7,
    ({ x, y, child, s, d }) => {
      const axis = d.below(s.rank + 1);
      return `mean(stack([${child(linear(s), 2)}[i](${x}) - ${y} for i in 0..2], axis = ${axis}), axis = ${axis})`;
    },
  ],
  [
    0.7,
    ({ x, y, s }) =>
      `concat([${cut(x, s, -1, `2 * i : 2 * i + 2`)} * (i + 1) - ${cut(y, s, -1, '0:1')} for i in 0..${s.width / 2}], axis = -1)`,
  ],
];

const rows = (x: string) => `mean(${x}, axis = 2) > -0.2`;

export const layersOnTokens: Statements = [
  [
    2,
    ({ x, y, child, s, d }) => `${y} + ${child(`MultiheadAttention(${s.width}, ${d.pick([1, 2])})`)}(${x})`,
  ],
  [
    1,
    ({ x, child, s, d }) =>
      `${child(`ResidualAttentionBlock(${s.width}, ${d.pick([1, 2])}, hidden = ${s.width})`)}(${x})`,
  ],
  [
    1,
    ({ x, child, s }) =>
      `rearrange(${child(`Linear(${s.tokens}, ${s.tokens})`)}(rearrange(${x}, [b, t, w] -> [b, w, t])), [b, w, t] -> [b, t, w])`,
  ],
  [1, ({ x, child, s }) => `${child(`Scale(${s.width})`)}(${x})`],
  [1, ({ x, y, child, s }) => `${y} + ${child(`Places(${s.tokens}, ${s.width})`)}(${x})`],
  [
    1,
    ({ x, y, d }) => {
      const scores = `einsum(${x}[b, i, d], ${y}[b, j, d] -> [b, i, j])`;
      const p = `softmax(${d.chance(0.4) ? `mask_future(${scores})` : scores}, axis = -1)`;
      return `einsum(${p}[b, i, j], ${y}[b, j, d] -> [b, i, d])`;
    },
  ],
  [0.5, ({ x, y, child, s }) => `${y} + ${child(`Bilinear(${s.width})`)}(${x}, ${y})`],
  // The library's.
  [
    0.7,
    ({ x, y, child, s, d }) =>
      `${y} + ${child(`GroupedQueryAttention(${s.width}, 2, ${d.pick([1, 2])}, causal = ${d.pick([true, false])})`)}(${x})`,
  ],
  [
    0.7,
    ({ x, y, child, s, d }) =>
      `${y} + ${child(`MixtureOfExperts(${s.width}, 3, 3, ${d.pick([1, 2])})`)}(${x}).tokens`,
  ],
  [
    0.5,
    ({ x, child, s, d }) =>
      `${child(`TrunkBlock(${s.width}, 2, 6, scale = ${d.pick([0, 0.5])}, drop = 0.3)`)}(${x})`,
  ],
  [
    0.4,
    ({ x, y, child, s }) => `${child(`BertLayer(${s.width}, 2, 6, gelu, 0.001, 0.1)`)}(${x}, ${rows(y)})`,
  ],
  [0.4, ({ x, y, child, s }) => `${child(`Bucketed(${s.width}, 2)`)}(${x}, ${rows(y)})`],
  [0.4, ({ x, child, s }) => `${child(`Turned(${s.width}, ${s.width % 8 === 0 ? 2 : 1}, ${s.grid})`)}(${x})`],
  [
    0.4,
    ({ x, y, child, s }) =>
      `${y} + rearrange(${child(`AttentionPool(${s.width}, 2, 6)`)}(${x}), [b, w] -> [b, 1, w])`,
  ],
];
