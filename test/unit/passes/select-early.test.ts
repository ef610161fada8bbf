/**
 * Selections before what works position by position: the same values, for every op and in forms that models have; what is
 * computed of one position alone, and what stays whole.
 */
import { describe, expect, it, test } from 'vitest';
import { differentiate } from '../../../compiler/autodiff/differentiate.ts';
import { compileGraph } from '../../../compiler/compile.ts';
import { createBuilder } from '../../../compiler/graph/create-builder.ts';
import { executeReference } from '../../../compiler/graph/reference.ts';
import { type Graph, type NodeOf, numericShape, sizeOf } from '../../../compiler/graph/types.ts';
import { verify } from '../../../compiler/graph/verify.ts';
import type { OpName } from '../../../compiler/ops/attributes.ts';
import { Expressions } from '../../../compiler/ops/expressions.ts';
import type { RefTensor } from '../../../compiler/ops/op.ts';
import { selectEarly as pass } from '../../../compiler/passes/select-early.ts';
import { lavapipeProfile } from '../../../compiler/profile.ts';
import { addOp, type OpCase, opCases } from '../../../runtime/selftest/op-cases.ts';
import { Draw } from '../../support/draw.ts';

const selectEarly = (graph: Graph) => pass(graph, { precision: 'f32' });

type Feeds = ReadonlyMap<string, RefTensor>;

/** A graph of the builder's, with values for its leaves. */
class Written {
  readonly b = createBuilder();
  readonly e = new Expressions(this.b);
  readonly inputs = new Map<string, RefTensor>();
  readonly params = new Map<string, RefTensor>();
  readonly #draw = new Draw(5);

  #values(shape: readonly number[], make: () => number): RefTensor {
    return { shape, data: Float64Array.from({ length: sizeOf(shape) }, make) };
  }

  weight(...shape: readonly number[]): number {
    const name = `w${this.params.size}`;
    this.params.set(
      name,
      this.#values(shape, () => this.#draw.unit() - 0.5),
    );
    return this.b.add('param', [], { name, shape, role: 'param' });
  }

  input(dtype: 'f32' | 'i32', { shape, data }: RefTensor): number {
    const name = `x${this.inputs.size}`;
    this.inputs.set(name, { shape, data });
    return this.b.add('input', [], { name, dtype, shape });
  }

  numbers(...shape: readonly number[]): number {
    return this.input(
      'f32',
      this.#values(shape, () => this.#draw.unit() - 0.5),
    );
  }

  /** In [0, bound). */
  ids(bound: number, ...shape: readonly number[]): number {
    return this.input(
      'i32',
      this.#values(shape, () => this.#draw.below(bound)),
    );
  }

  linear(x: number, outputs: number): number {
    const { e } = this;
    return e.add(
      e.matmul(x, this.weight(outputs, Number(e.shape(x).at(-1))), false, true),
      this.weight(outputs),
    );
  }

  norm(x: number): number {
    const width = Number(this.e.shape(x).at(-1));
    return this.b.add('layer_norm', [x, this.weight(width), this.weight(width)], { eps: 1e-5 });
  }

  /** A layer as CLIP's: x + attn(norm(x)), then the same with two products. */
  layer(x: number, { causal, separate = false }: { causal: boolean; separate?: boolean }): number {
    const { e, b } = this;
    const [batch, tokens, width] = numericShape(b.type(x)) as [number, number, number];
    const heads = (y: number) => e.transpose(e.reshape(y, [batch, tokens, 2, width / 2]), [0, 2, 1, 3]);
    const normed = this.norm(x);
    const joint = separate ? undefined : this.linear(normed, 3 * width);
    const [q, k, v] = [0, 1, 2].map((i) =>
      heads(joint === undefined ? this.linear(normed, width) : e.part(joint, 2, i * width, (i + 1) * width)),
    ) as [number, number, number];
    const attended = b.add('attention', [q, k, v], { causal, scale: 0.7 });
    const y = e.add(
      x,
      this.linear(e.reshape(e.transpose(attended, [0, 2, 1, 3]), [batch, tokens, width]), width),
    );
    return e.add(y, this.linear(e.unary('tanh', this.linear(this.norm(y), 4 * width)), width));
  }

  /** Two layers of three samples with five tokens. */
  tower(of: { causal: boolean; separate?: boolean }): number {
    return this.layer(this.layer(this.numbers(3, 5, 8), of), of);
  }

  position(x: number, start: number): number {
    const shape = numericShape(this.b.type(x));
    return this.e.reshape(this.e.part(x, 1, start, start + 1), [shape[0]!, shape[2]!]);
  }

  /** The graph with a loss over some values, and its gradients for all weights. */
  loss(...values: readonly number[]): Graph {
    const { e, b } = this;
    const sums = values.map((x) => {
      const axes = e.shape(x).map((_, axis) => axis);
      return e.sum(e.mul(x, this.numbers(...numericShape(b.type(x)))), axes);
    });
    return b.finish([{ name: 'loss', node: sums.reduce((sum, x) => e.add(sum, x)) }]);
  }

  values(graph: Graph): Feeds {
    return executeReference(verify(graph), { inputs: this.inputs, params: this.params });
  }

  withGradients(graph: Graph): Graph {
    return verify(differentiate(graph, { loss: 'loss', wrt: [...this.params.keys()] }));
  }
}

