/**
 * Products by subgroup matrices against the f64 reference over operands rounded to f16: all cases and schedules
 * of all vendors by the text of their kernels; the chosen cases and every schedule once really executed, in a
 * child process under the software driver of `npm run setup:matrix-driver`.
 *
 * Tolerances are those of f32 products, see matrix-cases.ts: operands are exact, sums are f32.
 */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { subgroupOf } from '../../../../compiler/kernels/schedules/matrix.ts';
import { type DeviceProfile, subgroupSizeFeature } from '../../../../compiler/profile.ts';
import {
  amdProfile,
  appleMatrixProfile,
  intelProfile,
  lavapipeMatrixProfile,
  nvidiaProfile,
} from '../../../../compiler/profiles-matrix.ts';
import { type Command, underMatrixDriver } from '../../../../scripts/setup-matrix-driver.ts';
import { skipFor } from '../../../support/needs.ts';
import {
  chosenCases,
  furtherCases,
  matrixIds,
  productCase,
  runCase,
  scheduledCases,
} from '../../support/matrix-cases.ts';
import type { ChildOutcome, ChildReport } from '../../support/matrix-child.ts';

const program = ['--import', 'tsx', fileURLToPath(new URL('../../support/matrix-child.ts', import.meta.url))];
const command =
  underMatrixDriver(process.execPath, program) ??
  skipFor('no driver with subgroup matrices (npm run setup:matrix-driver)');

function runChild({ command: file, args, env }: Command): Promise<ChildReport> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
    let out = '';
    let complaints = '';
    child.stdout.on('data', (text) => {
      out += text;
    });
    child.stderr.on('data', (text) => {
      complaints += text;
    });
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0) resolve(JSON.parse(out) as ChildReport);
      else reject(new Error(`the child process ended with ${code}: ${complaints}`));
    });
  });
}

describe.skipIf(command === undefined)('subgroup matrices of a software driver', () => {
  let report: Promise<ChildReport> | undefined;
  const found = () => {
    report ??= runChild(command!);
    return report;
  };
  const named = (outcomes: readonly ChildOutcome[], name: string) => outcomes.filter((o) => o.name === name);

  it('are found with their sizes and elements', async () => {
    const { profile } = await found();
    expect(profile.matrixConfigs).toEqual(lavapipeMatrixProfile.matrixConfigs);
    expect(profile.features).toEqual(expect.arrayContaining([...lavapipeMatrixProfile.features]));
  });

  it.each(chosenCases().map(({ name }) => name))('multiply %s', async (name) => {
    const outcomes = named((await found()).cases, name);
    expect(outcomes).toHaveLength(1);
    expect(outcomes[0]!.schedule).toMatch(/^m.*-f16$/);
    expect(outcomes[0]!.excess).toBeLessThanOrEqual(1);
    expect(outcomes[0]!.repeats).toBe(true);
  });

  it.each(chosenCases().map(({ name }) => name))('multiply %s in tiles along K', async (name) => {
    const [outcome] = named((await found()).transposed, name);
    expect(outcome!.excess).toBeLessThanOrEqual(1);
    expect(outcome!.repeats).toBe(true);
  });

  it('give the same bits by every schedule', async () => {
    const { schedules, profile } = await found();
    const [vectors, odd] = scheduledCases.map((c) => named(schedules, c.name));
    expect(vectors!.map((o) => o.schedule)).toEqual(matrixIds(profile));
    expect(odd!.length).toBeGreaterThan(1);
    for (const { name, schedule, excess, repeats } of schedules) {
      expect(excess, `${name} ${schedule}`).toBeLessThanOrEqual(1);
      expect(repeats, `${name} ${schedule}`).toBe(true);
    }
  });

  it('serve plans, which say that they need them', async () => {
    const { features, schedules, error } = (await found()).plan;
    expect(features).toEqual(['chromium-experimental-subgroup-matrix', 'shader-f16', 'subgroups']);
    expect(schedules.every((id) => id.startsWith('m'))).toBe(true);
    // Inputs, weights, the hidden layer and the result are rounded to 11 bits each.
    expect(error).toBeLessThan(4 * 2 ** -11);
  });
});

/** Devices without a way to ask for a subgroup size, which make more and smaller subgroups than are counted on. */
const unasked = {
  ...intelProfile,
  name: 'Intel GPU that picks its subgroup size',
  features: intelProfile.features.filter((feature) => feature !== subgroupSizeFeature),
};

/**
 * Sizes of matrices, elements and subgroups of every vendor: 16×16×16 (AMD's with tiles along K, whatever the
 * operands' layout), 8×16×16, and 8×8×8 of f32 or f16.
 */
const devices: readonly (readonly [DeviceProfile, subgroup: number])[] = [
  ...[nvidiaProfile, amdProfile, intelProfile, appleMatrixProfile, lavapipeMatrixProfile].map(
    (profile) => [profile, subgroupOf(profile)!.size] as const,
  ),
  [unasked, 16],
];

describe.each(devices.map(([profile, subgroup]) => ({ name: profile.name, profile, subgroup })))(
  'subgroup matrices of $name, by the text of kernels',
  ({ profile, subgroup }) => {
    it('multiply right', async () => {
      // Sides of matrices that all differ, for what is like the chosen ones.
      const further = profile === intelProfile ? furtherCases() : [];
      for (const c of [...chosenCases(), ...further]) {
        const { schedule, excess } = await runCase({ subgroup }, c, profile);
        expect(schedule, c.name).toMatch(/^m/);
        expect(excess, c.name).toBeLessThanOrEqual(1);
      }
    });

    it('give the same bits by every schedule', async () => {
      for (const c of scheduledCases) {
        let first: Float64Array | undefined;
        for (const forced of matrixIds(profile)) {
          const { schedule, excess, values } = await runCase({ subgroup }, c, profile, forced);
          expect(schedule).toBe(forced);
          expect(excess, `${c.name} ${forced}`).toBeLessThanOrEqual(1);
          first ??= values;
          expect(values, `${c.name} ${forced}`).toEqual(first);
        }
      }
    });
  },
);

it('multiplies f32 by matrices of f32 (Apple), by the text of kernels', async () => {
  for (const c of [
    productCase({ m: 67, n: 70, k: 77, transposeB: true, epilogue: true, operands: 'f32' }),
    productCase({ m: 36, n: 44, k: 40, batch: 2, batchedB: true, transposeA: true, operands: 'f32' }),
  ])
    for (const forced of matrixIds(appleMatrixProfile)) {
      const outcome = await runCase({ subgroup: 32 }, c, appleMatrixProfile, forced);
      expect(outcome.schedule).toBe(forced);
      expect(outcome.excess, `${c.name} ${forced}`).toBeLessThanOrEqual(1);
    }
});
