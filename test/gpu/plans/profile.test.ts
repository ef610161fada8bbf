import { describe, expect, it } from 'vitest';
import { compileGraph } from '../../../compiler/compile.ts';
import { createBuilder } from '../../../compiler/graph/create-builder.ts';
import type { VerifiedPlan } from '../../../compiler/plan/types.ts';
import type { DeviceProfile } from '../../../compiler/profile.ts';
import { openGpu } from '../../../runtime/node/gpu.ts';
import { ProfilingDevice } from '../../../runtime/profile/device.ts';
import { ProfileRecorder } from '../../../runtime/profile/recorder.ts';
import { summarize } from '../../../runtime/profile/summary.ts';
import { chromeTrace } from '../../../runtime/profile/trace.ts';
import type { Session } from '../../../runtime/types.ts';
import { device, fill } from '../support/compiled.ts';

const on = await device();

/** A small and a sixteen times larger product of one weight, whose transpose is made once. */
function planFor(profile: DeviceProfile): VerifiedPlan {
  const b = createBuilder();
  const w = b.add('param', [], { name: 'w', shape: [128, 256], role: 'param' });
  const product = (name: string, rows: number) => {
    const x = b.add('input', [], { name, dtype: 'f32', shape: [rows, 256] });
    return b.add('matmul', [x, w], { transposeA: false, transposeB: true });
  };
  const outputs = [
    { name: 'small', node: product('x', 16) },
    { name: 'large', node: product('y', 256) },
  ];
  return compileGraph(b.finish(outputs), {
    model: 'two',
    entry: 'products',
    batch: 1,
    mode: 'eval',
    profile,
  });
}

function write(session: Session, seed: number): void {
  for (const { name, shape } of session.plan.inputs)
    session.writeInput(name, new Float32Array(fill(shape[0]! * shape[1]!, seed)));
}

describe.skipIf(!on)('a profile on the adapter', () => {
  for (const clock of ['device', 'host'] as const)
    it(`by the ${clock}'s clock adds up, and changes no result`, async () => {
      const { device: own } = await openGpu();
      try {
        if (clock === 'host') Object.defineProperty(own.gpu, 'features', { value: new Set() });
        const plan = planFor(own.profile);
        const weight = new Float32Array(fill(128 * 256, 3));
        const recorder = new ProfileRecorder();
        const remarks: string[] = [];
        const profiled = await new ProfilingDevice(own, recorder, (text) => remarks.push(text)).open(plan);
        const plain = await own.open(plan);
        for (const session of [profiled, plain]) session.writeWeight('w', weight);
        const began = performance.now();
        for (const seed of [1, 2, 3]) {
          for (const session of [profiled, plain]) {
            write(session, seed);
            session.run();
          }
          // Written too early if calls did not keep their order.
          write(profiled, 99);
          for (const name of ['small', 'large'])
            expect(await profiled.read(name)).toEqual(await plain.read(name));
        }
        await profiled.finish();
        const wall = (performance.now() - began) / 1000;
        for (const session of [profiled, plain]) session.close();

        const [summary] = summarize(recorder).sessions;
        expect(remarks).toHaveLength(recorder.clock === 'host' ? 1 : 0);
        expect(summary).toMatchObject({ model: 'two', entry: 'products', runs: 3, cold: false });
        // The copy of the weight is made by the first run alone.
        expect(summary!.kernels.map((k) => k.count)).toEqual(plan.steps.map(() => 3));
        expect(summary!.kernels.reduce((sum, k) => sum + k.share, 0)).toBeCloseTo(1, 9);
        expect(summary!.seconds).toBeGreaterThan(0);
        expect(summary!.seconds).toBeLessThan(wall);
        for (const kernel of summary!.kernels) {
          expect(kernel.seconds).toBeGreaterThan(0);
          expect(kernel.gflops).toBeGreaterThan(0);
          expect(kernel.gigabytes).toBeGreaterThan(0);
        }
        const trace = chromeTrace(recorder);
        const kernels = trace.traceEvents.filter((e) => e.ph === 'X' && e.cat === 'kernel');
        expect(kernels.length).toBe(plan.setup.length + 4 * plan.steps.length);
      } finally {
        own.close();
      }
    });

  it('tells a failing call to whoever waits next', async () => {
    const { device: own } = await openGpu();
    try {
      const profiled = await new ProfilingDevice(own, new ProfileRecorder(), () => {}).open(
        planFor(own.profile),
      );
      profiled.writeInput('x', new Float32Array(3));
      await expect(profiled.finish()).rejects.toThrow(/x wants 4096 f32 values, got 3/);
      profiled.close();
    } finally {
      own.close();
    }
  });
});
