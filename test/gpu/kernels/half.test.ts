/**
 * Every family of kernels over storages of halves, forward and backward, against the f64 reference that
 * rounds where the plan stores halves.
 *
 * Kernel and reference may round a value near a tie to different neighbours, one unit u = 2^-11 apart. What is
 * made from such values differs by as much of the largest: 3 u for one result, 6 u for gradients, which pass
 * two.
 */
import { describe, expect, it } from 'vitest';
import type { Builder } from '../../../compiler/graph/builder.ts';
import { createBuilder } from '../../../compiler/graph/create-builder.ts';
import type { Graph } from '../../../compiler/graph/types.ts';
import { compare, device } from '../support/compiled.ts';
import { productGraph, products } from '../support/products.ts';

const on = await device();
const unit = 2 ** -11;

/** A weight, halved in value so that a map stores it as f16. */
function half(b: Builder, name: string, shape: number[]): number {
  const scale = b.add('constant', [], { value: 0.5, dtype: 'f32', shape: [] });
  return b.add('mul', [b.add('param', [], { name, shape, role: 'param' }), scale], {});
}

/** The result, and the mean of its squares as the loss. */
function withLoss(b: Builder, y: number): Graph {
  const axes = b.type(y).shape.map((_, axis) => axis);
  const loss = b.add('mean', [b.add('mul', [y, y], {})], { axes, keep: false });
  const two = b.add('constant', [], { value: 2, dtype: 'f32', shape: [] });
  return b.finish([
    { name: 'y', node: b.add('mul', [y, two], {}) },
    { name: 'loss', node: loss },
  ]);
}

function attentionGraph(tokens: number, width: number, causal: boolean): Graph {
  const b = createBuilder();
  const [q, k, v] = ['q', 'k', 'v'].map((name) => half(b, name, [1, 2, tokens, width])) as [
    number,
    number,
    number,
  ];
  return withLoss(b, b.add('attention', [q, k, v], { causal, scale: 1 / Math.sqrt(width) }));
}

function rowsGraph(rows: number, width: number): Graph {
  const b = createBuilder();
  const x = half(b, 'x', [2, rows, width]);
  const weight = b.add('param', [], { name: 'weight', shape: [width], role: 'param' });
  const bias = b.add('param', [], { name: 'bias', shape: [width], role: 'param' });
  const normal = b.add('layer_norm', [x, weight, bias], { eps: 1e-5 });
  return withLoss(b, b.add('softmax', [normal], {}));
}

function imageGraph(size: number, channels: number): Graph {
  const b = createBuilder();
  const x = half(b, 'x', [2, channels, size, size]);
  const filter = (name: string, shape: number[]) => b.add('param', [], { name, shape, role: 'param' });
  const conv = b.add('conv2d', [x, filter('w3', [8, channels, 3, 3])], {
    stride: 1,
    padding: 1,
    groups: 1,
    dilation: 1,
  });
  const pooled = b.add('avg_pool', [b.add('relu', [conv], {})], { kernel: 2 });
  return withLoss(
    b,
    b.add('conv2d', [pooled, filter('w1', [12, 8, 1, 1])], { stride: 1, padding: 0, groups: 1, dilation: 1 }),
  );
}

/** Embedding, positions, a concatenation, and the value at one place of each row. */
function tokensGraph(): Graph {
  const b = createBuilder();
  const ids = b.add('input', [], { name: 'ids', dtype: 'i32', shape: [3, 7] });
  const table = b.add('param', [], { name: 'table', shape: [11, 12], role: 'param' });
  const words = b.add('embedding', [table, ids], {});
  const first = half(b, 'first', [3, 1, 12]);
  const all = b.add('concat', [first, words], { axis: 1 });
  const scale = b.add('constant', [], { value: 1.5, dtype: 'f32', shape: [] });
  const scaled = b.add('mul', [all, scale], {});
  const tail = b.add('slice', [scaled], { starts: [0, 2, 0], ends: [3, 8, 12] });
  const place = b.add('argmax', [ids], { axis: 1 });
  const end = b.add('reshape', [b.add('take', [scaled, place], { axis: 1 })], { shape: [3, 1, 12] });
  return withLoss(b, b.add('mul', [tail, end], {}));
}

async function check(graph: Graph, gradients: readonly string[]): Promise<void> {
  for (const kind of ['cpu', 'gpu'] as const) {
    const { errors, plan } = await compare(on!, kind, graph, { gradients, precision: 'mixed' });
    expect(plan.requires.features).toContain('shader-f16');
    for (const [name, error] of errors)
      expect(error, `${kind} ${name}`).toBeLessThan((name.startsWith('grad.') ? 6 : 3) * unit);
  }
}

describe.skipIf(!on)('kernels over halves equal the reference that rounds', () => {
  it('products of random shapes and transposes, with epilogues', async () => {
    for (const product of products(4, 7))
      for (const kind of ['cpu', 'gpu'] as const) {
        const { errors } = await compare(on!, kind, productGraph(product), { precision: 'mixed' });
        expect(errors.get('y'), JSON.stringify(product)).toBeLessThan(3 * unit);
      }
  });

  it.each([
    [7, 128, true],
    [50, 64, false],
  ] as const)('attention over %i tokens of width %i, causal %s', (tokens, width, causal) =>
    check(attentionGraph(tokens, width, causal), ['q', 'k', 'v']),
  );

  it.each([1, 577])('attention over %i tokens, forward', (tokens) =>
    check(attentionGraph(tokens, 32, true), []),
  );

  it.each([
    [1, 7],
    [5, 96],
  ])('layer norm and softmax of %i rows of %i', (rows, width) =>
    check(rowsGraph(rows, width), ['x', 'weight', 'bias']),
  );

  it('convolutions and pooling', () => check(imageGraph(6, 4), ['x', 'w3', 'w1']));

  it('embeddings, concatenations, slices and takes', () => check(tokensGraph(), ['table', 'first']));
});
