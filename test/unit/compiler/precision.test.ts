import { describe, expect, it } from 'vitest';
import { differentiate } from '../../../compiler/autodiff/differentiate.ts';
import { compileGraph } from '../../../compiler/compile.ts';
import { builderFrom, createBuilder } from '../../../compiler/graph/create-builder.ts';
import { roundToHalf } from '../../../compiler/graph/half.ts';
import { executeReference } from '../../../compiler/graph/reference.ts';
import { type DType, formatType, type Graph, type VerifiedGraph } from '../../../compiler/graph/types.ts';
import { scheduleIds, scheduleKey } from '../../../compiler/kernels/schedules/schedules.ts';
import type { Kernel, KernelArg } from '../../../compiler/kernels/text/kernel.ts';
import { bindingType, extensionsOf, load, loadStored, store } from '../../../compiler/kernels/text/memory.ts';
import { runPasses } from '../../../compiler/passes/index.ts';
import { discreteProfile, lavapipeProfile } from '../../../compiler/profile.ts';
import { narrowF16, widenF16 } from '../../../runtime/data/safetensors/half.ts';
import { adamw } from '../../support/training/optimizers.ts';

describe('rounding to halves', () => {
  it('is that of IEEE binary16', () => {
    const values = [
      0,
      -0,
      1,
      1 / 3,
      65504,
      65519,
      65520,
      -1e9,
      2 ** -14,
      2 ** -15,
      3 * 2 ** -25,
      2 ** -25,
      2 ** -26,
    ];
    // Half way between two neighbours the even one wins.
    values.push(1 + 2 ** -11, 1 + 3 * 2 ** -11, 2049, 2051);
    for (let i = 0; i < 2000; i++) values.push(Math.fround(Math.sin(i * i) * 2 ** ((i % 44) - 27)));
    for (const x of values)
      expect(roundToHalf(x), String(x)).toBe(widenF16(narrowF16(Float32Array.of(x)))[0]);
    expect(roundToHalf(Number.NaN)).toBeNaN();
  });
});

describe('mixed precision', () => {
  it('leaves alone what is computed from nothing: the gradient of a mean of negated values', () => {
    const b = createBuilder();
    const x = b.add('param', [], { name: 'x', shape: [2, 3, 4], role: 'param' });
    const loss = b.add('mean', [b.add('neg', [x], {})], { axes: [0, 1, 2], keep: false });
    const graph = differentiate(b.finish([{ name: 'loss', node: loss }]), { loss: 'loss', wrt: ['x'] });
    const sum = builderFrom(graph);
    const total = sum.add('sum', [graph.outputs[1]!.node], { axes: [0, 1, 2], keep: false });
    const passed = runPasses(sum.finish([{ name: 'total', node: total }]), lavapipeProfile, {
      precision: 'mixed',
    });
    const feeds = { inputs: new Map(), params: new Map() };
    expect(executeReference(passed, feeds).get('total')!.data[0]).toBeCloseTo(-1, 12);
  });
});

describe('a cast to halves', () => {
  it('rounds its value and passes its gradient', () => {
    const b = createBuilder();
    const x = b.add('param', [], { name: 'x', shape: [2], role: 'param' });
    const w = b.add('param', [], { name: 'w', shape: [2], role: 'param' });
    const y = b.add('cast', [b.add('cast', [x], { to: 'f16' })], { to: 'f32' });
    const loss = b.add('sum', [b.add('mul', [y, w], {})], { axes: [0], keep: false });
    const graph = b.finish([
      { name: 'y', node: y },
      { name: 'loss', node: loss },
    ]);
    const params = new Map([
      ['x', { shape: [2], data: Float64Array.of(1 / 3, 2049) }],
      ['w', { shape: [2], data: Float64Array.of(0.25, -3) }],
    ]);
    const values = executeReference(differentiate(graph, { loss: 'loss', wrt: ['x'] }), {
      inputs: new Map(),
      params,
    });
    expect([...values.get('y')!.data]).toEqual([0.333251953125, 2048]);
    expect([...values.get('grad.x')!.data]).toEqual([0.25, -3]);
  });
});

/** A layer norm, a product, and the sum of its squares. */
function network(): Graph {
  const b = createBuilder();
  const x = b.add('input', [], { name: 'x', dtype: 'f32', shape: [2, 5, 8] });
  const param = (name: string, shape: number[]) => b.add('param', [], { name, shape, role: 'param' });
  const normal = b.add('layer_norm', [x, param('gain', [8]), param('shift', [8])], { eps: 1e-5 });
  const up = b.add('matmul', [normal, param('up', [12, 8])], { transposeA: false, transposeB: true });
  const y = b.add('matmul', [b.add('relu', [up], {}), param('down', [8, 12])], {
    transposeA: false,
    transposeB: true,
  });
  const square = b.add('mul', [y, y], {});
  return b.finish([
    { name: 'loss', node: b.add('mean', [square], { axes: [0, 1, 2], keep: false }) },
    { name: 'y', node: y },
  ]);
}

