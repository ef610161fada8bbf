/**
 * Attention by subgroup matrices, forward and backward, by the text of its kernels for every vendor's sizes of matrices; on a
 * driver that has them it runs in the child process of products/matrix.test.ts.
 *
 * Halves are compared with the f64 reference that rounds where a plan stores them. Weights and score gradients are halves
 * as well inside of a kernel, so results may be off by 3 units of 11 bits, and gradients by 6, of the largest value.
 */
import { describe, expect, it } from 'vitest';
import { avoiding } from '../../../compiler/kernels/schedules/schedules.ts';
import { type DeviceProfile, subgroupOf, subgroupSizeFeature } from '../../../compiler/profile.ts';
import {
  amdProfile,
  appleMatrixProfile,
  intelProfile,
  lavapipeMatrixProfile,
  nvidiaProfile,
} from '../../../compiler/profiles-matrix.ts';
import { textDevice } from '../../support/wgsl/text-device.ts';
import { attentionCases, compareAttention } from '../support/attention-cases.ts';

/** A device without a way to ask for a subgroup size, which makes more and smaller subgroups than are counted on. */
const unasked = {
  ...intelProfile,
  name: 'Intel GPU that picks its subgroup size',
  features: intelProfile.features.filter((feature) => feature !== subgroupSizeFeature),
};

const devices: readonly (readonly [string, DeviceProfile, subgroup: number])[] = [
  ...[nvidiaProfile, amdProfile, intelProfile, appleMatrixProfile, lavapipeMatrixProfile].map(
    (profile) => [profile.name, profile, subgroupOf(profile)!.size] as const,
  ),
  [unasked.name, unasked, 16],
];

const on = (profile: DeviceProfile, size: number) =>
  textDevice({ ...profile, subgroupSize: { min: size, max: size } });

it('is of f32 where matrices are, as Apple’s', async () => {
  for (const one of attentionCases.slice(1, 6)) {
    const { plan, excess } = await compareAttention(
      on(appleMatrixProfile, 32),
      appleMatrixProfile,
      [one],
      'f32',
    );
    for (const [name, worst] of excess) expect(worst, `${JSON.stringify(one)} ${name}`).toBeLessThan(1);
    expect(plan.pipelines.filter(({ label }) => /attention.*_matrix_/.test(label)).length).toBeGreaterThan(1);
  }
});

it('is by other kernels where a schedule of matrices is to be avoided, or operands are f32 and matrices halves', async () => {
  const [one] = attentionCases.slice(2) as [(typeof attentionCases)[number]];
  const without = avoiding(nvidiaProfile, ['a16x16x16-f16']);
  for (const [profile, precision] of [
    [without, 'mixed'],
    [nvidiaProfile, 'f32'],
  ] as const) {
    const { plan, excess } = await compareAttention(on(profile, 32), profile, [one], precision);
    for (const [name, worst] of excess) expect(worst, name).toBeLessThan(1);
    const labels = plan.pipelines.map(({ label }) => label).filter((label) => /attention/.test(label));
    expect(labels.join()).not.toMatch(/_matrix_/);
    expect(labels).toHaveLength(4);
  }
});

describe.each(devices)('attention by subgroup matrices of %s', (_, profile, subgroup) => {
  it('gives results and gradients', async () => {
    for (const one of attentionCases) {
      const { plan, excess } = await compareAttention(on(profile, subgroup), profile, [one]);
      for (const [name, worst] of excess) expect(worst, `${JSON.stringify(one)} ${name}`).toBeLessThan(1);
      const kernels = plan.pipelines.map(({ label }) => label).filter((label) => /attention/.test(label));
      expect(
        kernels.every((label) => /_matrix_/.test(label)),
        `${kernels}`,
      ).toBe(true);
    }
  });
});
