/** The fuzzer itself: that it sees wrong numbers, makes them small, and runs WGSL as WGSL says. */
import { describe, expect, it } from 'vitest';
import { createBuilder } from '../../compiler/graph/create-builder.ts';
import { Expressions } from '../../compiler/ops/expressions.ts';
import { Translator } from '../support/wgsl/translate.ts';
import type { FuzzCase } from './cases/fuzz-case.ts';
import { randomGraph } from './cases/graphs.ts';
import { caseFor, compileFor, Judge, runCase } from './execute.ts';
import { compareOutput, Expectation } from './noise.ts';
import { shrink, sizeOfCase } from './shrink.ts';

const plain = { precision: 'f32', remat: [], training: false, deviation: {} } as const;

/** `loss = sum of softmax(x @ w)²`, whose gradient is compared as well. */
function smallCase(): FuzzCase {
  const b = createBuilder();
  const x = b.add('input', [], { name: 'x', dtype: 'f32', shape: [5, 8] });
  const w = b.add('param', [], { name: 'matrix.0', shape: [8, 8], role: 'param' });
  const y = b.add('softmax', [b.add('matmul', [x, w], { transposeA: false, transposeB: false })], {});
  const loss = b.add('sum', [b.add('mul', [y, y], {})], { axes: [0, 1], keep: false });
  return { ...plain, name: 'small', graph: b.finish([{ name: 'loss', node: loss }]), wrt: ['matrix.0'] };
}

describe('a comparison', () => {
  it('lets the errors of f32 pass, and no error of a thousandth', () => {
    const c = smallCase();
    const judge = new Judge(c);
    const expectation = judge.of('cpu', compileFor(c, 'cpu'));
    const exact = expectation.values.get('grad.matrix.0')!.data;
    const off = (relative: number) => exact.map((v) => v * (1 + relative));
    expect(compareOutput(expectation, 'grad.matrix.0', off(2 ** -24)).mismatch).toBeUndefined();
    expect(compareOutput(expectation, 'grad.matrix.0', off(1e-3)).mismatch?.output).toBe('grad.matrix.0');
    expect(compareOutput(expectation, 'grad.matrix.0', off(Number.NaN)).mismatch).toBeDefined();
  });

  it('is vague where a result is nothing but rounding errors', () => {
    const b = createBuilder();
    const x = b.add('input', [], { name: 'x', dtype: 'f32', shape: [64] });
    const big = b.add('constant', [], { value: 1e6, dtype: 'f32', shape: [] });
    const y = b.add('sub', [b.add('add', [b.add('tanh', [x], {}), big], {}), big], {});
    const graph = b.finish([{ name: 'y', node: y }]);
    const judge = new Judge({ ...plain, name: 'y', graph, wrt: [] });
    const expectation = new Expectation(graph, judge.feeds);
    expect(compareOutput(expectation, 'y', expectation.values.get('y')!.data).verdict).toBe('vague');
  });

  it('lets pass what f32 rounds of constants alone, behind which a product may be no tie', () => {
    const b = createBuilder();
    const constant = (value: number) => ({ op: 'constant', args: [], value }) as const;
    const instructions = [constant(1), constant(3), { op: 'div', args: [0, 1] } as const];
    const y = b.add('map', [], { program: { inputs: 0, instructions }, shape: [] });
    const expectation = new Expectation(b.finish([{ name: 'y', node: y }]), {
      inputs: new Map(),
      params: new Map(),
    });
    expect(compareOutput(expectation, 'y', [Math.fround(1 / 3)]).mismatch).toBeUndefined();
    expect(expectation.spread('y', 3)[0]).toBeGreaterThan(0);
  });

  it('lets no error pass where f32 makes none: products that it holds, and integers of them', () => {
    const b = createBuilder();
    const x = b.add('input', [], { name: 'x', dtype: 'f32', shape: [8] });
    const four = b.add('constant', [], { value: 4, dtype: 'f32', shape: [] });
    const whole = b.add('cast', [b.add('mul', [x, four], {})], { to: 'i32' });
    const graph = b.finish([{ name: 'y', node: whole }]);
    const data = Float64Array.from({ length: 8 }, (_, i) => i / 4);
    const expectation = new Expectation(graph, {
      inputs: new Map([['x', { shape: [8], data }]]),
      params: new Map(),
    });
    const found = expectation.values.get('y')!.data.with(3, 2);
    expect(compareOutput(expectation, 'y', found).mismatch?.element).toBe(3);
  });
});

it('whole numbers have no errors, so that steps between them are where they are', () => {
  const b = createBuilder();
  const e = new Expressions(b);
  const places = b.add('cast', [b.add('iota', [], { length: 7 })], { to: 'f32' });
  const twice = e.sub(e.scale(e.add(places, e.scalar(places, 1)), 2), e.scalar(places, 3));
  const counted = b.add('cast', [e.sum(e.binary('greater', places, e.scalar(places, 2)), [0])], {
    to: 'i32',
  });
  const quarter = b.add('div', [counted, b.add('constant', [], { value: 4, dtype: 'i32', shape: [] })], {});
  const whole = e.add(e.unary('floor', twice), b.add('cast', [quarter], { to: 'f32' }));
  const graph = b.finish([
    { name: 'whole', node: whole },
    { name: 'third', node: e.scale(whole, 1 / 3) },
  ]);
  const expectation = new Expectation(graph, { inputs: new Map(), params: new Map() });
  expect([...expectation.values.get('whole')!.data]).toEqual([0, 2, 4, 6, 8, 10, 12]);
  expect([...expectation.spread('whole', 41)]).toEqual([0, 0, 0, 0, 0, 0, 0]);
  expect(expectation.spread('third', 41)[3]).toBeGreaterThan(0);
});

