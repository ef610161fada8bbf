/**
 * Into how many pieces long sums are cut, and that launches stay within their budget.
 */
import { describe, expect, it } from 'vitest';
import { compileGraph } from '../../../compiler/compile.ts';
import { createBuilder } from '../../../compiler/graph/create-builder.ts';
import { scheduleIds, scheduleKey } from '../../../compiler/kernels/schedules/schedules.ts';
import type { VerifiedPlan } from '../../../compiler/plan/types.ts';
import {
  appleProfile,
  type DeviceProfile,
  discreteProfile,
  lavapipeProfile,
} from '../../../compiler/profile.ts';
import { benchCases, planCase } from '../../../zoo/bench/cases.ts';
import { nodeHost } from '../../../zoo/host.ts';

/**
 * The plan of a weight's gradient, aᵀ b of [k, m] and [k, n], or of the plain product where `transposeA` is
 * false.
 */
function productPlan(
  profile: DeviceProfile,
  [m, n, k]: readonly [number, number, number],
  transposeA = true,
): VerifiedPlan {
  const b = createBuilder();
  const a = b.add('input', [], { name: 'a', dtype: 'f32', shape: transposeA ? [k, m] : [m, k] });
  const w = b.add('param', [], { name: 'w', shape: [k, n], role: 'param' });
  const y = b.add('matmul', [a, w], { transposeA, transposeB: false });
  const options = { model: 't', entry: 't', batch: 1, mode: 'eval', profile } as const;
  return compileGraph(b.finish([{ name: 'y', node: y }]), options);
}

const keys = (plan: VerifiedPlan) => plan.steps.flatMap(({ schedule }) => (schedule ? [schedule.key] : []));
const sizes = (plan: VerifiedPlan) => keys(plan).map((key) => key.split(' ')[0]);

describe('pieces of a product', () => {
  it('fill a GPU where the tiles of the result do not', () => {
    // 1, 9 and 144 tiles of 64×64, 144 of 128×128; 128 are computed at a time, pieces have at least 128 terms each.
    expect(sizes(productPlan(discreteProfile, [64, 64, 100000]))).toEqual(['125*64x64x800']);
    expect(sizes(productPlan(discreteProfile, [192, 192, 2048]))).toEqual(['8*192x192x256']);
    expect(sizes(productPlan(discreteProfile, [768, 768, 400]))).toEqual(['768x768x400']);
    expect(sizes(productPlan(discreteProfile, [3072, 768, 1600]))).toEqual(['3072x768x1600']);
  });

  it('come out in whole waves of the multiprocessors', () => {
    const pieces = (multiprocessors: number) =>
      sizes(productPlan({ ...discreteProfile, multiprocessors }, [1536, 1536, 3200]))[0];
    // 144 tiles of 128×128: two turns of 72, one of 144 that leaves each alone; on 128 one and a ninth, which count two.
    expect(pieces(72)).toBe('1536x1536x3200');
    expect(pieces(144)).toBe('2*1536x1536x1600');
    expect(pieces(128)).toBe('4*1536x1536x800');
  });

  it('leave a remainder to a product of its own', () => {
    expect(sizes(productPlan(discreteProfile, [64, 64, 1009]))).toEqual(['7*64x64x144', '64x64x1']);
  });

  it('do not come in forward passes, nor on software adapters', () => {
    expect(productPlan(discreteProfile, [50, 768, 3072], false).steps).toHaveLength(1);
    for (const shape of [
      [64, 64, 100000],
      [768, 768, 400],
    ] as const)
      expect(productPlan(lavapipeProfile, shape).steps).toHaveLength(1);
  });

  it('have results that a binding can hold', () => {
    const limits = { ...discreteProfile.limits, maxStorageBufferBindingSize: 4 * 64 * 64 * 10 };
    const plan = productPlan({ ...discreteProfile, limits }, [64, 64, 640]);
    expect(sizes(plan)).toEqual(['5*64x64x128']);
    expect(plan.requires.maxStorageBufferBindingSize).toBeLessThanOrEqual(limits.maxStorageBufferBindingSize);
  });

  it('are the same whatever schedule was measured', () => {
    for (const profile of [discreteProfile, appleProfile]) {
      const plain = productPlan(profile, [192, 192, 2048]);
      for (const id of scheduleIds(profile, 'contract')) {
        const tuned = Object.fromEntries(keys(plain).map((key) => [scheduleKey('contract', key), id]));
        expect(keys(productPlan({ ...profile, tuned }, [192, 192, 2048]))).toEqual(keys(plain));
      }
    }
  });
});

