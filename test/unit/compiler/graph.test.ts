/**
 * The graph itself: building, sharing, pruning, verifying, printing, evaluating.
 */
import { describe, expect, test } from 'vitest';
import { differentiate } from '../../../compiler/autodiff/differentiate.ts';
import { builderFrom, createBuilder } from '../../../compiler/graph/create-builder.ts';
import { printGraph } from '../../../compiler/graph/print.ts';
import { executeReference } from '../../../compiler/graph/reference.ts';
import { formatType, type Graph, type Node, nodeAt } from '../../../compiler/graph/types.ts';
import { verify } from '../../../compiler/graph/verify.ts';
import { erf } from '../../../compiler/ops/erf.ts';
import { weight } from '../../support/ops/differences.ts';

const mm = { transposeA: false, transposeB: false };

/** loss = mean((relu(x w + b) - 1)²) */
function small(): Graph {
  const b = createBuilder();
  const x = b.add('input', [], { name: 'x', dtype: 'f32', shape: [2, 3] });
  const loss = b.withOrigin({ path: 'mlp' }, () => {
    const y = b.add('matmul', [x, weight(b, 'w', [3, 4])], mm);
    const h = b.add('relu', [b.add('add', [y, weight(b, 'b', [4])], {})], {});
    const one = b.add('constant', [], { value: 1, dtype: 'f32', shape: [] });
    const d = b.add('sub', [h, one], {});
    return b.add('mean', [b.add('mul', [d, d], {})], { axes: [0, -1], keep: false });
  });
  return b.finish([{ name: 'loss', node: loss }]);
}

describe('builder', () => {
  test('shares equal nodes and keeps the origin of the first', () => {
    const b = createBuilder();
    const x = weight(b, 'x', [2]);
    const first = b.add('exp', [x], {}, { path: 'a' });
    expect(b.add('exp', [x], {}, { path: 'b' })).toBe(first);
    expect(b.node(first).origin.path).toBe('a');
    expect(b.add('sum', [x], { axes: [0], keep: true })).not.toBe(
      b.add('sum', [x], { axes: [0], keep: false }),
    );
  });

  test('does not confuse constants that JSON would', () => {
    const b = createBuilder();
    const of = (value: number) => b.add('constant', [], { value, dtype: 'f32', shape: [] });
    expect(new Set([of(0), of(-0), of(Number.NaN), of(Number.POSITIVE_INFINITY), of(-1e39)]).size).toBe(5);
  });

  test('resolves and sorts negative axes', () => {
    const b = createBuilder();
    const x = weight(b, 'x', [2, 3, 4]);
    expect(b.add('sum', [x], { axes: [-1, 0], keep: false })).toBe(
      b.add('sum', [x], { axes: [0, 2], keep: false }),
    );
    expect(b.type(b.add('concat', [x, x], { axis: -2 })).shape).toEqual([2, 6, 4]);
    expect(b.type(b.add('transpose', [x], { perm: [0, -1, 1] })).shape).toEqual([2, 4, 3]);
  });

  test('finish drops what no output needs and renumbers', () => {
    const b = createBuilder();
    weight(b, 'unused', [9]);
    const x = weight(b, 'x', [2]);
    b.add('exp', [x], {});
    const y = b.add('neg', [x], {});
    const graph = b.finish([
      { name: 'y', node: y },
      { name: 'x', node: x },
    ]);
    expect(graph.nodes.map((n) => [n.id, n.op, ...n.inputs])).toEqual([
      [0, 'param'],
      [1, 'neg', 0],
    ]);
    expect(graph.outputs).toEqual([
      { name: 'y', node: 1 },
      { name: 'x', node: 0 },
    ]);
  });

  test('builderFrom continues a graph under the same ids', () => {
    const graph = small();
    const b = builderFrom(graph);
    expect(b.node(graph.outputs[0]!.node)).toEqual(graph.nodes[graph.outputs[0]!.node]);
    expect(b.add('matmul', [0, 1], mm)).toBe(2);
    expect(b.add('neg', [0], {})).toBe(graph.nodes.length);
  });
});

