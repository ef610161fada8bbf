/** How long each step of a plan takes on the device, by its own clock. */
import type { PlanStep } from '../../../compiler/plan/types.ts';
import { fail } from '../../../grammar/diagnostics.ts';
import { trustedClock } from '../../../runtime/timing/clock.ts';
import type { Device, Session } from '../../../runtime/types.ts';
import { WebGpuDevice } from '../../../runtime/webgpu/device.ts';
import { WebGpuSession } from '../../../runtime/webgpu/session.ts';
import { median } from '../../bench/measure.ts';

/** Measured times of one step. */
export interface StepTime {
  /** Its place in `plan.steps`, as `StepInfo.index` of the same entry, batch and profile. */
  readonly index: number;
  readonly label: string;
  /** Median of the runs, as a dispatch in a pass of its own. */
  readonly seconds: number;
  readonly flops: number;
  readonly bytes: number;
}

/**
 * Refuses a device whose timestamps say nothing.
 * @throws DiagnosticError Z603
 * @internal
 */
export async function checkClock(device: Device): Promise<void> {
  const help = 'an adapter with `timestamp-query` can; `zooc run --profile` goes by the host’s clock';
  if (!(device instanceof WebGpuDevice))
    fail('Z603', `${device.profile.name} runs nothing that could be timed`);
  const { clock, remark } = await trustedClock(device);
  if (clock !== 'device') fail('Z603', `steps cannot be timed: ${remark!.split(': ')[0]}`, help);
}

/**
 * Times the steps of a session whose inputs and weights are written.
 * @internal
 */
export async function timeSteps(session: Session | undefined, runs: number): Promise<StepTime[]> {
  if (!(session instanceof WebGpuSession)) throw new Error('only a WebGPU session can be timed');
  const { steps } = session.plan;
  const times = new Map<PlanStep, number[]>(steps.map((step) => [step, []]));
  // What drivers compile at first use is not counted, nor what is made once for the weights.
  await session.timedRun('device');
  for (let run = 0; run < runs; run++)
    for (const { step, start, end } of (await session.timedRun('device')).spans)
      times.get(step)?.push(end - start);
  return steps.map((step, index) => {
    const { label, flops, bytes } = step;
    return { index, label, seconds: median(times.get(step)!), flops, bytes };
  });
}
