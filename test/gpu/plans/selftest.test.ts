/**
 * The self-test finds what is wrong, and names it: by the text of kernels, of which some are changed on purpose, for software
 * adapters, GPUs and subgroup matrices. test/e2e/selftest.test.ts runs it on the adapter at hand.
 */
import { describe, expect, it } from 'vitest';
import { compileGraph } from '../../../compiler/compile.ts';
import { avoiding } from '../../../compiler/kernels/schedules/schedules.ts';
import type { VerifiedPlan } from '../../../compiler/plan/types.ts';
import { type DeviceProfile, discreteProfile, lavapipeProfile } from '../../../compiler/profile.ts';
import { nvidiaProfile } from '../../../compiler/profiles-matrix.ts';
import type { Code } from '../../../grammar/codes.ts';
import { DiagnosticError } from '../../../grammar/diagnostics.ts';
import { type NamedCase, scheduledCases } from '../../../runtime/selftest/cases.ts';
import type { Device } from '../../../runtime/types.ts';
import type { AdapterReport } from '../../../runtime/webgpu/adapter.ts';
import { nodeHost } from '../../../zoo/host.ts';
import { selftestMarkdown, wayRound } from '../../../zoo/selftest/report.ts';
import { selftest } from '../../../zoo/selftest/selftest.ts';
import type { SelftestOptions } from '../../../zoo/selftest/types.ts';
import { textDevice } from '../../support/wgsl/text-device.ts';

type Change = (plan: VerifiedPlan) => VerifiedPlan;

/** A device that runs plans with a change. */
function changed(profile: DeviceProfile, change: Change): Device {
  const device = textDevice(profile);
  return { ...device, open: (plan) => device.open(change(plan)) };
}

/** What a kernel stores is a sixteenth too large. */
function exaggerated(wgsl: string): string {
  const stored = [...wgsl.matchAll(/var<storage, read_write> (\w+):/g)].map(([, name]) => name);
  const store = new RegExp(`^(\\s*(?:${stored.join('|')})\\[.*\\] = )(.*);$`, 'gm');
  return wgsl.replace(store, '$1($2) * 1.0625;');
}

/** Changes the kernels of steps that are chosen. */
function breaking(isChosen: (step: VerifiedPlan['steps'][number]) => boolean): Change {
  return (plan) => {
    const chosen = new Set([...plan.setup, ...plan.steps].filter(isChosen).map(({ pipeline }) => pipeline));
    const pipelines = plan.pipelines.map((pipeline) =>
      chosen.has(pipeline.id) ? { ...pipeline, wgsl: exaggerated(pipeline.wgsl) } : pipeline,
    );
    return { ...plan, pipelines };
  };
}

const withSchedule = (id: string) => breaking(({ schedule }) => schedule?.id === id);

/** The schedule of the first product that the self-test makes with what the profile chooses. */
function usualProduct(profile: DeviceProfile, precision: 'f32' | 'mixed'): string {
  const [{ one }] = scheduledCases.contract(precision) as [NamedCase];
  const { setup, steps } = compileGraph(one.graph, {
    ...{ model: 'm', entry: 'e', batch: 1, mode: 'eval', profile, precision },
    gradients: one.gradients,
  });
  return [...setup, ...steps].find(({ schedule }) => schedule?.family === 'contract')!.schedule!.id;
}

const report: AdapterReport = {
  ...{ backend: 'text', name: 'by text', vendor: 'none', architecture: '', driver: 'none 1.0' },
  type: 'software',
  ...{ limits: lavapipeProfile.limits, features: [] },
};

function run(device: Device, options: SelftestOptions) {
  return selftest({ device, report, host: nodeHost(), versions: { zooc: 'under test' } }, options);
}

describe('the self-test', () => {
  it('passes by the text of kernels: every operation, models, training, in f32 and in mixed precision', async () => {
    const seen: string[] = [];
    const found = await run(textDevice(lavapipeProfile), {
      only: ['operations', 'models', 'training'],
      quick: true,
      progress: (done, of, doing) => seen.push(`${done}/${of} ${doing}`),
    });
    expect(found.failures).toEqual([]);
    expect(found).toMatchObject({ passed: true, quick: true, unchecked: [], failedSchedules: [] });
    const parts = found.checks.map(({ part, precision }) => `${part} ${precision}`);
    expect([...new Set(parts)]).toEqual([
      'operations f32',
      'operations mixed',
      'models f32',
      'models mixed',
      'training f32',
      'training mixed',
    ]);
    // A result of each op, and gradients.
    const operations = found.checks.filter(
      ({ part, precision }) => part === 'operations' && precision === 'f32',
    );
    expect(operations.reduce((sum, { outputs }) => sum + outputs, 0)).toBeGreaterThan(150);
    expect(seen).toHaveLength(parts.length);
    expect(seen[0]).toMatch(/^0\/\d+ operations \w+ … \w+, f32$/);
    expect(selftestMarkdown(found)).toContain(
      `# zooc selftest: all ${parts.length} checks are within tolerance`,
    );
  });

  it.each([
    {
      name: 'software adapters',
      profile: lavapipeProfile,
      only: ['attention', 'rows'] as const,
      schedules: 8,
    },
    {
      name: 'GPUs with subgroup matrices',
      profile: nvidiaProfile,
      only: ['attention', 'rows'] as const,
      schedules: 0,
    },
  ])('runs every schedule of a family on $name', async ({ profile, only, schedules }) => {
    const found = await run(textDevice(profile), { only });
    expect(found.failures).toEqual([]);
    expect(found.unchecked).toEqual([]);
    const tried = new Set(found.checks.flatMap(({ schedule }) => schedule ?? []));
    expect(tried.size).toBe(schedules);
  });

  it('tries those that were measured as the best, and with quick no others', async () => {
    const tuned = { 'rows softmax 1x1 1in 1steps': 's32' };
    const found = await run(textDevice({ ...lavapipeProfile, tuned }), { only: ['rows'], quick: true });
    expect(found).toMatchObject({ passed: true, tuned: 1 });
    expect(new Set(found.checks.map(({ schedule }) => schedule))).toEqual(new Set([undefined, 's32']));
  });
});