describe('a direction of nothing', () => {
  /** Directions of the sums over rows of 64 numbers around `mean`, from which `away` was taken. */
  const expectation = (away: boolean) => {
    const b = createBuilder();
    const x = b.add('input', [], { name: 'x', dtype: 'f32', shape: [2, 64, 4] });
    const mean = b.add('mean', [x], { axes: [1], keep: true });
    const centred = away ? b.add('sub', [x, mean], {}) : x;
    const y = b.add('l2_normalize', [b.add('sum', [centred], { axes: [1], keep: false })], {});
    const graph = b.finish([{ name: 'y', node: y }]);
    return new Expectation(graph, new Judge({ ...plain, name: 'y', graph, wrt: [] }).feeds);
  };
  const nan = new Float64Array(8).fill(Number.NaN);

  it('is undefined, since f32 may find zero, and zero has none', () => {
    expect(compareOutput(expectation(true), 'y', nan)).toMatchObject({ verdict: 'undefined' });
  });

  it('is a mismatch where the sum is one', () => {
    expect(compareOutput(expectation(false), 'y', nan).mismatch).toBeDefined();
  });
});

describe('making small', () => {
  it('leaves what makes a case fail, and little else', async () => {
    const numbers = Array.from({ length: 40 }, (_, n) => n);
    const large = numbers.map(randomGraph).find((c) => c.graph.nodes.some((n) => n.op === 'layer_norm'))!;
    const fails = (c: FuzzCase) =>
      c.graph.nodes.some((n) => n.op === 'layer_norm') ? 'it has a layer norm' : undefined;
    const small = await shrink(large, async (c) => fails(c));
    // Two reductions make a scalar of it where they were two before.
    expect(sizeOfCase(small)).toBeLessThanOrEqual(3);
    expect(small.graph.nodes.map((n) => n.op)).toContain('layer_norm');
  });
});

describe('kernels as JavaScript', () => {
  const run = (body: string, size = 8, head = '') => {
    const text = `@group(0) @binding(0) var<storage, read_write> out: array<f32>;
${head}
@compute @workgroup_size(${size})
fn main(@builtin(local_invocation_index) lane: u32) {
${body}
}`;
    const helpers = {
      F: Math.fround,
      inside: (i: number, n: number) => {
        if (i >= n) throw new Error('outside');
        return i;
      },
    };
    const kernel = new Function(...Object.keys(helpers), new Translator(text, 8).text())(
      ...Object.values(helpers),
    );
    const out = new Float32Array(8);
    kernel([out], [1, 1, 1], false);
    return [...out];
  };

  it('round to f32 and wrap u32', () => {
    expect(run('out[lane] = 0.1f + 0.2f;')[0]).toBe(Math.fround(Math.fround(0.1) + Math.fround(0.2)));
    expect(run('out[lane] = f32((lane - 1u) / 4u);').slice(0, 2)).toEqual([Math.fround(2 ** 30 - 1), 0]);
    expect(run('let x = i32(lane) - 4; out[lane] = f32(x / 3);')).toEqual(
      [-1, -1, -0, -0, 0, 0, 0, 1].map((v) => v + 0),
    );
  });

  it('meet at barriers, in helpers too', () => {
    const head = `var<workgroup> shared_: array<f32, 8>;
fn total(lane: u32, own: f32) -> f32 {
  shared_[lane] = own;
  workgroupBarrier();
  var sum = 0.0;
  for (var i = 0u; i < 8u; i += 1u) { sum += shared_[i]; }
  workgroupBarrier();
  return sum;
}`;
    const body =
      'let first = total(lane, f32(lane)); let second = total(lane, first + f32(lane)); out[lane] = second;';
    expect(run(body, 8, head)).toEqual(Array.from({ length: 8 }, () => 8 * 28 + 28));
  });

  it('refuse stores outside, leaving in front of a barrier, and what is no WGSL', () => {
    expect(() => run('out[lane + 1u] = 1.0;')).toThrow('outside');
    expect(() => run('if (lane > 3u) { return; } workgroupBarrier(); out[lane] = 1.0;')).toThrow(
      '4 of 8 invocations leave in front of a barrier',
    );
    expect(() => run('out[lane] = out[lane * 0.25u];')).toThrow('no number');
    expect(() => run('out[lane] = f32(lane) + lane;')).toThrow('f32 meets u32');
    expect(() => run('out[lane] = unknown(1.0);')).toThrow('no function unknown');
  });
});

it('a wrong store is a mismatch', async () => {
  const c = smallCase();
  const judge = new Judge(c);
  expect((await runCase(c, judge, 'gpu')).mismatches).toEqual([]);
  const outcome = await runCase(caseFor(c, 'gpu'), judge, 'gpu', undefined, (plan) => ({
    ...plan,
    pipelines: plan.pipelines.map((p) => ({ ...p, wgsl: p.wgsl.replace('* factor', '* factor * 1.001') })),
  }));
  expect(outcome.mismatches[0]!.share).toBeGreaterThan(1e-4);
});

it.each(['cpu', 'gpu'] as const)(
  'x @ x.T in parts takes rows of one x and the whole of the other, %s',
  async (kind) => {
    const b = createBuilder();
    const x = b.add('input', [], { name: 'x', dtype: 'f32', shape: [33, 2] });
    const y = b.add('matmul', [x, x], { transposeA: false, transposeB: true });
    const loss = b.add('sum', [y], { axes: [0, 1], keep: false });
    const graph = b.finish([
      { name: 'y', node: y },
      { name: 'loss', node: loss },
    ]);
    const c: FuzzCase = { ...plain, deviation: { binding: 4096 }, name: 'gram', graph, wrt: [] };
    expect((await runCase(c, new Judge(c), kind)).mismatches).toEqual([]);
  },
);
