/**
 * Whether an adapter's timestamps can be believed, found out with two kernels whose times must differ.
 *
 * Drivers exist that offer timestamps and write zeros, or the time of recording. So the first use
 * on a device runs a short and a long kernel in turn and looks whether order, ratio and sum fit
 * what the host's clock saw.
 */
import type { PlanStep } from '../../compiler/plan/types.ts';
import { bufferUsage } from '../webgpu/constants.ts';
import type { WebGpuDevice } from '../webgpu/device.ts';
import { type Clock, type Dispatch, runTimed, type TimedRun } from './timed-run.ts';

export interface TrustedClock {
  readonly clock: Clock;
  /** Why it is not the device's; to be shown. */
  readonly remark?: string;
}

const invocations = 32768;

function kernel(rounds: number): string {
  return `@group(0) @binding(0) var<storage, read_write> x: array<f32>;
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  var v = x[id.x];
  for (var i = 0u; i < ${rounds}u; i++) { v = fma(v, 0.999, 0.5); }
  x[id.x] = v;
}`;
}

function probe({ gpu }: WebGpuDevice, buffer: GPUBuffer, rounds: number): Dispatch {
  const module = gpu.createShaderModule({ code: kernel(rounds) });
  const pipeline = gpu.createComputePipeline({ layout: 'auto', compute: { module, entryPoint: 'main' } });
  const group = gpu.createBindGroup({
    layout: pipeline.getBindGroupLayout(0),
    entries: [{ binding: 0, resource: { buffer } }],
  });
  const step: PlanStep = {
    pipeline: 0,
    bindings: [],
    workgroups: [invocations / 64, 1, 1],
    label: `probe of ${rounds} rounds`,
    flops: 0,
    bytes: 0,
  };
  return { step, pipeline, group };
}

/** What is wrong with the times of short and long kernels in turn; undefined if nothing. */
export function implausible({ spans, encode, wait }: TimedRun): string | undefined {
  const lasted = spans.map(({ start, end }) => end - start);
  const wall = encode + wait;
  if (lasted.some((t) => !(t >= 0))) return 'a kernel ended before it began';
  if (spans.some(({ start }, i) => i > 0 && start < spans[i - 1]!.start)) return 'kernels began out of order';
  const total = lasted.reduce((a, b) => a + b, 0);
  if (total > wall * 1.05) return 'kernels took longer than the host waited for them';
  const short = lasted.filter((_, i) => i % 2 === 0).reduce((a, b) => a + b, 0);
  if (total - short < 2 * short || total === 0) return 'a long kernel took no longer than a short one';
  return undefined;
}

/** The clock to measure with on this device. */
export async function trustedClock(device: WebGpuDevice): Promise<TrustedClock> {
  const fallback = 'each kernel is timed by the host, with what a submit costs';
  if (!device.gpu.features.has('timestamp-query'))
    return { clock: 'host', remark: `${device.profile.name} has no timestamps: ${fallback}` };
  const buffer = device.createBuffer('probe', 4 * invocations, bufferUsage.storage);
  try {
    const [short, long] = [probe(device, buffer, 16), probe(device, buffer, 2048)];
    const options = { clock: 'device', budget: Number.POSITIVE_INFINITY } as const;
    await runTimed(device.gpu, [short, long], options);
    const reason = implausible(await runTimed(device.gpu, [short, long, short, long], options));
    if (reason === undefined) return { clock: 'device' };
    return {
      clock: 'host',
      remark: `the timestamps of ${device.profile.name} make no sense (${reason}): ${fallback}`,
    };
  } finally {
    device.destroyBuffer(buffer);
  }
}
