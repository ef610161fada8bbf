/**
 * A loss over all pairs divided among ranks: random losses, forward and backward, have the values and gradients of the
 * whole in double precision, and every rank has the same bits of what all need.
 */
import { describe, expect, it } from 'vitest';
import { cutAtGather } from '../../../compiler/autodiff/chunk.ts';
import { differentiate } from '../../../compiler/autodiff/differentiate.ts';
import { largeValues, shareRows, writeOutSoftmax } from '../../../compiler/autodiff/share-rows.ts';
import { createBuilder } from '../../../compiler/graph/create-builder.ts';
import { executeAmong, executeReference } from '../../../compiler/graph/reference.ts';
import {
  type Graph,
  type Node,
  type NodeOf,
  numericShape,
  sizeOf,
  type TensorType,
} from '../../../compiler/graph/types.ts';
import { verify } from '../../../compiler/graph/verify.ts';
import type { InputsOf } from '../../../compiler/ops/attributes.ts';
import { Expressions } from '../../../compiler/ops/expressions.ts';
import { opOf } from '../../../compiler/ops/index.ts';
import type { RefTensor } from '../../../compiler/ops/op.ts';
import { bytesOf } from '../../../runtime/dist/collective.ts';
import { loopback } from '../../../runtime/dist/loopback.ts';
import { Draw } from '../../support/draw.ts';
import { fixtureModel, noise, traceTraining, trainableOf } from '../../support/models/training-models.ts';

const features = ['a', 'b'];

/** Values while a loss is drawn: matrices of pairs, rows [N, E], what broadcasts to a matrix. */
interface Drawn {
  readonly matrices: number[];
  readonly rows: number[];
  readonly vectors: number[];
}

/** A loss over two features of `pairs` rows, a vector and a weight. */
function drawnLoss(draw: Draw, pairs: number, width: number): Graph {
  const b = createBuilder();
  const e = new Expressions(b);
  const input = (name: string, shape: readonly number[]) => b.add('input', [], { name, dtype: 'f32', shape });
  const [one, two] = features.map((name) => input(name, [pairs, width])) as [number, number];
  const weight = b.add('param', [], { name: 'w', shape: [], role: 'param' });
  const given = input('v', [pairs, 1]);
  const values: Drawn = {
    matrices: [e.mul(e.matmul(one, two, false, true), weight)],
    rows: [one, two],
    vectors: [given, e.reshape(given, [1, pairs]), weight],
  };
  const matrix = () => draw.pick(values.matrices);
  // Kept near 1, so that sums of exponentials stay in range.
  const tame = (x: number) => e.unary('tanh', x);
  const reduce = (op: 'sum' | 'mean' | 'max' | 'min', x: number) =>
    b.add(op, [x], { axes: [draw.below(2)], keep: true });
  const steps: readonly (readonly [number, () => void])[] = [
    [2, () => values.matrices.push(tame(e.unary(draw.pick(['exp', 'sigmoid', 'relu', 'sin']), matrix())))],
    [2, () => values.matrices.push(tame(e.binary(draw.pick(['add', 'mul', 'sub']), matrix(), matrix())))],
    [
      3,
      () =>
        values.matrices.push(e.binary(draw.pick(['add', 'mul', 'sub']), matrix(), draw.pick(values.vectors))),
    ],
    [2, () => values.matrices.push(e.transpose(matrix(), [1, 0]))],
    [2, () => values.vectors.push(tame(e.scale(reduce(draw.pick(['sum', 'mean']), matrix()), 0.3)))],
    [0.2, () => values.vectors.push(reduce(draw.pick(['max', 'min']), matrix()))],
    [1, () => values.vectors.push(b.add('stop_gradient', [reduce(draw.pick(['max', 'min']), matrix())], {}))],
    [1, () => values.vectors.push(tame(b.add('sum', [matrix()], { axes: [0, 1], keep: false })))],
    [
      1.5,
      () => values.matrices.push(tame(b.add(draw.pick(['softmax', 'log_softmax'] as const), [matrix()], {}))),
    ],
    [1, () => values.rows.push(tame(e.matmul(matrix(), draw.pick(values.rows), draw.chance(0.5))))],
    [
      1,
      () =>
        values.matrices.push(
          e.scale(e.matmul(draw.pick(values.rows), draw.pick(values.rows), false, true), 0.5),
        ),
    ],
    [
      1,
      () => {
        const diagonal = b.add('take', [matrix(), b.add('iota', [], { length: pairs })], { axis: 1 });
        values.vectors.push(e.reshape(diagonal, draw.chance(0.5) ? [pairs, 1] : [1, pairs]));
      },
    ],
    // Rows of zeros have no direction.
    [
      0.7,
      () => {
        const row = draw.pick(values.rows);
        values.rows.push(b.add('l2_normalize', [e.add(row, e.scalar(row, 0.3))], {}));
      },
    ],
    [
      0.7,
      () => {
        const nearest = b.add('cast', [b.add('argmax', [matrix()], { axis: draw.below(2) })], { to: 'f32' });
        values.vectors.push(
          e.scale(
            e.reshape(
              nearest,
              draw.pick([
                [pairs, 1],
                [1, pairs],
              ]),
            ),
            0.1,
          ),
        );
      },
    ],
    [
      0.5,
      () => {
        const cut = e.part(matrix(), 1, 0, pairs / 2);
        values.matrices.push(b.add('concat', [cut, e.part(matrix(), 1, pairs / 2, pairs)], { axis: 1 }));
      },
    ],
  ];
  const count = 4 + draw.below(9);
  for (let i = 0; i < count; i++) draw.weighted(steps)();
  const terms = [...values.matrices.slice(-2), values.rows.at(-1)!, values.vectors.at(-1)!].map((x) =>
    b.add('mean', [x], { axes: e.shape(x).map((_, axis) => axis), keep: false }),
  );
  return b.finish([{ name: 'loss', node: terms.reduce((x, y) => e.add(x, y)) }]);
}

