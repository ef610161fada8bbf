/** Random steps of a graph: masks and choices, rounding, random numbers, running sums, sorting, windows. */
import type { BinaryMapOp, UnaryMapOp } from '../../../compiler/ops/attributes.ts';
import type { Growth } from './growth.ts';
import { broadcastingTo, type Step } from './steps-elementwise.ts';

const comparisons: readonly BinaryMapOp[] = [
  'equal',
  'not_equal',
  'less',
  'less_equal',
  'greater',
  'greater_equal',
];

/** A comparison of x with another value, a weight or a number; or of integers. */
function maskFor(g: Growth, x: number): number {
  const op = g.draw.pick(comparisons);
  const shape = g.shape(x);
  if (shape.length > 0 && g.draw.chance(0.2)) {
    const bound = g.b.add('constant', [], { value: 2, dtype: 'i32', shape: [] });
    const other = g.draw.chance(0.5) ? bound : g.indices(shape.slice(-1), 8);
    return g.e.binary(op, g.indices(shape, 8), other);
  }
  const other = g.draw.chance(0.4) ? g.twin(x) : undefined;
  const against =
    other ?? (g.draw.chance(0.5) ? g.weight('free', broadcastingTo(g, shape)) : g.e.scalar(x, 0.1));
  return g.e.binary(op, x, against);
}

const choose: Step = (g) => {
  const x = g.value();
  if (x === undefined) return undefined;
  const first = maskFor(g, x);
  const both = g.e.binary(g.draw.pick(['minimum', 'maximum'] as const), first, maskFor(g, x));
  const mask = g.draw.chance(0.6) ? first : both;
  const y = g.draw.chance(0.5) ? g.twin(x) : undefined;
  const z = y ?? (g.draw.chance(0.5) ? g.weight('free', broadcastingTo(g, g.shape(x))) : g.e.scalar(x, -1));
  return g.draw.chance(0.5) ? g.e.where(mask, x, z) : g.e.where(mask, z, x);
};

/** What has no gradient is added to what has one. */
const rounded: Step = (g) => {
  const x = g.value();
  if (x === undefined) return undefined;
  const op = g.draw.pick(['floor', 'ceil', 'round', 'sign'] as const satisfies UnaryMapOp[]);
  const whole = g.e.unary(op, g.e.scale(x, g.draw.pick([1, 3])));
  return g.e.add(x, g.draw.chance(0.5) ? g.b.add('stop_gradient', [whole], {}) : whole);
};

const turned: Step = (g) => {
  const x = g.value();
  if (x === undefined) return undefined;
  if (g.draw.chance(0.7))
    return g.e.unary(g.draw.pick(['sin', 'cos'] as const), g.e.scale(x, g.draw.pick([1, 5])));
  return g.e.binary('mod', x, g.e.scalar(x, g.draw.pick([0.75, 2, -1])));
};

/** Dropout, of elements or of rows. */
const dropped: Step = (g) => {
  const x = g.value((shape) => shape.length > 0);
  if (x === undefined) return undefined;
  const shape = g.shape(x);
  const ones = shape.slice(1).map(() => 1);
  const rows = g.draw.chance(0.3);
  const keys = [0, 1].map(() => g.indices([shape[0]!, ...ones], 1000)) as [number, number];
  const row = g.b.add('constant', [], { value: g.draw.below(3), dtype: 'i32', shape: [] });
  const drawn = g.b.add('uniform', [...keys, row], {
    shape: rows ? [shape[0]!, ...ones] : shape,
    place: g.draw.below(2 ** 31),
    inner: rows ? 1 : shape.slice(1).reduce((n, m) => n * m, 1),
  });
  const kept = g.e.binary('greater_equal', drawn, g.e.scalar(x, 0.25));
  return g.e.where(kept, g.e.scale(x, 1 / 0.75), g.e.scalar(x, 0));
};

const smallest: Step = (g) => {
  const x = g.value((shape) => shape.length > 0);
  if (x === undefined) return undefined;
  return g.b.add('min', [x], { axes: [g.draw.below(g.shape(x).length)], keep: g.draw.chance(0.5) });
};

const along: Step = (g) => {
  const x = g.value((shape) => shape.length > 0);
  if (x === undefined) return undefined;
  const axis = g.draw.below(g.shape(x).length);
  if (g.draw.chance(0.4)) return g.b.add('flip', [x], { axis });
  return g.e.scale(g.b.add('cumsum', [x], { axis, reverse: g.draw.chance(0.3) }), 0.25);
};

/** The largest of each row, by an order of the row itself. */
const sorted: Step = (g) => {
  const x = g.value((shape) => shape.length > 0 && shape.at(-1)! > 1);
  if (x === undefined) return undefined;
  const order = g.b.add('argsort', [x], { descending: g.draw.chance(0.7) });
  return g.b.add('pick', [x, order], { count: 1 + g.draw.below(g.shape(x).at(-1)!) });
};

const windows: Step = (g) => {
  const x = g.value((shape) => shape.length === 4 && shape[2]! > 2 && shape[3]! > 2);
  if (x === undefined) return undefined;
  const [, channels, height, width] = g.shape(x) as [number, number, number, number];
  if (g.draw.chance(0.5)) {
    const [stride, padding] = [1 + g.draw.below(3), g.draw.below(2)];
    return g.b.add('max_pool', [x], { kernel: 2 + g.draw.below(2), stride, padding });
  }
  const groups = g.draw.chance(0.4) ? channels : 1;
  const filters = groups === 1 ? g.draw.pick([1, 4, 8]) : channels;
  const w = g.weight('matrix', [filters, channels / groups, 2, 2]);
  const dilation = 2 + g.draw.below(Math.min(height, width) > 3 ? 2 : 1);
  const attrs = { stride: 1 + g.draw.below(2), padding: g.draw.below(2), groups, dilation };
  return dilation < Math.min(height, width) ? g.b.add('conv2d', [x, w], attrs) : undefined;
};

/** On one rank the value itself, which nothing may look through. */
const averaged: Step = (g) => {
  const x = g.value();
  return x === undefined ? undefined : g.b.add('rank_mean', [x], {});
};

export const wordSteps: readonly (readonly [weight: number, step: Step])[] = [
  [1.5, choose],
  [0.6, rounded],
  [0.8, turned],
  [1, dropped],
  [0.4, smallest],
  [0.8, along],
  [0.5, sorted],
  [0.8, windows],
  [0.3, averaged],
];