describe('the gradients of a linear layer', () => {
  const plan = (profile: DeviceProfile, [samples, from, to]: readonly [number, number, number]) => {
    const b = createBuilder();
    const input = (name: string, shape: readonly number[]) =>
      b.add('input', [], { name, dtype: 'f32', shape });
    const [x, dy] = [input('x', [samples, from]), input('dy', [samples, to])];
    const w = b.add('param', [], { name: 'w', shape: [to, from], role: 'param' });
    const dx = b.add('matmul', [dy, w], { transposeA: false, transposeB: false });
    const dw = b.add('matmul', [dy, x], { transposeA: true, transposeB: false });
    const options = { model: 't', entry: 't', batch: 1, mode: 'eval', profile } as const;
    const outputs = [
      { name: 'dx', node: dx },
      { name: 'dw', node: dw },
    ];
    return compileGraph(b.finish(outputs), options);
  };
  const on = (multiprocessors: number) => ({ ...discreteProfile, multiprocessors });

  it('come in one launch where that costs less, the longer sums first, and the weight’s then whole', () => {
    expect(sizes(plan(on(96), [4928, 512, 2048]))).toEqual(['2048x512x4928']);
    expect(keys(plan(on(96), [4928, 512, 2048]))[0]).toContain(' + 4928x512x2048 ');
  });

  it('come in two where one is whole waves of its own tile, and on software adapters', () => {
    // 288 tiles of 128×64 are three turns of 96, and 150 of 128×128 two; all of one kind would be four, or seven of half the size.
    expect(sizes(plan(on(96), [3200, 768, 3072]))).toHaveLength(2);
    expect(sizes(plan(lavapipeProfile, [64, 64, 64]))).toHaveLength(2);
  });

  it('are the same whatever schedule was measured', () => {
    const plain = plan(discreteProfile, [512, 96, 160]);
    expect(sizes(plain)).toHaveLength(1);
    for (const id of scheduleIds(discreteProfile, 'contract')) {
      const tuned = Object.fromEntries(keys(plain).map((key) => [scheduleKey('contract', key), id]));
      const other = plan({ ...discreteProfile, tuned }, [512, 96, 160]);
      expect(keys(other)).toEqual(keys(plain));
      expect(other.steps.map(({ schedule }) => schedule?.id)).toEqual([id]);
    }
  });
});

describe('sums down columns', () => {
  const sum = (profile: DeviceProfile, shape: readonly number[]) => {
    const b = createBuilder();
    const x = b.add('input', [], { name: 'x', dtype: 'f32', shape });
    const y = b.add('sum', [x], { axes: [0], keep: false });
    const options = { model: 't', entry: 't', batch: 1, mode: 'eval', profile } as const;
    return compileGraph(b.finish([{ name: 'y', node: y }]), options);
  };
  const groups = (plan: VerifiedPlan) => plan.steps.map(({ workgroups: [x, y, z] }) => x * y * z);

  it('fill a GPU by pieces, which a second kernel joins', () => {
    for (const shape of [
      [3200, 768],
      [4928, 512],
      [4928, 2048],
      [100000, 8],
    ]) {
      const [pieces, ...join] = groups(sum(discreteProfile, shape));
      expect(pieces, `${shape}`).toBeGreaterThanOrEqual(256);
      expect(join, `${shape}`).toHaveLength(1);
    }
    expect(sum(discreteProfile, [400, 512]).steps).toHaveLength(1);
    expect(sum(lavapipeProfile, [3200, 768]).steps).toHaveLength(1);
  });

  it('have eight loads of an invocation on their way before the first of them is added', () => {
    const { wgsl } = sum(discreteProfile, [4928, 512]).pipelines[0]!;
    const loop = wgsl.slice(wgsl.indexOf('for (var i'));
    expect(loop.slice(0, loop.indexOf('+=', loop.indexOf('{'))).match(/= x_data\[/g)).toHaveLength(8);
  });
});

describe('launches', () => {
  const dispatches = (name: string, profile: DeviceProfile) =>
    planCase(nodeHost(), benchCases.find((c) => c.name === name)!, profile).steps.length;

  it('of ViT-B/32’s image tower are at most 90, of a small training step at most 400', () => {
    for (const profile of [lavapipeProfile, discreteProfile]) {
      expect(dispatches('image-b1', profile)).toBeLessThanOrEqual(90);
      expect(dispatches('train-small', profile)).toBeLessThanOrEqual(400);
    }
  });

  it('that come together have no more workgroups along an axis than the device allows', () => {
    const most = 32;
    const limits = { ...discreteProfile.limits, maxComputeWorkgroupsPerDimension: most };
    const b = createBuilder();
    const param = (name: string, shape = [768]) => b.add('param', [], { name, shape, role: 'param' });
    const normed = ['x', 'y', 'z'].map((name) => {
      const x = param(name, [300, 768]);
      return b.add('layer_norm', [x, param(`${name}.weight`), param(`${name}.bias`)], { eps: 1e-5 });
    });
    const sums = normed.map((x) => b.add('sum', [b.add('mul', [x, x], {})], { axes: [0, 1], keep: false }));
    const loss = sums.reduce((all, one) => b.add('add', [all, one], {}));
    const { steps } = compileGraph(b.finish([{ name: 'loss', node: loss }]), {
      model: 'norms',
      entry: 'loss',
      batch: 1,
      mode: 'train',
      profile: { ...discreteProfile, limits },
      gradients: ['x', 'y', 'z'].flatMap((name) => [name, `${name}.weight`, `${name}.bias`]),
    });
    const together = steps.filter(({ label }) => /column_sum.*beside/.test(label));
    expect(Math.max(...together.map(({ workgroups: [x, y, z] }) => x * y * z))).toBeGreaterThan(most);
    for (const { workgroups, label } of steps)
      expect(Math.max(...workgroups), label).toBeLessThanOrEqual(most);
  });
});