/** The largest difference of two results, as a part of the largest value. */
function difference(found: Feeds, right: Feeds): number {
  let most = 0;
  for (const [name, { data, shape }] of right) {
    expect(found.get(name)!.shape).toEqual(shape);
    const largest = data.reduce((m, v) => Math.max(m, Math.abs(v)), 1e-9);
    data.forEach((v, i) => {
      most = Math.max(most, Math.abs(found.get(name)!.data[i]! - v) / largest);
    });
  }
  return most;
}

const shapesOf = (graph: Graph, op: OpName) =>
  graph.nodes.filter((n) => n.op === op).map((n) => numericShape(n.type).join('x'));

describe('every op', () => {
  /** Results of an op over products with unit matrices, of which one selection is read. */
  function written(c: OpCase, select: (w: Written, y: number) => number): [Written, Graph] {
    const w = new Written();
    const operands = c.operands.map((operand) => {
      const x = w.input(operand.dtype, operand);
      if (operand.dtype === 'i32' || operand.shape.length < 2) return x;
      const n = operand.shape.at(-1)!;
      const unit = Float64Array.from({ length: n * n }, (_, i) => (i % (n + 1) === 0 ? 1 : 0));
      return w.e.matmul(x, w.input('f32', { shape: [n, n], data: unit }));
    });
    const y = select(w, addOp(w.b, c, operands));
    return [w, w.b.finish([{ name: 'y', node: y }])];
  }

  const pushed = { slice: new Set<string>(), take: new Set<string>() };
  for (const c of opCases) {
    if (c.definition.traits.role === 'leaf') continue;
    const shape = numericShape(c.type);
    const selections = shape.flatMap((n, axis) => {
      if (n < 2) return [];
      const slice = (w: Written, y: number) => w.e.part(y, axis, n - 1, n);
      const take = (w: Written, y: number) =>
        w.b.add('take', [y, w.ids(n, ...shape.slice(0, axis))], { axis });
      return [['slice', slice] as const, ...(axis > 0 ? [['take', take] as const] : [])];
    });
    if (selections.length === 0) continue;
    test(c.label, () => {
      for (const [kind, select] of selections) {
        const [w, graph] = written(c, select);
        const early = verify(selectEarly(graph));
        // The same sums in the same order.
        expect(w.values(early)).toEqual(w.values(graph));
        if (c.op !== kind && !shapesOf(early, c.op).includes(shape.join('x'))) pushed[kind].add(c.op);
      }
    });
  }

  test('of these, what is selected alone is computed', () => {
    const both = ['add', 'where', 'matmul', 'layer_norm', 'softmax', 'attention', 'sum', 'concat'];
    expect([...pushed.slice]).toEqual(expect.arrayContaining([...both, 'reshape', 'transpose', 'expand']));
    expect([...pushed.take]).toEqual(expect.arrayContaining(both));
  });
});

