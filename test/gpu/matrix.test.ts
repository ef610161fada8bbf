/**
 * Products by subgroup matrices against the f64 reference over operands rounded to f16: really executed in a child process under
 * the software driver of `npm run setup:matrix-driver`, and with emulated matrices of every size on the adapter at hand.
 *
 * Tolerances are those of f32 products, see matrix-cases.ts: operands are exact, sums are f32.
 */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import type { DeviceProfile } from '../../compiler/profile.ts';
import {
  appleMatrixProfile,
  intelProfile,
  lavapipeMatrixProfile,
  nvidiaProfile,
} from '../../compiler/profiles-matrix.ts';
import { type Command, underMatrixDriver } from '../../scripts/setup-matrix-driver.ts';
import { skipFor } from '../support/needs.ts';
import { openGpu } from './harness.ts';
import {
  convolutionCases,
  executedCases,
  matrixIds,
  productCase,
  runCase,
  scheduledCases,
} from './matrix-cases.ts';
import type { ChildOutcome, ChildReport } from './matrix-child.ts';
import { emulated, emulatedProfile } from './matrix-emulation.ts';

const program = ['--import', 'tsx', fileURLToPath(new URL('./matrix-child.ts', import.meta.url))];
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

  it.each(executedCases().map(({ name }) => name))('multiply %s', async (name) => {
    const outcomes = named((await found()).cases, name);
    expect(outcomes).toHaveLength(1);
    expect(outcomes[0]!.schedule).toMatch(/^m.*-f16$/);
    expect(outcomes[0]!.excess).toBeLessThanOrEqual(1);
    expect(outcomes[0]!.repeats).toBe(true);
  });

  it('give the same bits by every schedule', async () => {
    const { schedules, profile } = await found();
    for (const { c, ids } of scheduledCases(profile)) {
      const outcomes = named(schedules, c.name);
      expect(outcomes.map((o) => o.schedule)).toEqual(ids);
      for (const { schedule, excess, repeats } of outcomes) {
        expect(excess, `${c.name} ${schedule}`).toBeLessThanOrEqual(1);
        expect(repeats, `${c.name} ${schedule}`).toBe(true);
      }
    }
    expect(new Set(schedules.map((o) => o.schedule))).toEqual(new Set(matrixIds(profile)));
  });

  it('serve plans, which say that they need them', async () => {
    const { features, schedules, error } = (await found()).plan;
    expect(features).toEqual(['chromium-experimental-subgroup-matrix', 'shader-f16', 'subgroups']);
    expect(schedules.every((id) => id.startsWith('m'))).toBe(true);
    // Inputs, weights, the hidden layer and the result are rounded to 11 bits each.
    expect(error).toBeLessThan(4 * 2 ** -11);
  });
});

const gpu = await openGpu();
const halves = gpu?.device.features.has('shader-f16') ? true : skipFor('no adapter with shader-f16');

describe.skipIf(!halves)('emulated subgroup matrices', () => {
  const sizes = { m: 67, n: 70, k: 77 };
  const cases = (operands: 'f16' | 'f32') => [
    productCase({ ...sizes, transposeB: true, epilogue: true, operands }),
    productCase({ m: 36, n: 44, k: 40, batch: 2, batchedB: true, transposeA: true, operands }),
  ];
  const run = async (target: DeviceProfile, operands: 'f16' | 'f32', ids: string[]) => {
    const profile = emulatedProfile(target);
    for (const c of cases(operands))
      for (const forced of ids) {
        const outcome = await runCase(gpu!, c, profile, { forced, change: emulated });
        expect(outcome.schedule).toBe(forced);
        expect(outcome.excess, `${target.name} ${c.name} ${forced}`).toBeLessThanOrEqual(1);
      }
  };

  it('of 16×16×16 (NVIDIA, AMD)', async () => {
    await run(nvidiaProfile, 'f16', ['m32x32x32-16x16-f16', 'm64x32x32-32x16-f16']);
  });

  it('of 8×16×16 (Intel)', async () => {
    await run(intelProfile, 'f16', ['m32x32x32-16x16-f16', 'm32x64x32-16x32-f16']);
  });

  it('of 8×8×8 with f32 operands, and with halves that are widened (Apple)', async () => {
    await run(appleMatrixProfile, 'f32', ['m32x32x32-16x16-f32']);
    await run(appleMatrixProfile, 'f16', ['m32x32x32-16x16-f32']);
  });

  it('serve convolutions and their gradients', async () => {
    const window = { x: [2, 12, 6, 5], filters: [20, 3, 3], padding: 1 } as const;
    // The gradient of the filters has more batches than emulation knows; the child process runs it.
    for (const c of convolutionCases('3×3', window).slice(0, 2)) {
      const outcome = await runCase(gpu!, c, emulatedProfile(intelProfile), { change: emulated });
      expect(outcome.schedule).toMatch(/^m/);
      expect(outcome.excess, c.name).toBeLessThanOrEqual(1);
    }
  });
});