function feedsOf(graph: Graph, seed: number) {
  const tensor = (shape: readonly number[], own: number): RefTensor => ({
    shape,
    data: Float64Array.from(noise(sizeOf(shape), own)),
  });
  const inputs = new Map<string, RefTensor>();
  for (const { op, attrs, type } of graph.nodes)
    if (op === 'input') inputs.set(attrs.name, tensor(numericShape(type), seed + attrs.name.charCodeAt(0)));
  return { inputs, params: new Map([['w', tensor([], seed)]]) };
}

/** All outputs of every rank. */
function onRanks(shared: readonly Graph[], feeds: ReturnType<typeof feedsOf>) {
  const members = loopback(shared.length);
  return Promise.all(
    shared.map((graph, rank) =>
      executeAmong(verify(graph), feeds, async ({ shape, data }) => {
        const all = new Float64Array(data.length);
        const own = data.length / shared.length;
        const part = data.slice(rank * own, (rank + 1) * own);
        await members[rank]!.allGather('a value', bytesOf(part), bytesOf(all));
        return { shape, data: all };
      }),
    ),
  );
}

function distance(a: Float64Array, b: Float64Array): number {
  // Gradients that cancel are held to what they are the rest of.
  const scale = b.reduce((most, x) => Math.max(most, Math.abs(x)), 1e-3);
  return a.reduce((most, x, i) => Math.max(most, Math.abs(x - b[i]!)), 0) / scale;
}

const pairs = 8;
const gradients = features.map((name) => `grad.${name}`);

/** Whether the loss of a seed was shared. */
async function check(seed: number): Promise<boolean> {
  const draw = new Draw(seed);
  const ranks = draw.pick([2, 4]);
  // Features narrower than there are pairs, as wide, and wider.
  const width = draw.pick([3, 5, pairs, 11]);
  const drawn = draw.below(2 ** 30);
  const loss = drawnLoss(new Draw(drawn), pairs, width);
  const smaller = drawnLoss(new Draw(drawn), pairs / 2, width);
  const wrt = [...features, 'v', 'w'].filter((name) =>
    loss.nodes.some((n) => (n.op === 'input' || n.op === 'param') && n.attrs.name === name),
  );
  const limit = draw.pick([Number.MAX_SAFE_INTEGER, pairs]);
  const whole = differentiate(loss, { loss: 'loss', wrt });
  const size = { pairs, strict: draw.chance(0.5) };
  const written = (graph: Graph) =>
    differentiate(writeOutSoftmax(graph, largeValues(loss, smaller, size)), { loss: 'loss', wrt });
  const graph = written(loss);
  const large = largeValues(graph, written(smaller), size);
  const own = new Set(gradients);
  const shared = Array.from({ length: ranks }, (_, rank) =>
    shareRows(graph, { rank, ranks, large, limit, own }),
  ).filter((found) => found !== undefined);
  if (shared.length < ranks) {
    // What joins columns is not cut along them, and what looks for its largest entries not at all.
    expect(shared).toEqual([]);
    expect(
      graph.nodes.some(({ op }) => op === 'concat' || op === 'equal'),
      `seed ${seed}`,
    ).toBe(true);
    return false;
  }
  const feeds = feedsOf(loss, seed);
  const wanted = executeReference(verify(whole), feeds);
  const found = await onRanks(shared, feeds);
  for (const [name, { data }] of wanted) {
    const size = data.length / ranks;
    const parts = found.map((results, rank) => {
      const own = results.get(name)!.data;
      return gradients.includes(name) ? own.subarray(rank * size, (rank + 1) * size) : own;
    });
    if (gradients.includes(name))
      expect(
        distance(Float64Array.from(parts.flatMap((p) => [...p])), data),
        `${name} of ${seed}`,
      ).toBeLessThan(1e-11);
    else {
      expect(distance(parts[0]!, data), `${name} of ${seed}`).toBeLessThan(1e-11);
      for (const part of parts) expect(part, `${name} of ${seed}`).toEqual(parts[0]);
    }
  }
  return true;
}