describe('verify', () => {
  const graph = small();
  const broken = (id: number, change: Partial<Node>): Graph => ({
    ...graph,
    nodes: graph.nodes.map((n) => (n.id === id ? ({ ...n, ...change } as Node) : n)),
  });

  test('accepts what the builder makes', () => {
    expect(verify(graph)).toBe(graph);
  });

  test.each([
    [broken(2, { id: 7 }), 'graph node %2 (matmul at mlp) is broken: its id is 7'],
    [
      broken(2, { inputs: [0, 2] }),
      'graph node %2 (matmul at mlp) is broken: its input %2 does not come before it',
    ],
    [broken(4, { inputs: [2] }), 'graph node %4 (add at mlp) is broken: it has 1 inputs, not 2'],
    [
      broken(2, { inputs: [1, 0] }),
      'graph node %2 (matmul at mlp) is broken: cannot multiply [3, 4] @ [2, 3]: inner axes are 4 and 2',
    ],
    [
      broken(2, { type: { dtype: 'f32', shape: [2, 5] } }),
      'graph node %2 (matmul at mlp) is broken: its type is f32[2, 5], its shape rule gives f32[2, 4]',
    ],
    [
      broken(2, { type: { dtype: 'i32', shape: [2, 4] } }),
      'graph node %2 (matmul at mlp) is broken: its type is i32[2, 4], its shape rule gives f32[2, 4]',
    ],
    [
      broken(0, { type: { dtype: 'f16', shape: [2, 3] } }),
      'graph node %0 (input) is broken: its type is f16[2, 3], its shape rule gives f32[2, 3]',
    ],
    [
      broken(0, { type: { dtype: 'f32', shape: [{ symbol: 'B', mul: 1 }, 3] } }),
      'graph node %0 (input) is broken: f32[B, 3] is not a numeric shape',
    ],
    [
      { ...graph, nodes: [nodeAt(graph, 0), { ...nodeAt(graph, 0), id: 1 }], outputs: [] },
      'graph node %1 (input) is broken: there is another input x',
    ],
    [{ ...graph, outputs: [{ name: 'y', node: 99 }] }, 'graph output y names %99, which does not exist'],
    [{ ...graph, outputs: [...graph.outputs, ...graph.outputs] }, 'graph output loss is named twice'],
  ])('refuses a broken graph %#', (graph, message) => {
    expect(() => verify(graph)).toThrow(message);
  });
});

test('printing a small graph and its gradient', () => {
  const whole = differentiate(small(), { loss: 'loss', wrt: ['w', { name: 'unread', shape: [2] }] });
  expect(printGraph(verify(whole))).toMatchInlineSnapshot(`
    "%0 = input {name = "x"} : f32[2, 3]
    %1 = param {name = "w", role = "param"} : f32[3, 4]  # mlp
    %2 = matmul %0, %1 : f32[2, 4]  # mlp
    %3 = param {name = "b", role = "param"} : f32[4]  # mlp
    %4 = add %2, %3 : f32[2, 4]  # mlp
    %5 = relu %4 : f32[2, 4]  # mlp
    %6 = constant {value = 1} : f32[]  # mlp
    %7 = sub %5, %6 : f32[2, 4]  # mlp
    %8 = mul %7, %7 : f32[2, 4]  # mlp
    %9 = mean %8 {axes = [0, 1]} : f32[]  # mlp
    %10 = constant {value = 0.125} : f32[]  # mlp (grad)
    %11 = mul %6, %10 : f32[]  # mlp (grad)
    %12 = reshape %11 : f32[1, 1]  # mlp (grad)
    %13 = expand %12 : f32[2, 4]  # mlp (grad)
    %14 = mul %13, %7 : f32[2, 4]  # mlp (grad)
    %15 = add %14, %14 : f32[2, 4]  # mlp (grad)
    %16 = step %5 : f32[2, 4]  # mlp (grad)
    %17 = mul %15, %16 : f32[2, 4]  # mlp (grad)
    %18 = matmul %0, %17 {transposeA = true} : f32[3, 4]  # mlp (grad)
    %19 = constant {value = 0} : f32[2]  # unread (grad)
    output loss = %9
    output grad.w = %18
    output grad.unread = %19
    "
  `);
});

test('printing a fused chain', () => {
  const b = createBuilder();
  const x = weight(b, 'x', [2, 3]);
  const program = {
    inputs: 2,
    instructions: [
      { op: 'mul', args: [0, 1] },
      { op: 'constant', args: [], value: 0.5 },
      { op: 'add', args: [2, 3] },
    ],
  } as const;
  const y = b.add('map', [x, weight(b, 's', [3])], { program, shape: [2, 3] });
  expect(printGraph(b.finish([{ name: 'y', node: y }]))).toMatchInlineSnapshot(`
    "%0 = param {name = "x", role = "param"} : f32[2, 3]
    %1 = param {name = "s", role = "param"} : f32[3]
    %2 = map %0, %1 {program = (v0 = mul x0 x1; v1 = constant 0.5; v2 = add v0 v1)} : f32[2, 3]
    output y = %2
    "
  `);
});

describe('reference executor', () => {
  test('frees nothing that is still needed and feeds by name', () => {
    const feeds = {
      inputs: new Map([['x', { shape: [2, 3], data: Float64Array.from([1, 2, 3, 4, 5, 6]) }]]),
      params: new Map([
        ['w', { shape: [3, 4], data: Float64Array.from({ length: 12 }, (_, i) => (i % 5) - 2) }],
        ['b', { shape: [4], data: Float64Array.from([0, 1, 2, 3]) }],
      ]),
    };
    // Rows of x w + b: [1, 8, 5, -8] + b... checked by hand below.
    const expected = [
      [1, 2, 3],
      [4, 5, 6],
    ].flatMap((row) =>
      [0, 1, 2, 3].map((j) => {
        const sum = row.reduce((a, v, k) => a + v * (((k * 4 + j) % 5) - 2), j);
        return (Math.max(sum, 0) - 1) ** 2;
      }),
    );
    const loss = executeReference(small(), feeds).get('loss')!;
    expect(loss.shape).toEqual([]);
    expect(loss.data[0]).toBeCloseTo(expected.reduce((a, v) => a + v, 0) / 8, 12);
    expect(() => executeReference(small(), { ...feeds, params: new Map() })).toThrow('weight w was not fed');
    const wrong = new Map([['x', { shape: [7], data: new Float64Array(7) }]]);
    expect(() => executeReference(small(), { ...feeds, inputs: wrong })).toThrow(
      'input x is [7], the graph wants [2, 3]',
    );
  });

  test('erf agrees with published values', () => {
    // Abramowitz and Stegun, table 7.1.
    const table = [
      [0, 0],
      [0.1, 0.1124629160182849],
      [0.5, 0.5204998778130465],
      [1, 0.8427007929497149],
      [2, 0.9953222650189527],
      [3, 0.9999779095030014],
      [7, 1],
    ] as const;
    for (const [x, y] of table) {
      expect(erf(x)).toBeCloseTo(y, 14);
      expect(erf(-x)).toBeCloseTo(-y, 14);
    }
  });
});

