/**
 * Every word over tensors, and every operator, as expressions of three sizes: small and odd, rows that are longer than a workgroup,
 * and large.
 */
import {
  channels,
  cube,
  deep,
  images,
  of,
  positive,
  row,
  rows,
  type Sized,
  square,
  type WordCase,
} from './word-case.ts';

const ofTwo = { w0: cube, w1: row };

const elementwise: readonly WordCase[] = [
  ...['abs', 'erf', 'exp', 'relu', 'sigmoid', 'sign', 'tanh'].map((word) => of(`${word}(w0)`)),
  ...['ceil', 'floor', 'round'].map((word) => of(`${word}(w0 * 4)`)),
  ...['cos', 'sin'].map((word) => of(`${word}(w0 * 5)`)),
  ...['ln', 'sqrt', 'rsqrt'].map((word) => of(`${word}(w0)`, { w0: cube }, { range: positive })),
  ...['+', '-', '*'].map((operator) => of(`w0 ${operator} w1`, ofTwo)),
  ...['/', '%', '^'].map((operator) => of(`w0 ${operator} w1`, ofTwo, { range: positive })),
  of('-w0 ^ 3 + w0 ^ -2', { w0: cube }, { range: [-2, -0.5] }),
  of('max(w0, w1)', ofTwo),
  of('min(w0, w1)', ofTwo),
  of('where(w0 < w1 or w0 > 1, w0 * w1, w1 - w0)', ofTwo),
  of('where(not (w0 <= w1) and w0 >= w2, w0, w1 + w2)', { w0: cube, w1: row, w2: cube }),
  of('where(int(w0 * 2) == int(w1 * 2), w0, 0.5) + where(int(w0 * 2) != int(w1 * 2), w1, 1)', ofTwo),
  // What is not chosen has an infinite derivative, or none: ln of 0, roots of negative numbers.
  of('where(relu(w0) > 0, ln(relu(w0)) * w1, w1)', ofTwo),
  of('where(w0 > 0.25, sqrt(w0) * w1 + rsqrt(w0) + w0 ^ 1.5 + w1 / relu(w0), w1)', ofTwo),
  of('w0 * stop_gradient(w0)', { w0: cube }, { noDerivative: 'it ends at the word' }),
  of('int(w0 * 16)'),
  of('float(int(i0) * 3 - int(i1) + 5) / 400 * w0', { i0: cube, i1: row, w0: row }),
  of('int(i0) / int(i1) + int(i0) % int(i1)', { i0: cube, i1: row }),
  of('max(abs(int(i0)), int(i1)) - min(int(i0), -int(i1))', { i0: cube, i1: row }),
];

const reductions: readonly WordCase[] = [
  ...['sum', 'mean', 'max', 'min'].flatMap((word) => [
    of(`${word}(w0, axis = -1, keep = true)`),
    of(`${word}(w0, axis = 1)`, { w0: deep }),
    of(`${word}(w0, axis = [0, 2])`),
    of(`${word}(w0)`, { w0: deep }),
    of(`${word}(int(w0 * 64), axis = -1)`),
  ]),
  of('sum([w0, w1, w0 * w1])', ofTwo),
  of('argmax(w0)'),
  of('argmax(w0, axis = 1)', { w0: deep }),
  of('softmax(w0)'),
  of('softmax(w0, axis = 1)', { w0: deep }),
  of('log_softmax(w0)'),
  of('log_softmax(w0, axis = 1)', { w0: deep }),
  of('softmax(mask_future(w0))', { w0: square }),
  of('cumsum(w0, axis = -1)'),
  of('cumsum(w0, axis = 1, reverse = true)', { w0: deep }),
  of('cumsum(int(i0), axis = -1)', { i0: cube }),
];