/** FLOPs of a graph, as its nodes have them. */
function flopsOf({ nodes }: Graph): number {
  const costOf = <K extends Node['op']>(node: NodeOf<K>) => {
    const types: readonly TensorType[] = node.inputs.map((id) => nodes[id]!.type);
    // As many as the node has inputs.
    return opOf(node.op).cost(types as InputsOf<K, TensorType>, node.attrs, node.type);
  };
  return nodes.reduce((sum, node) => sum + costOf(node).flops, 0);
}

function lossOn(ranks: number, objective: string, strips?: number) {
  const model = fixtureModel(`pairs.zoo#${objective === 'sigmoid_loss' ? 'mini_sigmoid' : 'mini'}`);
  return cutAtGather(traceTraining(model, 64, objective), traceTraining(model, 8, objective), {
    trainable: trainableOf(model),
    share: { rank: ranks - 1, ranks },
    ...(strips === undefined ? {} : { strips }),
  });
}

const largest = ({ nodes }: Graph) => Math.max(...nodes.map((n) => sizeOf(numericShape(n.type))));

describe('a loss shared by rows', () => {
  it('has the value and the gradients of the whole, whatever it is made of', async () => {
    const seeds = Array.from({ length: 300 }, (_, i) => i + 1);
    let shared = 0;
    for (const seed of seeds) if (await check(seed)) shared++;
    expect(shared / seeds.length).toBeGreaterThan(0.75);
  });

  // Similarities of rows and of columns are products of their own, and so are the gradients of each feature: four of
  // N × N / R in place of three of N × N, and as many whole ones as with strips of one rank otherwise.
  it.each([
    ['contrastive', undefined, 0.7],
    ['sigmoid_loss', undefined, 0.6],
    ['contrastive', 64 * 4, 1],
    ['sigmoid_loss', 64 * 4, 0.85],
  ])('takes 1 / R of the work of %s, with strips of %s', (objective, strips, least) => {
    const alone = lossOn(1, objective, strips);
    expect(alone.shared).toBe(false);
    const whole = flopsOf(alone.loss);
    const onTwo = flopsOf(lossOn(2, objective, strips).loss);
    for (const ranks of [2, 4, 8]) {
      const { loss, shared } = lossOn(ranks, objective, strips);
      expect(shared).toBe(true);
      expect(whole / flopsOf(loss)).toBeGreaterThan(least * ranks);
      expect(onTwo / flopsOf(loss) / (ranks / 2)).toBeGreaterThan(0.95);
      expect(largest(loss)).toBeLessThanOrEqual(strips === undefined ? (64 * 64) / ranks : 64 * 6);
    }
  });

  it('exchanges what has all rows to wait for, and no gradient of features', () => {
    const { loss } = lossOn(4, 'contrastive');
    const gathers = loss.nodes
      .filter(({ op }) => op === 'rank_gather')
      .map(({ type }) => sizeOf(numericShape(type)));
    expect(Math.max(...gathers)).toBe(64);
  });

  it('stays whole where the gradient looks for the largest of a row', () => {
    const { shared, loss } = lossOn(4, 'written_out');
    expect(shared).toBe(false);
    expect(loss).toEqual(lossOn(1, 'written_out').loss);
  });
});