describe('the last layer, of which one token is read,', () => {
  const first = (w: Written, x: number) => w.position(x, 0);
  const taken = (w: Written, x: number) => w.b.add('take', [x, w.ids(5, 3)], { axis: 1 });
  const forms: readonly [
    string,
    { causal: boolean; separate?: boolean },
    typeof first,
    string | undefined,
  ][] = [
    ['x[:, 0]', { causal: false }, first, '3x2x1x4'],
    ['x[:, 0] with projections of their own', { causal: false, separate: true }, first, '3x2x1x4'],
    ['x[:, 3] behind a causal mask', { causal: true }, (w, x) => w.position(x, 3), '3x2x1x4'],
    ['two tokens behind a causal mask', { causal: true }, (w, x) => w.e.part(x, 1, 2, 4), '3x2x2x4'],
    ['take', { causal: false }, taken, '3x2x1x4'],
    // Which keys a row sees differs by sample: attention stays whole.
    ['take behind a causal mask', { causal: true }, taken, undefined],
  ];
  for (const [name, of, select, attention] of forms)
    it(`${name}: computes it alone, forward and backward`, () => {
      const w = new Written();
      const graph = w.loss(w.linear(select(w, w.norm(w.tower(of))), 6));
      const early = verify(selectEarly(graph));
      expect(shapesOf(early, 'attention')).toEqual(['3x2x5x4', attention ?? '3x2x5x4']);
      const hidden = shapesOf(graph, 'tanh');
      expect(hidden).toEqual(['3x5x32', '3x5x32']);
      expect(shapesOf(early, 'tanh')).toEqual(['3x5x32', name.startsWith('two') ? '3x2x32' : '3x1x32']);
      // Of keys and values all tokens; of queries one, where they have a product of their own.
      const queries = early.nodes.filter((n): n is NodeOf<'attention'> => n.op === 'attention')[1]!;
      expect(queries.attrs.causal).toBe(of.causal && (attention === undefined || attention === '3x2x2x4'));
      expect(w.values(early)).toEqual(w.values(graph));
      // Gradients of the keys' and values' weights add up in another order.
      const [found, right] = [early, graph].map((g) => w.values(w.withGradients(g))) as [Feeds, Feeds];
      expect(difference(found, right)).toBeLessThan(1e-12);
      const plan = (g: Graph) =>
        compileGraph(g, {
          model: 'm',
          entry: 'loss',
          batch: 3,
          mode: 'eval',
          profile: lavapipeProfile,
          gradients: [...w.params.keys()],
        });
      // The pass is part of the pipeline.
      expect(plan(graph).steps.map((s) => s.flops)).toEqual(plan(early).steps.map((s) => s.flops));
    });

  it('has one query, where they have a product of their own', () => {
    const w = new Written();
    const early = selectEarly(w.loss(w.position(w.tower({ causal: false, separate: true }), 0)));
    expect(shapesOf(early, 'matmul').filter((shape) => shape === '3x1x8')).toHaveLength(3);
  });
});

describe('what stays whole', () => {
  const unchanged = (graph: Graph) => expect(selectEarly(graph)).toBe(graph);

  it('is what is read otherwise as well: a result, a second selection, a mean', () => {
    const others: readonly ((w: Written, x: number) => number)[] = [
      (_, x) => x,
      (w, x) => w.position(x, 1),
      (w, x) => w.b.add('mean', [x], { axes: [1], keep: false }),
    ];
    for (const other of others) {
      const w = new Written();
      const x = w.linear(w.numbers(3, 5, 8), 8);
      unchanged(w.loss(w.position(x, 0), other(w, x)));
    }
  });

  it('is, in mixed precision, one sample’s token, which would be stored in f32', () => {
    for (const [samples, halves] of [
      [1, false],
      [2, true],
    ] as const) {
      const w = new Written();
      const graph = w.loss(w.position(w.linear(w.numbers(samples, 5, 8), 8), 0));
      expect(pass(graph, { precision: 'mixed' }) !== graph).toBe(halves);
      expect(selectEarly(graph)).not.toBe(graph);
    }
  });

  it('is what no product makes', () => {
    const w = new Written();
    unchanged(w.loss(w.position(w.e.unary('tanh', w.norm(w.numbers(3, 5, 8))), 0)));
  });

  it('is more than half of an axis', () => {
    const w = new Written();
    unchanged(w.loss(w.e.part(w.linear(w.numbers(3, 5, 8), 8), 1, 2, 5)));
  });

  it('is a matrix of which each row takes a column of its own', () => {
    const w = new Written();
    const scores = w.e.matmul(w.numbers(4, 8), w.numbers(4, 8), false, true);
    unchanged(w.loss(w.b.add('take', [scores, w.ids(4, 4)], { axis: 1 })));
  });

  it('is noise, which differs by position', () => {
    const w = new Written();
    const [key, row] = [w.ids(9, 1, 1, 1), w.ids(3, 3, 1, 1)];
    const noise = w.b.add('uniform', [key, key, row], { shape: [3, 5, 8], place: 0, inner: 40 });
    const graph = w.loss(w.position(w.e.mul(w.linear(w.numbers(3, 5, 8), 8), noise), 0));
    const early = selectEarly(graph);
    expect([shapesOf(early, 'uniform'), shapesOf(early, 'matmul')]).toEqual([['3x5x8'], ['3x1x8']]);
    expect(w.values(early)).toEqual(w.values(graph));
  });
});
