/** Random steps of a graph: arithmetic on elements, broadcasts of every pattern, views and moves. */
import type { BinaryMapOp, UnaryMapOp } from '../../../compiler/ops/attributes.ts';
import { type Growth, sameSizes, widths } from './growth.ts';

/** Adds nodes and returns the new value; undefined where nothing there suits. */
export type Step = (g: Growth) => number | undefined;

const harmless: readonly UnaryMapOp[] = ['neg', 'tanh', 'erf', 'sigmoid', 'relu', 'abs'];

/** x² + 1: what roots, logarithms and divisors are taken of. */
function aboveOne(g: Growth, x: number): number {
  return g.e.add(g.e.mul(x, x), g.e.scalar(x, 1));
}

const unary: Step = (g) => {
  const x = g.value();
  if (x === undefined) return undefined;
  const op = g.draw.weighted<UnaryMapOp>([
    ...harmless.map((name) => [1, name] as const),
    [0.7, 'exp'],
    [0.7, 'ln'],
    [0.7, 'sqrt'],
    [0.7, 'rsqrt'],
  ]);
  if (op === 'exp') return g.e.unary('exp', g.e.unary('tanh', x));
  return g.e.unary(op, harmless.includes(op) ? x : aboveOne(g, x));
};

/** The activations of real models, several nodes each. */
const activation: Step = (g) => {
  const x = g.value();
  if (x === undefined) return undefined;
  const { e } = g;
  switch (g.draw.below(4)) {
    case 0:
      return e.mul(x, e.unary('sigmoid', e.scale(x, 1.702)));
    case 1:
      return e.scale(e.mul(x, e.add(e.unary('erf', e.scale(x, Math.SQRT1_2)), e.scalar(x, 1))), 0.5);
    case 2:
      return e.mul(x, e.unary('sigmoid', x));
    default:
      return e.binary('maximum', x, e.scale(x, 0.1));
  }
};

/** A shape that broadcasts to `shape`: any axes 1, any leading axes left out. */
export function broadcastingTo(g: Growth, shape: readonly number[]): number[] {
  const style = g.draw.below(4);
  if (style === 0) return shape.slice(-1);
  const kept = shape.map((n) => (g.draw.chance(0.5) ? n : 1));
  const from = g.draw.chance(0.5) ? 0 : g.draw.below(shape.length);
  return style === 1 ? [] : kept.slice(from);
}

function combine(g: Growth, x: number, y: number): number {
  const op = g.draw.weighted<BinaryMapOp>([
    [3, 'add'],
    [2, 'mul'],
    [1, 'sub'],
    [0.7, 'maximum'],
    [0.4, 'minimum'],
    [0.5, 'div'],
  ]);
  return g.e.binary(op, x, op === 'div' ? aboveOne(g, y) : y);
}

const residual: Step = (g) => {
  const x = g.value();
  const y = x === undefined ? undefined : g.twin(x);
  if (x === undefined || y === undefined) return undefined;
  return g.draw.chance(0.6) ? g.e.add(x, y) : combine(g, x, y);
};

/** With a weight, or with another value, that broadcasts. */
const broadcast: Step = (g) => {
  const x = g.value();
  if (x === undefined) return undefined;
  const shape = g.shape(x);
  const other = g.values.filter((id) => {
    const own = g.shape(id);
    const behind = shape.slice(shape.length - own.length);
    return (
      own.length <= shape.length && !sameSizes(own, shape) && own.every((n, i) => n === 1 || n === behind[i])
    );
  });
  const y =
    other.length > 0 && g.draw.chance(0.4) ? g.draw.pick(other) : g.weight('free', broadcastingTo(g, shape));
  return g.draw.chance(0.5) ? combine(g, x, y) : combine(g, y, x);
};

const scaled: Step = (g) => {
  const x = g.value();
  return x === undefined ? undefined : g.e.scale(x, g.draw.pick([-1, 0.5, 2, 0.125, 0]));
};

const power: Step = (g) => {
  const x = g.value();
  if (x === undefined) return undefined;
  const exponent = g.e.scalar(x, g.draw.pick([0.5, 1.5, 2, 3, -1, -0.5]));
  return g.e.binary('pow', aboveOne(g, x), exponent);
};