const moving: readonly WordCase[] = [
  of('argsort(w0)', { w0: rows }),
  of('argsort(w0, descending = true)', { w0: rows }),
  of('argsort(int(i0))', { i0: rows }),
  of('top_k(w0, 3).values', { w0: rows }),
  of('top_k(w0, 5).indices', { w0: rows }),
  of(['top_k(w0, 9).values', 'top_k(w0, 513).values', 'top_k(w0, 40000).values'], { w0: rows }),
  of('flip(w0, axis = -1)'),
  of('flip(w0, axis = 1)', { w0: deep }),
  of('roll(w0, 3, axis = -1)'),
  of('roll(w0, -2, axis = 1)', { w0: deep }),
  of('pad(w0, axis = -1, before = 2, after = 3, value = 0.5)'),
  of('pad(w0, axis = 1, before = 0, after = 1)', { w0: deep }),
  of('concat([w0, w1], axis = 1)', {
    w0: deep,
    w1: [
      [3, 2, 5],
      [3, 64, 5],
      [3, 1001, 16],
    ],
  }),
  of('concat([w0, w1, w0], axis = -1)', { w0: cube, w1: cube }, { activations: ['w0', 'w1'] }),
  of('stack([w0, w1])', { w0: cube, w1: cube }, { activations: ['w0', 'w1'] }),
  of('stack([w0, w1], axis = -1)', { w0: deep, w1: deep }),
  of(
    [
      'expand(w0, shape = [3, 5, 7])',
      'expand(w0, shape = [3, 5, 1025])',
      'expand(w0, shape = [3, 40, 4099])',
    ],
    {
      w0: [
        [3, 1, 7],
        [3, 1, 1025],
        [3, 1, 4099],
      ],
    },
  ),
  of('rearrange(w0, [a, b, c] -> [c, (b a)])'),
  of('rearrange(w0, [a, b, (c d), e] -> [(a c), e, d, b], d = 3)', {
    w0: [
      [2, 3, 6, 5],
      [2, 3, 96, 35],
      [2, 17, 96, 129],
    ],
  }),
  of('w0[:, 1:, -3:-1]'),
  of('w0[1, :, 2:] * w0[2, :, :-2]', { w0: deep }),
  of(
    'gather(w0 * rows)',
    {
      w0: [
        [5, 7],
        [5, 257],
        [256, 513],
      ],
    },
    { batch: [4, 5, 3] },
  ),
];

const tables: readonly WordCase[] = [
  of(['embedding(w0, int(i0) % 7)', 'embedding(w0, int(i0) % 257)', 'embedding(w0, int(i0) % 4999)'], {
    w0: [
      [7, 5],
      [257, 33],
      [4999, 96],
    ],
    i0: [
      [2, 3],
      [3, 85],
      [4, 1025],
    ],
  }),
  of(
    [
      'select(w0, int(i0) % 5, axis = 1)',
      'select(w0, int(i0) % 129, axis = 1)',
      'select(w0, int(i0) % 4099, axis = 1)',
    ],
    {
      w0: [
        [2, 5, 3],
        [3, 129, 17],
        [3, 4099, 16],
      ],
      i0: [
        [2, 3],
        [5, 33],
        [9, 513],
      ],
    },
  ),
  of(
    [
      'take(w0, int(i0) % 5, axis = 1)',
      'take(w0, int(i0) % 129, axis = 1)',
      'take(w0, int(i0) % 1025, axis = 1)',
    ],
    {
      w0: [
        [3, 5, 7],
        [5, 129, 33],
        [65, 1025, 8],
      ],
      i0: [[3], [5], [65]],
    },
  ),
  of(['one_hot(int(i0) % 7, 7)', 'one_hot(int(i0) % 257, 257)', 'one_hot(int(i0) % 1025, 1025)'], {
    i0: [
      [3, 5],
      [3, 33],
      [3, 129],
    ],
  }),
  of(['float(iota(7)) / 7 * w0', 'float(iota(1025)) / 1025 * w0', 'float(iota(65536)) / 65536 * w0']),
];

/** Words that take integers as well as floats. */
const integers: readonly WordCase[] = [
  of('sign(int(i0)) * int(i1) ^ 2', { i0: cube, i1: row }),
  of('where(int(i0) > int(i1), int(i0), -int(i1))', { i0: cube, i1: row }),
  of('argmax(int(i0))', { i0: cube }),
  of('top_k(int(i0), 3).values', { i0: rows }),
  of('pad(roll(flip(int(i0), axis = 1), 2, axis = -1), axis = 1, before = 1, after = 2, value = 7)', {
    i0: deep,
  }),
  of('concat([stack([int(i0), int(i1)]), stack([int(i1), int(i0)])], axis = 2)', { i0: deep, i1: deep }),
  of('rearrange(int(i0), [a, b, c] -> [c, (b a)])[1:, 1:3]', { i0: cube }),
  of(
    [
      'select(int(i0), int(i1) % 7, axis = 1)',
      'select(int(i0), int(i1) % 257, axis = 1)',
      'select(int(i0), int(i1) % 4099, axis = 1)',
    ],
    {
      i0: deep,
      i1: [
        [2, 3],
        [5, 33],
        [9, 513],
      ],
    },
  ),
  of('take(int(i0), int(i1) % 3, axis = 0)', { i0: deep, i1: [[], [], []] }),
];

