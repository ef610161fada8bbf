/**
 * Timing of plans on an open device: the median over several runs, each from encoding to the last result.
 *
 * A machine drifts, so a time alone says little; every case is judged as a ratio to the matrix-product
 * ceiling that is measured in the same process, with our own kernel, over a few shapes.
 */
import { compileGraph, type Precision } from '../../compiler/compile.ts';
import { createBuilder } from '../../compiler/graph/create-builder.ts';
import type { Plan, VerifiedPlan } from '../../compiler/plan/types.ts';
import { hyperSlots } from '../../compiler/slots.ts';
import type { Device, Session } from '../../runtime/types.ts';

export interface Timing {
  /** Seconds, over the timed runs. */
  readonly median: number;
  readonly fastest: number;
  readonly runs: number;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2;
}

/** Seconds of one run, of `inner` that are submitted before the wait. */
export async function timeOnce(session: Session, inner: number): Promise<number> {
  const start = performance.now();
  for (let i = 0; i < inner; i++) session.run();
  await session.finish();
  return (performance.now() - start) / 1000 / inner;
}

/** Times `session.run()`: once unmeasured, then `runs` times; `inner` runs are submitted before each wait. */
export async function timeRuns(session: Session, runs: number, inner = 1): Promise<Timing> {
  await timeOnce(session, inner);
  const times: number[] = [];
  for (let i = 0; i < runs; i++) times.push(await timeOnce(session, inner));
  return { median: median(times), fastest: Math.min(...times), runs };
}

export interface MatmulShape {
  readonly m: number;
  readonly n: number;
  readonly k: number;
}

export const ceilingShapes: readonly MatmulShape[] = [
  { m: 512, n: 512, k: 512 },
  { m: 1024, n: 1024, k: 1024 },
  { m: 400, n: 3072, k: 768 },
];

/** The plan of one product, [m, k] × [k, n]; the right factor is a weight, as in a linear layer. */
export function matmulPlan(
  { m, n, k }: MatmulShape,
  profile: Device['profile'],
  precision: Precision = 'f32',
): VerifiedPlan {
  const b = createBuilder();
  const left = b.add('input', [], { name: 'a', dtype: 'f32', shape: [m, k] });
  const right = b.add('param', [], { name: 'b', shape: [k, n], role: 'param' });
  const product = b.add('matmul', [left, right], { transposeA: false, transposeB: false });
  return compileGraph(b.finish([{ name: 'c', node: product }]), {
    model: 'bench',
    entry: 'matmul',
    batch: 1,
    mode: 'eval',
    profile,
    precision,
  });
}

/** Values of the size that features and weights have; zeros would let a device take short cuts. */
export function fill(length: number): Float32Array {
  return Float32Array.from({ length }, (_, i) => Math.sin(i * 0.7));
}

export interface Ceiling extends MatmulShape {
  readonly gflops: number;
  readonly dispatches: number;
}

/** GFLOP/s of each shape's median run. The best of them is the adapter's ceiling for this precision. */
export async function measureCeiling(
  device: Device,
  runs: number,
  precision: Precision = 'f32',
): Promise<Ceiling[]> {
  const results: Ceiling[] = [];
  for (const shape of ceilingShapes) {
    const plan = matmulPlan(shape, device.profile, precision);
    const session = await device.open(plan);
    try {
      session.writeInput('a', fill(shape.m * shape.k));
      session.writeWeight('b', fill(shape.k * shape.n));
      const flops = 2 * shape.m * shape.n * shape.k;
      const inner = device.profile.kind === 'gpu' ? 64 : 4;
      const { median: seconds } = await timeRuns(session, runs, inner);
      results.push({ ...shape, gflops: flops / seconds / 1e9, dispatches: plan.steps.length });
    } finally {
      session.close();
    }
  }
  return results;
}

/** Floats of the copy that measures bandwidth: larger than any cache. */
const copied = 2 ** 24;

/**
 * GB/s of a kernel that only reads and writes, the median run: the ceiling of kernels that hardly compute.
 */
export async function measureBandwidth(device: Device, runs: number): Promise<number> {
  const b = createBuilder();
  const x = b.add('input', [], { name: 'x', dtype: 'f32', shape: [copied] });
  const one = b.add('constant', [], { value: 1, dtype: 'f32', shape: [] });
  const plan = compileGraph(b.finish([{ name: 'y', node: b.add('add', [x, one], {}) }]), {
    model: 'bench',
    entry: 'copy',
    batch: 1,
    mode: 'eval',
    profile: device.profile,
  });
  const session = await device.open(plan);
  try {
    session.writeInput('x', fill(copied));
    const { median: seconds } = await timeRuns(session, runs, device.profile.kind === 'gpu' ? 32 : 2);
    return (8 * copied) / seconds / 1e9;
  } finally {
    session.close();
  }
}

/** Harmless values for a training step outside of a training run: a small rate, no clipping. */
export const benchHyper: Readonly<Record<(typeof hyperSlots)[number], number>> = {
  lr: 1e-4,
  bias_correction1: 0.1,
  bias_correction2: 0.02,
  clip_norm: 0,
};

export function writeBenchHyper(session: Session): void {
  session.writeHyper(hyperSlots.map((slot) => benchHyper[slot]));
}

/** Bytes that no plan in this step order can go below: everything that persists, and the largest live set. */
export function lowerBound({ memory }: Plan): number {
  return memory.total - memory.workspace + memory.workspaceLowerBound;
}
