/**
 * Random graphs: a few leaves, up to two dozen steps over them, a scalar loss over some of what came out, and a random set of weights
 * that are trained.
 *
 * Steps are drawn from what models do (layers, residuals, gates, views, reductions over any axes, lookups, convolutions, batch
 * norms), with operands that are shared by several consumers and values that are results besides. A number names a graph.
 */
import { movedPrefix, type Output } from '../../../compiler/graph/types.ts';
import { Draw } from '../../support/draw.ts';
import { type FuzzCase, weightsOf } from './fuzz-case.ts';
import { Growth, lengths, widths } from './growth.ts';
import { elementwiseSteps, moveSteps, type Step } from './steps-elementwise.ts';
import { addends, imageSteps, layerSteps } from './steps-layers.ts';
import { wordSteps } from './steps-words.ts';

type Weighted = readonly (readonly [weight: number, step: Step])[];

const times = (factor: number, steps: Weighted): Weighted =>
  steps.map(([w, step]) => [w * factor, step] as const);

/** How graphs of a kind begin, and what they are made of. */
const kinds: readonly {
  readonly start: (g: Growth) => number;
  readonly steps: Weighted;
  /** Steps at most, where not many. */
  readonly most?: number;
}[] = [
  {
    // Few nodes with one gradient in common, which kernels take from each other: small graphs meet all ways to do so sooner.
    start: (g) =>
      g.input(
        g.draw.pick([
          [2, 3],
          [5, 8],
          [8, 8],
          [3, 4, 8],
          [2, 3, 5],
          [1, 4, 12],
        ]),
      ),
    steps: [[4, addends], ...times(0.3, layerSteps), ...times(0.2, elementwiseSteps)],
    most: 3,
  },
  {
    start: (g) => g.input([g.draw.pick([1, 2, 3]), g.draw.pick(lengths), g.draw.pick(widths)]),
    steps: [...elementwiseSteps, ...layerSteps, ...moveSteps, ...wordSteps],
  },
  {
    start: (g) => g.input([g.draw.pick([...lengths, 33]), g.draw.pick(widths)]),
    steps: [...elementwiseSteps, ...layerSteps, ...moveSteps, ...wordSteps],
  },
  {
    start: (g) =>
      g.input([
        g.draw.pick([1, 2, 3]),
        g.draw.pick([1, 3, 4, 8]),
        ...g.draw.pick([
          [4, 4],
          [7, 5],
          [8, 8],
        ]),
      ]),
    steps: [
      ...times(2, imageSteps),
      ...times(0.6, elementwiseSteps),
      ...times(0.3, layerSteps),
      ...times(0.5, moveSteps),
      ...times(0.5, wordSteps),
    ],
  },
];

/** A value times noise, its square or itself, added up. */
function term(g: Growth, x: number): number {
  const axes = g.shape(x).map((_, i) => i);
  const weighed = g.draw.weighted<(() => number) | undefined>([
    [3, () => g.e.mul(x, g.input(g.shape(x)))],
    [1, () => g.e.mul(x, x)],
    [1, undefined],
  ]);
  const value = weighed === undefined ? x : weighed();
  return axes.length === 0
    ? value
    : g.b.add(g.draw.pick(['sum', 'mean'] as const), [value], { axes, keep: false });
}

/** Values that no other node reads, the youngest first. */
function ends(g: Growth, from: number): number[] {
  const read = new Set<number>();
  for (let id = 0; id < from; id++) for (const input of g.b.node(id).inputs) read.add(input);
  return g.values.filter((id) => !read.has(id)).reverse();
}

function lossOf(g: Growth): number {
  const open = ends(g, Math.max(...g.values) + 1).slice(0, 3);
  const also = g.draw.some(g.values, 0.1).slice(0, 2);
  const terms = [...new Set([...open, ...also])].map((x) => term(g, x));
  return terms.reduce((sum, x) => g.e.add(sum, x));
}

function grow(g: Growth, steps: Weighted, most: number): void {
  const count = 1 + g.draw.below(most);
  for (let made = 0, tried = 0; made < count && tried < 60; tried++) {
    const step = g.draw.weighted(steps);
    const value = g.b.withOrigin({ path: `block.${Math.floor(made / 3)}` }, () => step(g));
    if (value === undefined || g.values.includes(value) || !g.fits(g.shape(value))) continue;
    g.values.push(value);
    made++;
  }
}

/** Graph number `n`. */
export function randomGraph(n: number): FuzzCase {
  const draw = new Draw(n * 2 + 1);
  const g = new Growth(draw);
  const { start, steps, most = 10 } = draw.pick(kinds);
  g.values.push(start(g));
  if (draw.chance(0.2)) g.values.push(g.weight('free', g.shape(g.values[0]!)));
  grow(g, steps, most);
  const results = draw.some(g.values, draw.pick([0, 0.1, 0.3]));
  const outputs: Output[] = [...new Set(results)].map((node, i) => ({ name: `y${i}`, node }));
  outputs.push({ name: 'loss', node: lossOf(g) });
  outputs.push(...g.moved.map(({ name, node }) => ({ name: movedPrefix + name, node })));
  const graph = g.b.finish(outputs);
  const read = weightsOf(graph);
  const wrt = draw.chance(0.15) ? [] : draw.some(read, draw.pick([1, 0.7, 0.4]));
  // What is trained is read by the loss.
  const trained = wrt.filter((name) => weightsOf(graph, 'loss').includes(name));
  const training = wrt.length > 0 && draw.chance(0.15) && trained.length > 0;
  return {
    name: `graph ${n}`,
    graph,
    wrt: training ? trained : wrt,
    precision: draw.chance(0.2) ? 'mixed' : 'f32',
    remat: draw.chance(0.2) ? [draw.pick(['block.*', 'block.0', 'block.1'])] : [],
    training,
    deviation: {
      ...(draw.chance(0.15) ? { schedules: n } : {}),
      ...(draw.chance(0.06) ? { binding: 4096 } : {}),
    },
  };
}
