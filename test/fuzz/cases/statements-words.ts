/** Random statements of programs: masks and choices, rounding, powers, reductions, moves, sorting, randomness. */
import type { Draw } from '../../support/draw.ts';
import {
  anyAxis,
  asColumn,
  axesText,
  cut,
  type Place,
  type Sizes,
  type Statements,
  shapeText,
} from './statements.ts';

const rounding = (d: Draw) => d.pick(['floor', 'ceil', 'round', 'sign']);
const reduction = (d: Draw) => d.pick(['sum', 'mean', 'max', 'min']);

/** A reduction over some axes that leaves them as 1. */
function reduced(x: string, { rank, tokens, width }: Sizes, d: Draw): string {
  const word = reduction(d);
  const [axis, terms] = d.pick([
    ['-1', width],
    ...(rank === 3
      ? ([
          ['1', tokens],
          ['[1, 2]', tokens * width],
        ] as const)
      : []),
  ] as const);
  return `${word}(${x}, axis = ${axis}, keep = true)${word === 'sum' ? ` / ${terms}` : ''}`;
}

const comparison = ({ d, x, y, s }: Place) =>
  `(${d.pick([
    `${x} ${d.pick(['<', '<=', '>', '>=', '==', '!='])} ${y}`,
    `${reduced(x, s, d)} ${d.pick(['<', '>='])} ${d.pick([y, '0.1', `0.1 + ${reduced(y, s, d)}`])}`,
    `${x} ${d.pick(['<', '>='])} ${d.pick(['0.1', '-0.2'])}`,
    `${d.pick(['0', '0.3'])} ${d.pick(['<=', '>', '!='])} ${y}`,
    `${x} ${d.pick(['==', '!='])} relu(${x})`,
  ])})`;

function mask(p: Place): string {
  const [a, b] = [comparison(p), comparison(p)];
  return p.d.weighted([
    [3, a],
    [1, `(${a} and ${b})`],
    [1, `(${a} or ${b})`],
    [1, `(not ${a})`],
    [0.5, `(not ${a} and ${b} or ${a})`],
  ]);
}

const choices: Statements = [
  [2, (p) => `where(${mask(p)}, ${p.x}, ${p.d.pick([p.y, `${p.y} * 0.5`, '0.25', '-1'])})`],
  [0.7, (p) => `${p.x} * ${mask(p)} + ${p.y} * (1.5 - ${comparison(p)})`],
  // What has no value, or an infinite derivative, where it is not chosen.
  [
    0.7,
    ({ x, y, d }) => {
      const inside = d.pick([x, `relu(${x})`]);
      const steep = d.pick([
        `ln(${inside})`,
        `${y} / ${inside}`,
        `sqrt(${inside}) * ${y}`,
        `${inside} ^ 1.5`,
      ]);
      return `where(${x} > 0.05, ${steep}, ${y})`;
    },
  ],
  [0.5, (p) => `where(${mask(p)}, ${p.x}, ${reduced(p.y, p.s, p.d)})`],
  [
    0.7,
    ({ x, y, s, d }) =>
      `${d.pick(['max', 'min'])}(${x}, ${d.pick([y, '0.1', `${y} - 0.2`, reduced(y, s, d)])})`,
  ],
  [0.7, ({ x, y, d }) => `${x} + ${rounding(d)}(${y} * ${d.pick([1, 3])}) * 0.25`],
  [0.5, ({ x, y, d }) => `${x} + stop_gradient(${rounding(d)}(${y} * 4) / 4 - ${y})`],
  [0.5, ({ x, y }) => `${x} * stop_gradient(${y}) + stop_gradient(${x})`],
];