const products: readonly WordCase[] = [
  of('w0 @ w1', {
    w0: [
      [2, 3, 7],
      [2, 33, 257],
      [1, 129, 1030],
    ],
    w1: [
      [7, 5],
      [257, 65],
      [1030, 197],
    ],
  }),
  of('w0 @ w1.T', {
    w0: [
      [2, 3, 7],
      [2, 33, 257],
      [1, 129, 1030],
    ],
    w1: [
      [5, 7],
      [65, 257],
      [197, 1030],
    ],
  }),
  of(
    'einsum(w0[b, h, i, d], w1[b, h, j, d] -> [b, h, i, j])',
    {
      w0: [
        [2, 3, 5, 4],
        [2, 3, 33, 17],
        [2, 4, 197, 64],
      ],
      w1: [
        [2, 3, 7, 4],
        [2, 3, 65, 17],
        [2, 4, 201, 64],
      ],
    },
    { activations: ['w0', 'w1'] },
  ),
  of(
    'einsum(w0[b, i], w1[b, i, j], w2[b, j] -> [b, j])',
    {
      w0: [
        [3, 4],
        [3, 129],
        [3, 513],
      ],
      w1: [
        [3, 4, 5],
        [3, 129, 65],
        [3, 513, 257],
      ],
      w2: [
        [3, 5],
        [3, 65],
        [3, 257],
      ],
    },
    { activations: ['w1'] },
  ),
  of('conv1d(w0, w1, stride = 2, padding = 2, dilation = 2)', {
    w0: [
      [2, 3, 9],
      [2, 5, 257],
      [2, 16, 4099],
    ],
    w1: [
      [4, 3, 3],
      [7, 5, 3],
      [24, 16, 5],
    ],
  }),
  of('conv1d(w0, w1, groups = 3)', {
    w0: [
      [2, 3, 8],
      [2, 9, 257],
      [2, 24, 8193],
    ],
    w1: [
      [3, 1, 3],
      [9, 3, 3],
      [24, 8, 3],
    ],
  }),
  of('conv2d(w0, w1, padding = 1)', {
    w0: images,
    w1: [
      [4, 3, 3, 3],
      [9, 5, 3, 3],
      [16, 24, 3, 3],
    ],
  }),
  of('conv2d(w0, w1, stride = 3, padding = 1)', {
    w0: images,
    w1: [
      [4, 3, 3, 3],
      [9, 5, 3, 3],
      [16, 24, 3, 3],
    ],
  }),
  of('conv2d(w0, w1, padding = 2, dilation = 2)', {
    w0: images,
    w1: [
      [4, 3, 3, 3],
      [9, 5, 3, 3],
      [16, 24, 3, 3],
    ],
  }),
  of(['conv2d(w0, w1, groups = 3)', 'conv2d(w0, w1, groups = 5)', 'conv2d(w0, w1, groups = 24)'], {
    w0: images,
    w1: [
      [3, 1, 3, 3],
      [5, 1, 3, 3],
      [24, 1, 3, 3],
    ],
  }),
  of('conv2d(w0, w1, stride = 4)', {
    w0: [
      [2, 3, 8, 12],
      [2, 3, 36, 20],
      [2, 3, 96, 128],
    ],
    w1: [
      [5, 3, 4, 4],
      [33, 3, 4, 4],
      [96, 3, 4, 4],
    ],
  }),
];

const pictures: readonly WordCase[] = [
  of('avg_pool(w0, 2)', {
    w0: [
      [2, 3, 4, 6],
      [2, 5, 34, 38],
      [2, 24, 66, 98],
    ],
  }),
  of('avg_pool(w0, 3, stride = 2, padding = 1)', { w0: images }),
  of('max_pool(w0, 2)', { w0: images }),
  of('max_pool(w0, 3, stride = 2, padding = 1)', { w0: images }),
  of('upsample(w0, 2)', {
    w0: [
      [2, 3, 3, 5],
      [2, 5, 17, 19],
      [2, 12, 65, 65],
    ],
  }),
  of('upsample(w0, 3, method = "bilinear")', {
    w0: [
      [2, 3, 3, 5],
      [2, 5, 17, 19],
      [2, 6, 65, 65],
    ],
  }),
  ...([{}, { training: true }] as const).map((mode) =>
    of(
      'batch_norm(w0, w1, w2, s0, s1)',
      { w0: images, w1: channels, w2: channels, s0: channels, s1: channels },
      mode,
    ),
  ),
];

const random: readonly WordCase[] = [
  of('dropout(w0, 0.3)', { w0: cube }, { training: true }),
  ...['dropout(w0 * rows, 0.3)', 'drop_path(w0 * rows, 0.4)'].map((expression) =>
    of(
      expression,
      {
        w0: [
          [5, 7],
          [5, 257],
          [256, 513],
        ],
      },
      { batch: [4, 5, 3], training: true },
    ),
  ),
  of(
    (['5, 7', '5, 257', '256, 513'] as const).map(
      (sizes) => `if training then random([B, ${sizes}]) * w0 else w0`,
    ) as unknown as Sized<string>,
    {
      w0: [
        [5, 7],
        [5, 257],
        [256, 513],
      ],
    },
    { batch: [4, 5, 3], training: true },
  ),
];

export const cases: readonly WordCase[] = [
  ...elementwise,
  ...reductions,
  ...moving,
  ...tables,
  ...integers,
  ...products,
  ...pictures,
  ...random,
];