const typesOf = ({ nodes }: VerifiedGraph, op: string) =>
  nodes.filter((n) => n.op === op).map((n) => formatType(n.type));

describe('the precision pass', () => {
  it('stores activations as halves, and keeps weights, results and losses', () => {
    const graph = runPasses(network(), discreteProfile, { precision: 'mixed' });
    expect(typesOf(graph, 'layer_norm')).toEqual(['f16[2, 5, 8]']);
    expect(typesOf(graph, 'cast')).toEqual(['f16[12, 8]', 'f16[8, 12]']);
    expect(typesOf(graph, 'matmul')).toEqual(['f16[2, 5, 12]', 'f32[2, 5, 8]']);
    expect(typesOf(graph, 'mean')).toEqual(['f32[]']);
    expect(typesOf(graph, 'param')).not.toContain('f16[12, 8]');
  });

  it('keeps integers as floats, of which halves hold no odd one above 2048', () => {
    const b = createBuilder();
    const ids = b.add('input', [], { name: 'ids', dtype: 'i32', shape: [2, 5, 8] });
    const places = b.add('cast', [ids], { to: 'f32' });
    const x = b.add('input', [], { name: 'x', dtype: 'f32', shape: [2, 5, 8] });
    const y = b.add('softmax', [b.add('mul', [x, places], {})], {});
    const loss = b.add('sum', [y], { axes: [0, 1, 2], keep: false });
    const graph = runPasses(b.finish([{ name: 'loss', node: loss }]), discreteProfile, {
      precision: 'mixed',
    });
    expect(typesOf(graph, 'cast')).toEqual(['f32[2, 5, 8]']);
    expect(typesOf(graph, 'softmax')).toEqual(['f16[2, 5, 8]']);
  });

  it('changes nothing in f32', () => {
    const graph = runPasses(network(), discreteProfile);
    expect(graph.nodes.some((n) => n.type.dtype === 'f16')).toBe(false);
  });

  it('refuses a device without half floats', () => {
    const profile = { ...discreteProfile, features: [] };
    expect(() => runPasses(network(), profile, { precision: 'mixed' })).toThrow(
      /Z615.*mixed precision needs half floats \(shader-f16\), which discrete GPU does not offer/,
    );
  });
});

describe('plans in mixed precision', () => {
  const identity = { model: 'm', entry: 'loss', batch: 2, mode: 'train', profile: lavapipeProfile } as const;
  const optimizer = { rule: adamw, weightDecay: 0.2, decayMinDims: 2, clamps: [] };
  const training = { trainable: ['gain', 'shift', 'up', 'down'], ...optimizer };

  it('keep halves of weights at half their places, made once and then by the optimizer', () => {
    const plan = compileGraph(network(), {
      ...identity,
      precision: 'mixed',
      training: { ...training, lossScale: 'dynamic' },
    });
    const bytes = (role: string) => plan.buffers.find((b) => b.role === role)!.bytes;
    expect(bytes('halves')).toBe(bytes('weights') / 2);
    const halves = plan.buffers.findIndex((b) => b.role === 'halves');
    const places = plan.setup.flatMap((s) =>
      s.bindings.filter((b) => b.buffer === halves).map((b) => b.offset),
    );
    const weight = (name: string) => plan.weights.find((w) => w.name === name)!.offset;
    expect(places).toEqual([weight('up') / 2, weight('down') / 2]);
    const adam = plan.steps.filter((s) => s.label.includes('adamw'));
    expect(adam).toHaveLength(1);
    expect(adam[0]!.bindings.some((b) => b.buffer === halves)).toBe(true);
    expect(plan.scaler).toMatchObject({ name: 'loss_scaler', initial: 65536 });
    expect(plan.requires.features).toEqual(['shader-f16']);
    expect(plan.inputs.map((i) => i.name)).toEqual(['x']);
  });

  it('leave a weight alone that is named as the scale is', () => {
    const b = createBuilder();
    const own = b.add('param', [], { name: 'loss_scale', shape: [3], role: 'param' });
    const graph = b.finish([{ name: 'y', node: b.add('exp', [own], {}) }]);
    const plan = compileGraph(graph, { ...identity, mode: 'eval' });
    const [weight] = plan.weights;
    const weights = plan.buffers.findIndex((buffer) => buffer.role === 'weights');
    expect([weight!.name, weight!.buffer]).toEqual(['loss_scale', weights]);
    expect(plan.setup.concat(plan.steps).some((s) => s.bindings.some((x) => x.buffer === weights))).toBe(
      true,
    );
  });

  it('take less workspace than in f32', () => {
    const workspace = (precision: 'f32' | 'mixed') =>
      compileGraph(network(), { ...identity, mode: 'eval', precision }).memory.workspaceLowerBound;
    expect(workspace('mixed')).toBeLessThan(workspace('f32'));
  });
});