const reshape: Step = (g) => {
  const x = g.value((shape) => shape.length > 0);
  if (x === undefined) return undefined;
  const shape = g.shape(x);
  const at = g.draw.below(shape.length);
  const n = shape[at]!;
  const factor = g.draw.pick([1, 2, 3, 4, 8]);
  const split = [...shape.slice(0, at), n / factor, factor, ...shape.slice(at + 1)];
  const merged = [...shape.slice(0, at), n * (shape[at + 1] ?? 1), ...shape.slice(at + 2)];
  const splits = n % factor === 0 && shape.length < 5;
  return g.e.reshape(x, splits && g.draw.chance(0.5) ? split : merged);
};

const transpose: Step = (g) => {
  const x = g.value((shape) => shape.length > 1);
  if (x === undefined) return undefined;
  const axes = g.shape(x).map((_, i) => i);
  const last = axes.length - 1;
  const swapped = [...axes.slice(0, -2), last, last - 1];
  return g.e.transpose(x, g.draw.chance(0.5) ? swapped : g.draw.shuffled(axes));
};

const slice: Step = (g) => {
  const x = g.value((shape) => shape.some((n) => n > 1));
  if (x === undefined) return undefined;
  const shape = g.shape(x);
  const starts = shape.map((n) => (g.draw.chance(0.4) ? g.draw.below(n) : 0));
  const ends = shape.map((n, i) => (g.draw.chance(0.4) ? starts[i]! + 1 + g.draw.below(n - starts[i]!) : n));
  return g.b.add('slice', [x], { starts, ends });
};

/** Several slices that together are the whole, put together again in another order or added. */
const pieces: Step = (g) => {
  const x = g.value((shape) => shape.some((n) => n > 1 && n % 2 === 0));
  if (x === undefined) return undefined;
  const shape = g.shape(x);
  const axis = g.draw.pick(shape.flatMap((n, i) => (n > 1 && n % 2 === 0 ? [i] : [])));
  const count = shape[axis]! % 4 === 0 && g.draw.chance(0.3) ? 4 : 2;
  const length = shape[axis]! / count;
  const parts = Array.from({ length: count }, (_, i) =>
    g.b.add('slice', [x], {
      starts: shape.map((_n, a) => (a === axis ? i * length : 0)),
      ends: shape.map((n, a) => (a === axis ? (i + 1) * length : n)),
    }),
  );
  g.values.push(...parts);
  return g.draw.chance(0.5)
    ? g.b.add('concat', g.draw.shuffled(parts), { axis })
    : combine(g, parts[0]!, parts[1]!);
};

const concat: Step = (g) => {
  const x = g.value((shape) => shape.length > 0);
  if (x === undefined) return undefined;
  const shape = g.shape(x);
  const axis = g.draw.below(shape.length);
  const others = g.values.filter((id) => {
    const own = g.shape(id);
    return own.length === shape.length && own.every((n, i) => i === axis || n === shape[i]);
  });
  const more = Array.from({ length: 1 + g.draw.below(2) }, () =>
    g.draw.chance(0.6)
      ? g.draw.pick(others)
      : g.weight(
          'free',
          shape.map((n, i) => (i === axis ? 1 : n)),
        ),
  );
  return g.b.add('concat', g.draw.shuffled([x, ...more]), { axis });
};

/** An axis of 1 repeated: of a value that has one, of a reduced value, or of a weight. */
const expand: Step = (g) => {
  const x = g.value((shape) => shape.includes(1));
  if (x === undefined) return undefined;
  const size = g.draw.pick(widths);
  return g.e.expand(
    x,
    g.shape(x).map((n) => (n === 1 && g.draw.chance(0.7) ? size : n)),
  );
};

const pad: Step = (g) => {
  const x = g.value((shape) => shape.length > 0);
  if (x === undefined) return undefined;
  const some = () => g.shape(x).map(() => (g.draw.chance(0.3) ? 1 + g.draw.below(2) : 0));
  return g.b.add('pad', [x], { before: some(), after: some() });
};

/** Features of all chunks, where there is one. */
const gather: Step = (g) => {
  const x = g.value((shape) => shape.length === 2);
  return x === undefined ? undefined : g.b.add('all_gather', [x], {});
};

export const elementwiseSteps: readonly (readonly [weight: number, step: Step])[] = [
  [3, unary],
  [2, activation],
  [4, residual],
  [3, broadcast],
  [1, scaled],
  [0.5, power],
];

export const moveSteps: readonly (readonly [weight: number, step: Step])[] = [
  [1, reshape],
  [1.2, transpose],
  [0.8, slice],
  [0.7, pieces],
  [0.7, concat],
  [0.6, expand],
  [0.3, pad],
  [0.1, gather],
];
