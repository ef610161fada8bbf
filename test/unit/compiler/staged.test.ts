/** Weights that are kept only as what is derived from them: what a plan takes of the device, and who shares a place. */
import { describe, expect, it } from 'vitest';
import { compileGraph } from '../../../compiler/compile.ts';
import { createBuilder } from '../../../compiler/graph/create-builder.ts';
import type { EntryName } from '../../../compiler/model/types.ts';
import type { Plan, VerifiedPlan } from '../../../compiler/plan/types.ts';
import { verifyPlan } from '../../../compiler/plan/verify.ts';
import { lavapipeProfile } from '../../../compiler/profile.ts';
import { type ProfileKind, profiles } from '../../../compiler/profiles.ts';
import { NullDevice } from '../../../runtime/null/device.ts';
import { benchCases, modelOf } from '../../../zoo/bench/cases.ts';
import { nodeHost } from '../../../zoo/host.ts';
import { compileEntry } from '../../../zoo/run/entry.ts';
import { stagedPlan } from '../../support/staged.ts';

const vitB32 = modelOf(nodeHost(), benchCases.find((c) => c.name === 'image-b8')!);

function towerPlan(entry: EntryName, kind: ProfileKind, precision: 'f32' | 'mixed' = 'f32'): VerifiedPlan {
  const request = { entry, batch: 1, mode: 'eval', gradients: false, precision } as const;
  return compileEntry(vitB32, request, profiles[kind]);
}

/** Of what the entry reads, in f32. */
function weightBytes({ weights }: Plan): number {
  return weights.reduce((sum, { shape }) => sum + 4 * shape.reduce((a, b) => a * b, 1), 0);
}

describe('an inference plan of ViT-B/32', () => {
  it.each(
    (['encode_image', 'encode_text', 'logits'] as const).flatMap((entry) =>
      (Object.keys(profiles) as ProfileKind[]).map((kind) => ({ entry, kind })),
    ),
  )('for $entry on $kind takes at most 1.1 of its weights, all told', async ({ entry, kind }) => {
    const plan = towerPlan(entry, kind);
    const device = new NullDevice(profiles[kind]);
    const session = await device.open(plan);
    expect(device.memory.peak).toBe(plan.memory.total);
    expect(plan.memory.total).toBeLessThan(1.1 * weightBytes(plan));
    session.close();
  });

  it('in mixed precision takes little more than the halves', () => {
    const plan = towerPlan('encode_image', 'nvidia', 'mixed');
    expect(plan.memory.total).toBeLessThan(0.55 * weightBytes(plan));
  });
});

describe('weights that nothing but setup reads', () => {
  it('take turns in one place; what several groups read beside their own is kept', () => {
    const plan = stagedPlan(lavapipeProfile);
    expect(plan.staged!.map(({ weights, also }) => ({ weights, also }))).toEqual([
      { weights: ['first'], also: [] },
      { weights: ['left'], also: ['gain', 'shift'] },
      { weights: ['right'], also: ['gain', 'shift'] },
    ]);
    expect(plan.memory.staging).toBe(4 * 128 * 24);
    expect(plan.memory.weights).toBe(2 * 512);
    const last = plan.weights.slice(2).map(({ name }) => name);
    expect(last).toEqual(['first', 'left', 'right']);
  });

  it('have their own place in training, and where they are alone', () => {
    const b = createBuilder();
    const x = b.add('input', [], { name: 'x', dtype: 'f32', shape: [4, 8] });
    const w = b.add('param', [], { name: 'w', shape: [16, 8], role: 'param' });
    const y = b.add('matmul', [x, w], { transposeA: false, transposeB: true });
    const alone = compileGraph(b.finish([{ name: 'y', node: y }]), {
      model: 'm',
      entry: 'e',
      batch: 4,
      mode: 'eval',
      profile: lavapipeProfile,
    });
    expect(alone.setup).toHaveLength(1);
    expect(alone.staged).toBeUndefined();
    const request = { entry: 'loss', batch: 2, mode: 'train', gradients: true } as const;
    const small = modelOf(nodeHost(), benchCases.find((c) => c.name === 'train-small')!);
    const gradients = compileEntry(small, request, lavapipeProfile);
    const passing = new Set(gradients.staged?.flatMap(({ weights }) => weights));
    const staging = gradients.buffers.flatMap(({ id, role }) => (role === 'staging' ? [id] : []));
    for (const { bindings } of gradients.steps)
      for (const { buffer } of bindings) expect(staging).not.toContain(buffer);
    // Gradients go back through weights as they are.
    expect(passing.has('visual.transformer.resblocks.0.mlp.c_fc.weight')).toBe(false);
  });

  it('are refused in plans whose steps read them outside of their group', () => {
    const plan = stagedPlan(lavapipeProfile);
    const [first, left, right] = plan.staged!;
    const refused = (change: Partial<Plan>) => () => verifyPlan({ ...plan, ...change }, lavapipeProfile);
    expect(refused({ staged: [first!, left!] })).toThrow(/not of the weights in the staging buffer/);
    expect(refused({ staged: [first!, right!, left!] })).toThrow(/staged group of right is wrong/);
    expect(refused({ steps: [...plan.steps, plan.setup[first!.first]!] })).toThrow(
      /outside of staged groups/,
    );
    const setup = [...plan.setup, plan.setup.at(-1)!];
    expect(refused({ setup })).toThrow(/leave steps out/);
  });
});