const arithmetic: Statements = [
  [0.7, ({ x, y, d }) => `${d.pick(['sin', 'cos'])}(${x} * ${d.pick([1, 4])}) + ${y}`],
  [
    0.7,
    ({ x, y, s, d }) =>
      `${x} % ${d.pick(['0.75', '-1.5', `(${y} * ${y} + 0.5)`, `(abs(${reduced(y, s, d)}) + 0.5)`])}`,
  ],
  [0.5, ({ x, y, d }) => `tanh(${x}) ^ ${d.pick(['0', '1', '2', '3', '5'])} * ${y}`],
  [
    0.5,
    ({ x, y, d }) =>
      `(${y} ^ 2 + 1) ^ ${d.pick(['-1', '-2', '-0.5', '0.7', '(3 / 2)', `tanh(${x})`])} * ${x}`,
  ],
  [
    0.4,
    ({ x, y, d }) =>
      `${x} * ${d.pick([`exp(tanh(${y}))`, `ln(${y} * ${y} + 1)`, `sqrt(${y} * ${y} + 0.5)`, `rsqrt(abs(${y}) + 1)`])}`,
  ],
  [1.5, ({ x, y, s, d }) => `${x} ${d.pick(['-', '+', '*'])} ${reduced(y, s, d)}`],
  [
    0.5,
    ({ x, y, s, d }) => {
      const { axis, size } = anyAxis(s, d);
      const rest =
        s.rank === 2 ? '[b] -> [b, 1]' : axis === 1 ? '[b, w] -> [b, 1, w]' : '[b, t] -> [b, t, 1]';
      return `${x} + expand(rearrange(${reduction(d)}(${y}, axis = ${axis}), ${rest}), shape = ${shapeText(s)}) / ${size}`;
    },
  ],
];

const moves: Statements = [
  [
    0.7,
    ({ x, s, d }) => `cumsum(${x}, axis = ${anyAxis(s, d).axis}${d.pick(['', ', reverse = true'])}) * 0.25`,
  ],
  [0.5, ({ x, y, s, d }) => `${y} + flip(${x}, axis = ${anyAxis(s, d).axis})`],
  [
    0.7,
    ({ x, y, s, d }) =>
      `${y} + roll(${x}, shift = ${d.pick([1, -1, 2, -5, 3])}, axis = ${anyAxis(s, d).axis})`,
  ],
  [
    0.7,
    ({ x, y, s, d }) => {
      const { axis, size } = anyAxis(s, d);
      const [before, after] = [d.below(3), d.below(3)];
      const from = d.below(before + after + 1);
      const padded = `pad(${x}, axis = ${axis}, before = ${before}, after = ${after}${d.pick(['', ', value = 0.5'])})`;
      return `${y} - ${cut(padded, s, axis, `${from}:${from + size}`)}`;
    },
  ],
  [
    0.7,
    ({ x, y, s, d }) => {
      const { axis, size } = anyAxis(s, d);
      const at = 1 + d.below(size - 1);
      const parts = [cut(x, s, axis, `${at}:`), cut(y, s, axis, `0:${at}`)];
      return `concat(${d.shuffled(parts).join(', ')}, axis = ${axis})`;
    },
  ],
  [
    0.4,
    ({ x, y, s }) =>
      `sum(stack(${x}, ${y}, ${x} * ${y}, axis = -1) * (float(iota(3)) - 0.5), axis = ${s.rank}) / 3`,
  ],
  [
    0.5,
    ({ x, y, s, d }) => {
      const [whole, apart] = [axesText(s, '(n w)'), axesText(s, 'n, w')];
      const split = (z: string) => `rearrange(${z}, ${whole} -> ${apart}, n = 2)`;
      const axis = s.rank - 1;
      const inner = d.pick([
        `softmax(${split(x)}, axis = ${axis})`,
        `flip(${split(x)}, axis = ${axis}) * ${split(y)}`,
        `${split(x)} - min(${split(y)}, axis = ${axis}, keep = true)`,
      ]);
      return `rearrange(${inner}, ${apart} -> ${whole})`;
    },
  ],
];

