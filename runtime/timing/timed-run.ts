/**
 * Steps with the time of each: a pass for every step between two timestamps of the device, or a submit for
 * every step timed by the host.
 *
 * Both are slower than a normal run, which has one pass for all steps. The host's clock includes what a
 * submit and its wait cost, so it is only for adapters without (or with wrong) timestamps.
 */
import type { PlanStep } from '../../compiler/plan/types.ts';
import { bufferUsage, mapMode } from '../webgpu/constants.ts';

/** Whose clock: the device's timestamps, or the host's around submit and wait. */
export type Clock = 'device' | 'host';

/** One step, ready to be dispatched. */
export interface Dispatch {
  readonly step: PlanStep;
  readonly pipeline: GPUComputePipeline;
  readonly group: GPUBindGroup;
}

export interface StepSpan {
  readonly step: PlanStep;
  /** Seconds since the first step began. */
  readonly start: number;
  readonly end: number;
}

export interface TimedRun {
  readonly clock: Clock;
  readonly spans: readonly StepSpan[];
  /**
   * The host's time: when encoding began (`performance.now()`), seconds for encoding,
   * and for waiting afterwards.
   */
  readonly began: number;
  readonly encode: number;
  readonly wait: number;
}

interface TimingOptions {
  readonly clock: Clock;
  /** How often each step is dispatched in its pass; its time is divided by that. */
  readonly repeat?: number;
  /** FLOPs of one submit. */
  readonly budget: number;
}

/** Queries of one set: WebGPU's limit. */
const queriesOfSet = 4096;

/** Runs dispatches in order and waits for the end. */
export function runTimed(
  gpu: GPUDevice,
  dispatches: readonly Dispatch[],
  options: TimingOptions,
): Promise<TimedRun> {
  return options.clock === 'device'
    ? runWithTimestamps(gpu, dispatches, options)
    : runStepwise(gpu, dispatches, options);
}

function encodePass(
  encoder: GPUCommandEncoder,
  { step, pipeline, group }: Dispatch,
  repeat: number,
  timestampWrites?: GPUComputePassTimestampWrites,
): void {
  const pass = encoder.beginComputePass({
    label: step.label,
    ...(timestampWrites === undefined ? {} : { timestampWrites }),
  });
  pass.setPipeline(pipeline);
  pass.setBindGroup(0, group);
  for (let i = 0; i < repeat; i++) pass.dispatchWorkgroups(...step.workgroups);
  pass.end();
}

async function runWithTimestamps(
  gpu: GPUDevice,
  dispatches: readonly Dispatch[],
  { repeat = 1, budget }: TimingOptions,
): Promise<TimedRun> {
  const { queue } = gpu;
  const queries = new Timestamps(gpu, dispatches.length);
  try {
    const began = performance.now();
    const buffers: GPUCommandBuffer[] = [];
    let encoder = gpu.createCommandEncoder();
    let flops = 0;
    for (const [i, dispatch] of dispatches.entries()) {
      const next = dispatch.step.flops * repeat;
      if (flops > 0 && flops + next > budget) {
        buffers.push(encoder.finish());
        encoder = gpu.createCommandEncoder();
        flops = 0;
      }
      flops += next;
      encodePass(encoder, dispatch, repeat, queries.writesOf(i));
    }
    queries.resolve(encoder);
    buffers.push(encoder.finish());
    for (const commands of buffers) queue.submit([commands]);
    const submitted = performance.now();
    const times = await queries.read();
    const wait = (performance.now() - submitted) / 1000;
    const first = times[0] ?? 0n;
    const seconds = (i: number) => Number(times[i]! - first) / 1e9;
    const spans = dispatches.map(({ step }, i) => {
      const start = seconds(2 * i);
      return { step, start, end: start + (seconds(2 * i + 1) - start) / repeat };
    });
    return { clock: 'device', spans, began, encode: (submitted - began) / 1000, wait };
  } finally {
    queries.destroy();
  }
}

/** Two timestamps for each of a number of passes. */
class Timestamps {
  readonly #sets: GPUQuerySet[] = [];
  readonly #resolved: GPUBuffer;
  readonly #staging: GPUBuffer;
  readonly #count: number;

  constructor(gpu: GPUDevice, passes: number) {
    this.#count = 2 * passes;
    for (let at = 0; at < this.#count; at += queriesOfSet)
      this.#sets.push(
        gpu.createQuerySet({ type: 'timestamp', count: Math.min(queriesOfSet, this.#count - at) }),
      );
    const size = Math.max(8, 8 * this.#count);
    this.#resolved = gpu.createBuffer({ size, usage: bufferUsage.queryResolve | bufferUsage.copySource });
    this.#staging = gpu.createBuffer({ size, usage: bufferUsage.mapRead | bufferUsage.copyDestination });
  }

  writesOf(pass: number): GPUComputePassTimestampWrites {
    const at = (2 * pass) % queriesOfSet;
    return {
      querySet: this.#sets[Math.floor((2 * pass) / queriesOfSet)]!,
      beginningOfPassWriteIndex: at,
      endOfPassWriteIndex: at + 1,
    };
  }

  resolve(encoder: GPUCommandEncoder): void {
    for (const [i, set] of this.#sets.entries())
      encoder.resolveQuerySet(set, 0, set.count, this.#resolved, 8 * queriesOfSet * i);
    encoder.copyBufferToBuffer(this.#resolved, 0, this.#staging, 0, this.#staging.size);
  }

  /** Nanoseconds of the device's clock; begin and end of every pass in turn. */
  async read(): Promise<BigUint64Array> {
    await this.#staging.mapAsync(mapMode.read);
    const times = new BigUint64Array(this.#staging.getMappedRange().slice(0), 0, this.#count);
    this.#staging.unmap();
    return times;
  }

  destroy(): void {
    for (const set of this.#sets) set.destroy();
    this.#resolved.destroy();
    this.#staging.destroy();
  }
}

async function runStepwise(
  gpu: GPUDevice,
  dispatches: readonly Dispatch[],
  { repeat = 1 }: TimingOptions,
): Promise<TimedRun> {
  const began = performance.now();
  const spans: StepSpan[] = [];
  let encode = 0;
  let wait = 0;
  for (const dispatch of dispatches) {
    const before = performance.now();
    const encoder = gpu.createCommandEncoder();
    encodePass(encoder, dispatch, repeat);
    const commands = encoder.finish();
    const start = performance.now();
    gpu.queue.submit([commands]);
    await gpu.queue.onSubmittedWorkDone();
    const end = performance.now();
    encode += (start - before) / 1000;
    wait += (end - start) / 1000;
    const from = (start - began) / 1000;
    spans.push({ step: dispatch.step, start: from, end: from + (end - start) / 1000 / repeat });
  }
  return { clock: 'host', spans, began, encode, wait };
}