describe('gradients keep to their shape', () => {
  const gradientOps = (graph: Graph) =>
    graph.nodes.filter((n) => n.origin.path.endsWith(' (grad)')).map((n) => `${n.op} ${formatType(n.type)}`);

  test('a weight shared by a batch gets one product, without transposes', () => {
    const b = createBuilder();
    const x = weight(b, 'x', [8, 50, 16]);
    const y = b.withOrigin({ path: 'linear' }, () =>
      b.add('matmul', [x, weight(b, 'w', [32, 16])], { transposeA: false, transposeB: true }),
    );
    const loss = b.add('sum', [y], { axes: [0, 1, 2], keep: false });
    const graph = differentiate(b.finish([{ name: 'loss', node: loss }]), { loss: 'loss', wrt: ['w'] });
    expect(gradientOps(graph).filter((o) => /matmul|transpose|sum/.test(o))).toEqual(['matmul f32[32, 16]']);
  });

  test('slices that tile a value give one concatenation', () => {
    const b = createBuilder();
    const qkv = weight(b, 'qkv', [3, 2, 5]);
    const part = (i: number) => b.add('slice', [qkv], { starts: [i, 0, 0], ends: [i + 1, 2, 5] });
    const product = b.add('mul', [b.add('mul', [part(2), part(0)], {}), part(1)], {});
    const loss = b.withOrigin({ path: 'x' }, () => b.add('sum', [product], { axes: [0, 1, 2], keep: false }));
    const graph = differentiate(b.finish([{ name: 'loss', node: loss }]), { loss: 'loss', wrt: ['qkv'] });
    const last = nodeAt(graph, graph.outputs.at(-1)!.node);
    expect(last.op).toBe('concat');
    expect(graph.nodes.some((n) => n.op === 'pad')).toBe(false);
  });

  test('slices that leave a gap are added', () => {
    const b = createBuilder();
    const x = weight(b, 'x', [4]);
    const part = (from: number, to: number) => b.add('slice', [x], { starts: [from], ends: [to] });
    const product = b.add('mul', [part(0, 1), part(3, 4)], {});
    const loss = b.add('sum', [product], { axes: [0], keep: false });
    const graph = differentiate(b.finish([{ name: 'loss', node: loss }]), { loss: 'loss', wrt: ['x'] });
    expect(nodeAt(graph, graph.outputs.at(-1)!.node).op).toBe('add');
  });

  test('a weight that the loss does not read has a zero gradient', () => {
    const graph = small();
    const b = builderFrom(graph);
    const unread = weight(b, 'unread', [3]);
    const outputs = [...graph.outputs, { name: 'unread', node: unread }];
    const whole = differentiate(b.finish(outputs), { loss: 'loss', wrt: ['unread'] });
    expect(whole.nodes[whole.outputs.at(-1)!.node]).toMatchObject({
      op: 'constant',
      attrs: { value: 0, shape: [3] },
    });
    expect(() => differentiate(graph, { loss: 'loss', wrt: ['nothing'] })).toThrow(
      'the graph does not read weight nothing: its gradient has no known shape',
    );
  });

  test('only scalars are differentiated, and only once', () => {
    const b = createBuilder();
    const x = weight(b, 'x', [3]);
    const y = b.add('softmax', [x], {});
    expect(() => differentiate(b.finish([{ name: 'y', node: y }]), { loss: 'y', wrt: ['x'] })).toThrow(
      'only a scalar can be differentiated, y is [3]',
    );
    const first = differentiate(
      b.finish([{ name: 'y', node: b.add('sum', [b.add('mul', [y, y], {})], { axes: [0], keep: false }) }]),
      { loss: 'y', wrt: ['x'] },
    );
    const again = builderFrom(first);
    const gradient = first.outputs.find((o) => o.name === 'grad.x')!.node;
    const norm = again.add('sum', [gradient], { axes: [0], keep: false });
    expect(() =>
      differentiate(again.finish([{ name: 'norm', node: norm }]), { loss: 'norm', wrt: ['x'] }),
    ).toThrow('second derivatives are not supported');
  });
});