const sorting: Statements = [
  [
    0.6,
    ({ x, y, s, d }) =>
      `${x} + ${reduction(d)}(top_k(${y}, ${1 + d.below(s.width)}).values, axis = -1, keep = true) / ${s.width}`,
  ],
  [
    0.6,
    ({ x, y, s, d }) => {
      const k = 1 + d.below(3);
      return `where(${x} >= ${cut(`top_k(${d.pick([x, y])}, ${k}).values`, s, -1, `${k - 1}:`)}, ${x}, ${y} * 0.5)`;
    },
  ],
  [
    0.5,
    ({ x, y, s, d }) => {
      const order = `argsort(${y}${d.pick(['', ', descending = true'])})`;
      const places = `one_hot(${order}, ${s.width})`;
      return `einsum(${places}${axesText(s, 'i, j')}, ${x}${axesText(s, 'j')} -> ${axesText(s, 'i')})`;
    },
  ],
  [0.4, ({ x, y }) => `${x} + float(argsort(argsort(${y}))) * 0.1`],
  [
    0.4,
    ({ x, y, s, d }) => {
      const order = d.pick([`argsort(${y})`, `top_k(${y}, 2).indices`]);
      return `${x} * ${asColumn(`take(${x}, ${cut(order, s, -1, d.pick(['0', '1']))}, axis = ${s.rank - 1})`, s)}`;
    },
  ],
  [
    0.4,
    ({ x, y, s, d }) => {
      const { axis, size } = anyAxis(s, d);
      const pairs = `rearrange(iota(${2 * size}) % ${size}, [(i j)] -> [i, j], j = 2)`;
      const behind = axis === 1 && s.rank === 3 ? 2 : s.rank;
      return `${y} - sum(select(${x}, ${pairs}, axis = ${axis}), axis = ${behind}) / 2`;
    },
  ],
  [0.5, ({ x, y, s }) => `${x} * one_hot(argmax(${y}, axis = -1), ${s.width}) + ${y}`],
  [
    0.5,
    ({ x, y, s }) => `${x} - ${asColumn(`take(${x}, argmax(${y}, axis = -1), axis = ${s.rank - 1})`, s)}`,
  ],
  [
    0.5,
    ({ x, y, s, d }) => {
      const { axis, size } = anyAxis(s, d);
      const order = d.pick([
        `(iota(${size}) * 3 + 1) % ${size}`,
        `${size} - 1 - iota(${size})`,
        `min(iota(${size}) * 2, ${size - 1})`,
      ]);
      return `${y} + select(${x}, ${order}, axis = ${axis})`;
    },
  ],
];

const products: Statements = [
  [
    0.4,
    ({ x, y, s }) => `einsum(${x}${axesText(s)}, ${y}${axesText(s)}, ${x}${axesText(s)} -> ${axesText(s)})`,
  ],
  [
    0.6,
    ({ x, y, s, d }) =>
      s.rank === 2
        ? `einsum(${x}[b, i], ${y}[b, j], ${d.pick([x, y])}[b, j] -> [b, i]) * ${1 / s.width}`
        : `einsum(${x}[b, i, d], ${y}[b, j, d], ${d.pick([x, y])}[b, j, e] -> [b, i, e]) * ${1 / s.width}`,
  ],
];

const randomness: Statements = [
  [0.7, ({ x, d }) => `dropout(${x}, ${d.pick([0.1, 0.3])})`],
  // A sample of zeros has no direction, so something else is added.
  [1, ({ x, y, d }) => `${x} + ${d.pick(['dropout', 'drop_path'])}(${y}, ${d.pick([0.3, 0.6, 1])})`],
  [
    0.7,
    ({ x, y, s, d }) => {
      const shapes = [shapeText(s), `[${s.width}]`, ...(s.rank === 3 ? [`[${s.tokens}, 1]`] : [`[B, 1]`])];
      const drawn = `random(${d.pick(shapes)})`;
      return `if training then ${d.pick([`${x} + ${drawn} * 0.2`, `where(${drawn} < 0.5, ${x}, ${y})`])} else ${x}`;
    },
  ],
];

export const wordsOnAny: Statements = [
  ...choices,
  ...arithmetic,
  ...moves,
  ...sorting,
  ...products,
  ...randomness,
];

export const wordsOnTokens: Statements = [
  [0.5, ({ x, y }) => `tokens_at(${x}, argsort(mean(${y}, axis = 2)))`],
  [
    0.4,
    ({ x, y, s }) =>
      `${y} + einsum(one_hot(argmax(${x}, axis = 1), ${s.tokens})[b, w, t], ${x}[b, t, w] -> [b, t, w])`,
  ],
  [
    0.4,
    ({ x, y, s }) => {
      const kept = `mask_tokens(${x}, mean(${y}, axis = 2), ${s.tokens - 1})`;
      return `${x} * rearrange(${kept}.mask, [b, t] -> [b, t, 1]) + mean(${kept}.kept, axis = 1, keep = true)`;
    },
  ],
  [0.5, ({ x, y }) => `${y} + mean(drop_tokens(${x}, 0.5, front = 1), axis = 1, keep = true)`],
  [
    0.4,
    ({ x, y }) =>
      `${x} - rearrange(take(${x}, argmax(sum(${y}, axis = 2), axis = 1), axis = 1), [b, w] -> [b, 1, w])`,
  ],
  [
    0.5,
    ({ x, y, s, d }) => {
      const word = d.pick(['dropout', 'drop_path']);
      return `${y} + rearrange(${word}(rearrange(${x}, [b, (n t), w] -> [(b n), t, w], n = ${s.grid}), 0.4), [(b n), t, w] -> [b, (n t), w], n = ${s.grid})`;
    },
  ],
];