describe('a kernel that computes wrong', () => {
  it.each([
    { name: 'rows of software adapters', profile: lavapipeProfile, family: 'rows', schedule: 's16' },
    { name: 'the default of them', profile: lavapipeProfile, family: 'rows', schedule: 's8' },
    {
      name: 'attention of software adapters',
      profile: lavapipeProfile,
      family: 'attention',
      schedule: 'own2',
    },
  ] as const)('is named by family and schedule: $name', async ({ profile, family, schedule }) => {
    const change = withSchedule(schedule);
    const found = await run(changed(profile, change), { only: [family] });
    expect(found.passed).toBe(false);
    expect(found.failedSchedules).toEqual([{ family, schedule }]);
    const forced = found.checks.filter((check) => check.schedule !== undefined);
    expect(new Set(forced.filter(({ passed }) => !passed).map((check) => check.schedule))).toEqual(
      new Set([schedule]),
    );
    for (const { kernels, outputs } of found.failures) {
      expect(outputs.length).toBeGreaterThan(0);
      expect(kernels.length).toBeGreaterThan(0);
      for (const kernel of kernels) expect(kernel).toMatchObject({ family, schedule });
    }
    const text = selftestMarkdown(found);
    expect(text).toContain(`checks failed: ${family} ${schedule}`);
    expect(text).toContain(found.failures[0]!.kernels[0]!.wgsl.trimEnd());
    expect(wayRound(found)).toBe(`ZOOC_AVOID=${schedule}`);

    const round = await run(changed(avoiding(profile, [schedule]), change), { only: [family] });
    expect(round).toMatchObject({ passed: true, failures: [], avoid: [schedule] });
  });

  it.each([
    { name: 'staged tiles', profile: discreteProfile, precision: 'f32' },
    { name: 'subgroup matrices', profile: nvidiaProfile, precision: 'mixed' },
  ] as const)('is named among products that a GPU uses untried: $name', async ({ profile, precision }) => {
    const schedule = usualProduct(profile, precision);
    const change = withSchedule(schedule);
    const found = await run(changed(profile, change), { only: ['contract'], quick: true });
    expect(found.failedSchedules).toEqual([{ family: 'contract', schedule }]);
    expect(new Set(found.failures.map((failure) => failure.precision))).toContain(precision);
    const round = await run(changed(avoiding(profile, [schedule]), change), {
      only: ['contract'],
      quick: true,
    });
    expect(round).toMatchObject({ passed: true, failures: [] });
  });

  it('is named by what it is called where its family has no schedules', async () => {
    const change = breaking(({ label }) => /embedding_segments/.test(label));
    const found = await run(changed(lavapipeProfile, change), { only: ['operations'] });
    expect(found.failedSchedules).toEqual([]);
    expect(found.failures.length).toBeGreaterThan(0);
    // What comes before it makes nothing else, so it cannot be told from it.
    const blamed = found.failures.flatMap(({ kernels }) => kernels.map(({ label }) => label));
    expect(blamed.join()).toMatch(/embedding_segments/);
    for (const label of blamed) expect(label).toMatch(/embedding_(segments|pieces|sort)/);
    expect(wayRound(found)).toBe(undefined);
  });

  it('is seen in training alone where only that has it', async () => {
    const change = breaking(({ label }) => /adamw/.test(label));
    const found = await run(changed(lavapipeProfile, change), {
      only: ['operations', 'training'],
      quick: true,
    });
    expect(found.failures.map(({ part }) => part)).toEqual(['training', 'training']);
    // The loss of the first step comes before the first update.
    expect(found.failures[0]!.outputs[0]!.output).toBe('loss of step 2');
  });
});

describe('a device that refuses', () => {
  const refusal = (message: string, code: Code = 'Z604') =>
    new DiagnosticError([{ code, severity: 'error', message }]);

  it('one kernel is asked for the rest, and the kernel is named', async () => {
    const device = textDevice(lavapipeProfile);
    const open: Device['open'] = async (plan) => {
      const label = plan.pipelines.find((pipeline) => pipeline.label.startsWith('embedding_sort'))?.label;
      if (label !== undefined) throw refusal(`the device refused kernel ${label}: too long`);
      return device.open(plan);
    };
    const found = await run({ ...device, open }, { only: ['operations'] });
    expect(found.passed).toBe(false);
    expect(found.stopped).toBe(undefined);
    for (const { message } of found.failures)
      expect(message).toMatch(/^Z604: the device refused kernel embedding_sort\S*: too long/);
    expect(
      found.checks.filter(({ passed }) => passed).reduce((sum, { outputs }) => sum + outputs, 0),
    ).toBeGreaterThan(250);
  });

  it('everything from some moment on ends the test with what was found until then', async () => {
    const device = textDevice(lavapipeProfile);
    let opened = 0;
    const open: Device['open'] = async (plan) => {
      if (++opened > 2) throw refusal('the device was lost (unknown): gone', 'Z606');
      return device.open(plan);
    };
    const found = await run({ ...device, open }, { only: ['rows'] });
    expect(found).toMatchObject({ passed: false, stopped: 'Z606: the device was lost (unknown): gone' });
    expect(found.checks.map(({ passed }) => passed)).toEqual([true, true, false]);
    expect(selftestMarkdown(found)).toContain('then the device answered nothing any more');
  });
});
