/**
 * Run by matrix.test.ts in a process of its own, under a driver that offers subgroup matrices: runs the cases
 * and prints one line of JSON. The driver is loaded with another C library, so the test runner itself cannot
 * run under it.
 */
import { createBuilder } from '../../../compiler/graph/create-builder.ts';
import type { DeviceProfile } from '../../../compiler/profile.ts';
import { openGpu as openDevice } from '../../../runtime/node/gpu.ts';
import { describeAdapter, profileOf } from '../../../runtime/webgpu/adapter.ts';
import { compare } from './compiled.ts';
import { openGpu, type TestGpu } from './harness.ts';
import { chosenCases, matrixIds, runCase, scheduledCases } from './matrix-cases.ts';

/** What the test looks at, for one case (with one schedule). */
export interface ChildOutcome {
  readonly name: string;
  readonly schedule: string;
  readonly excess: number;
  /** Whether it gave the same bits when run again (or by another schedule). */
  readonly repeats: boolean;
}

export interface ChildReport {
  readonly profile: DeviceProfile;
  readonly cases: readonly ChildOutcome[];
  /** The same as AMD's cards have them; whether the bits are those of the others. */
  readonly transposed: readonly ChildOutcome[];
  readonly schedules: readonly ChildOutcome[];
  readonly plan: {
    readonly features: readonly string[];
    readonly schedules: readonly string[];
    /**
     * Largest error of a plan with a linear layer, its gelu and another layer in halves, relative to the
     * largest result.
     */
    readonly error: number;
  };
}

const same = (a: Float64Array, b: Float64Array) => a.every((value, i) => value === b[i]);

async function runCases(
  gpu: TestGpu,
  profile: DeviceProfile,
  other: DeviceProfile = profile,
): Promise<ChildOutcome[]> {
  const outcomes: ChildOutcome[] = [];
  for (const c of chosenCases()) {
    const first = await runCase(gpu, c, profile);
    const again = await runCase(gpu, c, other);
    const { schedule, excess } = first;
    outcomes.push({ name: c.name, schedule, excess, repeats: same(first.values, again.values) });
  }
  return outcomes;
}

/** Every schedule on vec4s; on odd sizes the smallest, since the driver compiles large tiles for seconds. */
async function runSchedules(gpu: TestGpu, profile: DeviceProfile): Promise<ChildOutcome[]> {
  const outcomes: ChildOutcome[] = [];
  const ids = matrixIds(profile);
  const smallest = ids.filter((id) => id.startsWith('m32x32x'));
  for (const [c, forcedIds] of [
    [scheduledCases[0]!, ids],
    [scheduledCases[1]!, smallest],
  ] as const) {
    let first: Float64Array | undefined;
    for (const forced of forcedIds) {
      const { schedule, excess, values } = await runCase(gpu, c, profile, forced);
      first ??= values;
      outcomes.push({ name: c.name, schedule, excess, repeats: same(first, values) });
    }
  }
  return outcomes;
}

/** Two layers in halves, by way of a plan: casts, features, memory. */
async function runPlan(profile: DeviceProfile): Promise<ChildReport['plan']> {
  const b = createBuilder();
  const half = (id: number) => b.add('cast', [id], { to: 'f16' });
  const weight = (name: string, shape: number[]) => half(b.add('param', [], { name, shape, role: 'param' }));
  const flags = { transposeA: false, transposeB: true };
  const x = half(b.add('input', [], { name: 'x', dtype: 'f32', shape: [37, 48] }));
  const hidden = b.add('sigmoid', [b.add('matmul', [x, weight('up', [64, 48])], flags)], {});
  const y = b.add('matmul', [hidden, weight('down', [20, 64])], flags);
  const graph = b.finish([{ name: 'y', node: b.add('cast', [y], { to: 'f32' }) }]);
  const { device } = await openDevice();
  const { plan, errors } = await compare(device, profile, graph);
  device.close();
  const schedules = plan.steps.flatMap(({ schedule }) => (schedule === undefined ? [] : [schedule.id]));
  return { features: plan.requires.features, schedules, error: errors.get('y')! };
}

const gpu = await openGpu();
const adapter = await gpu?.gpu.requestAdapter();
if (!gpu || !adapter) throw new Error('there is no adapter');
const profile: DeviceProfile = { ...profileOf(describeAdapter(adapter, 'vulkan')), kind: 'gpu' };
const report: ChildReport = {
  profile,
  cases: await runCases(gpu, profile),
  transposed: await runCases(gpu, { ...profile, vendor: 'amd' }, profile),
  schedules: await runSchedules(gpu, profile),
  plan: await runPlan(profile),
};
console.log(JSON.stringify(report));
// Dawn keeps a process alive while its objects are reachable.
process.exit(0);