describe('arguments over halves', () => {
  const arg = (width: KernelArg['width'], dtype: DType): KernelArg => ({
    name: 'a',
    width,
    access: 'read_write',
    storage: { id: 0, dtype, elements: 64, label: 'a', place: 'workspace' },
  });

  it.each([
    [1, 'f32', 'array<f32>', 'a[i]', 'a[i] = v;'],
    [4, 'f32', 'array<vec4<f32>>', 'a[i]', 'a[i] = v;'],
    [1, 'i32', 'array<i32>', 'a[i]', 'a[i] = v;'],
    [1, 'f16', 'array<f16>', 'f32(a[i])', 'a[i] = f16(v);'],
    [4, 'f16', 'array<vec4<f16>>', 'vec4<f32>(a[i])', 'a[i] = vec4<f16>(v);'],
  ] as const)('of width %i and %s are bound as %s, loaded as %s, stored to as %s', (...expected) => {
    const [width, dtype, ...texts] = expected;
    const a = arg(width, dtype);
    expect([bindingType(a), load(a, 'i'), store(a, 'i', 'v')]).toEqual(texts);
    expect(loadStored(a, 'i')).toBe('a[i]');
  });

  it('narrow a component by itself', () => {
    expect(store(arg(4, 'f16'), 'i', 'v', 'k')).toBe('a[i][k] = f16(v);');
    expect(store(arg(4, 'f32'), 'i', 'v', 'k')).toBe('a[i][k] = v;');
  });

  it('make a kernel ask for the extension, before its own', () => {
    const kernel = (dtype: DType): Kernel => ({
      name: 'k',
      args: [arg(1, dtype)],
      body: '',
      enables: ['subgroups'],
      workgroups: [1, 1, 1],
      origin: { path: '' },
      flops: 0,
      bytes: 0,
    });
    expect(extensionsOf(kernel('f16'))).toEqual(['f16', 'subgroups']);
    expect(extensionsOf(kernel('f32'))).toEqual(['subgroups']);
  });
});

describe('a product whose result is stored as halves', () => {
  it('is rounded once, behind its epilogue, with every schedule of a software adapter', () => {
    const b = createBuilder();
    const x = b.add('input', [], { name: 'x', dtype: 'f32', shape: [2, 6, 8] });
    const param = (name: string, shape: number[]) => b.add('param', [], { name, shape, role: 'param' });
    const product = (left: number, name: string) =>
      b.add('matmul', [left, param(name, [8, 8])], { transposeA: false, transposeB: false });
    const biased = b.add('add', [product(x, 'w'), param('bias', [8])], {});
    const graph = b.finish([{ name: 'y', node: product(biased, 'v') }]);
    for (const id of scheduleIds(lavapipeProfile, 'contract')) {
      const options = { model: 'm', entry: 'e', batch: 1, mode: 'eval', precision: 'mixed' } as const;
      const plan = compileGraph(graph, {
        ...options,
        profile: { ...lavapipeProfile, tuned: tunedTo(graph, id) },
      });
      // Sums that wait in the result for a second pass would be read back from halves.
      const products = plan.pipelines.filter(({ label }) => label.startsWith('matmul'));
      expect(products.some(({ wgsl }) => /result: array<.*f16/.test(wgsl))).toBe(true);
      for (const { wgsl } of products) expect(wgsl).not.toMatch(/f32>?\(result\[/);
    }
  });
});

/** Measurements that choose a schedule for every product of a graph. */
function tunedTo(graph: Graph, id: string): Record<string, string> {
  const options = { model: 'm', entry: 'e', batch: 1, mode: 'eval', precision: 'mixed' } as const;
  const { steps } = compileGraph(graph, { ...options, profile: lavapipeProfile });
  return Object.fromEntries(
    steps.flatMap(({ schedule }) =>
      schedule?.family === 'contract' ? [[scheduleKey(schedule.family, schedule.key), id]] : [],
    ),
  );
}
