import { describe, expect, it } from 'vitest';
import { compileGraph } from '../../../compiler/compile.ts';
import { createBuilder } from '../../../compiler/graph/create-builder.ts';
import type { Graph } from '../../../compiler/graph/types.ts';
import { scheduleKey } from '../../../compiler/kernels/schedules/schedules.ts';
import type { VerifiedPlan } from '../../../compiler/plan/types.ts';
import type { DeviceProfile } from '../../../compiler/profile.ts';
import { openGpu } from '../../../runtime/node/gpu.ts';
import { implausible, trustedClock } from '../../../runtime/timing/clock.ts';
import type { StepSpan, TimedRun } from '../../../runtime/timing/timed-run.ts';
import { tune, tunedSchedules } from '../../../runtime/tune/tuner.ts';
import { device } from '../support/compiled.ts';

const on = await device();

/** A bare product: adapters compile it quickly, whatever the tile. */
function matmulGraph(): Graph {
  const b = createBuilder();
  const x = b.add('input', [], { name: 'x', dtype: 'f32', shape: [30, 48] });
  const w = b.add('param', [], { name: 'w', shape: [64, 48], role: 'param' });
  return b.finish([{ name: 'y', node: b.add('matmul', [x, w], { transposeA: false, transposeB: true }) }]);
}

/** A product whose sums take nearly all of its time. */
function deepGraph(): Graph {
  const b = createBuilder();
  const x = b.add('input', [], { name: 'x', dtype: 'f32', shape: [16, 4096] });
  const w = b.add('param', [], { name: 'w', shape: [4096, 32], role: 'param' });
  return b.finish([{ name: 'y', node: b.add('matmul', [x, w], { transposeA: false, transposeB: false }) }]);
}

const graph = matmulGraph();

function compile(profile: DeviceProfile): VerifiedPlan {
  return compileGraph(graph, { model: 'm', entry: 'e', batch: 1, mode: 'eval', profile });
}

describe.skipIf(!on)('tuning on the adapter', () => {
  it('measures every schedule, keeps the best, and later plans use it', async () => {
    const { device: own } = await openGpu();
    try {
      own.adopt({});
      const results = await tune(own, compile, { notify: () => {}, budget: 0 });
      expect(results.length).toBe(1);
      const [result] = results;
      expect(result!.tried).toBeGreaterThan(5);
      expect(result!.wrong).toEqual([]);
      expect(result!.seconds).toBeGreaterThan(0);
      expect(result!.seconds).toBeLessThanOrEqual(result!.defaultSeconds);
      const tuned = tunedSchedules(results);
      expect(own.profile.tuned).toMatchObject(tuned);
      const chosen = compile(own.profile).steps.flatMap(({ schedule }) => (schedule ? [schedule] : []));
      expect(chosen.map((c) => [scheduleKey(c.family, c.key), c.id])).toEqual(Object.entries(tuned));
      const known = new Set(Object.keys(tuned));
      expect(await tune(own, compile, { notify: () => {}, known })).toEqual([]);
      expect(own.memory.current).toBe(0);
    } finally {
      own.close();
    }
  });

  it('passes over schedules that give other results, however fast they are', async () => {
    const deep = deepGraph();
    const whole = (profile: DeviceProfile) =>
      compileGraph(deep, { model: 'm', entry: 'e', batch: 1, mode: 'eval', profile });
    const { device: own } = await openGpu();
    try {
      const usual = whole(own.profile).steps[0]!.schedule!.id;
      /** Every schedule but the default ends its sums behind the first terms. */
      const hasty = (profile: DeviceProfile): VerifiedPlan => {
        const plan = whole(profile);
        const pipelines = plan.pipelines.map((pipeline, i) =>
          plan.steps.find((step) => step.pipeline === i)!.schedule!.id === usual
            ? pipeline
            : { ...pipeline, wgsl: pipeline.wgsl.replaceAll('short < 4096u', 'short < 64u') },
        );
        return { ...plan, pipelines };
      };
      const remarks: string[] = [];
      const notify = (text: string) => remarks.push(text);
      const [result] = await tune(own, hasty, { notify, budget: 0 });
      expect(result!.id).toBe(usual);
      expect(result!.wrong.length).toBeGreaterThan(3);
      for (const id of result!.wrong)
        expect(remarks).toContainEqual(
          expect.stringContaining(`${id} is not taken, since it gives other results than ${usual}`),
        );
    } finally {
      own.close();
    }
  });

  it('does so with the host’s clock as well', async () => {
    const { device: own } = await openGpu();
    try {
      const features = own.gpu.features;
      Object.defineProperty(own.gpu, 'features', {
        value: new Set([...features].filter((f) => f !== 'timestamp-query')),
      });
      const remarks: string[] = [];
      const results = await tune(own, compile, { notify: (text) => remarks.push(text), budget: 0 });
      expect(remarks).toEqual([expect.stringMatching(/has no timestamps: each kernel is timed by the host/)]);
      expect(results[0]!.seconds).toBeGreaterThan(0);
    } finally {
      own.close();
    }
  });

  it('trusts the timestamps of an adapter only after a look, and says why not', async () => {
    const { device: own } = await openGpu();
    try {
      const trusted = await trustedClock(own);
      if (trusted.clock === 'host') expect(trusted.remark).toMatch(/timestamps/);
      expect(own.memory.current).toBe(0);
    } finally {
      own.close();
    }
  });
});

describe('timestamps', () => {
  const run = (...times: [number, number][]): TimedRun => ({
    clock: 'device',
    spans: times.map(([start, end]): StepSpan => ({ step: anyStep, start, end })),
    began: 0,
    encode: 0.01,
    wait: 1,
  });
  const anyStep = {
    pipeline: 0,
    bindings: [],
    workgroups: [1, 1, 1],
    label: '',
    flops: 0,
    bytes: 0,
  } as const;

  it.each([
    [run([0, 0.01], [0.01, 0.3], [0.3, 0.31], [0.31, 0.6]), undefined],
    [run([0, 0], [0, 0], [0, 0], [0, 0]), /no longer than a short one/],
    [run([0, 0.1], [0.1, 0.2], [0.2, 0.3], [0.3, 0.4]), /no longer than a short one/],
    [run([0, -1], [0.1, 0.2], [0.2, 0.3], [0.3, 0.4]), /ended before it began/],
    [run([0, 0.1], [0.5, 0.7], [0.2, 0.3], [0.3, 0.6]), /out of order/],
    [run([0, 1], [1, 40], [40, 41], [41, 80]), /longer than the host waited/],
  ])('are believed or not: %#', (timed, reason) => {
    if (reason === undefined) expect(implausible(timed)).toBeUndefined();
    else expect(implausible(timed)).toMatch(reason);
  });
});
