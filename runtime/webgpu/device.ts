/**
 * A WebGPU device that opens sessions: it shares pipelines of equal WGSL between plans, counts memory, and
 * turns WebGPU's errors into diagnostics.
 *
 * WebGPU reports errors late and aside: error scopes around creation, an uncaptured error event, a lost
 * device. All of them end in one place, `failure`, and every later call of a session throws it.
 */
import type { Plan, PlanPipeline, PlanStep, VerifiedPlan } from '../../compiler/plan/types.ts';
import type { DeviceProfile, TunedSchedules } from '../../compiler/profile.ts';
import { DiagnosticError, fail } from '../../grammar/diagnostics.ts';
import type { Device, KernelsDone, OpenWatch } from '../types.ts';
import { bufferUsage, shaderStage } from './constants.ts';
import { WebGpuSession } from './session.ts';
import type { SessionDevice } from './session-device.ts';

const mebibyte = 2 ** 20;

export function formatBytes(bytes: number): string {
  if (bytes < 1024) return `${bytes} bytes`;
  return bytes < mebibyte
    ? `${(bytes / 1024).toFixed(1)} KiB`
    : `${(bytes / mebibyte).toFixed(1).replace(/\.0$/, '')} MiB`;
}

/** The first lines of a Dawn message without its call stack, on one line. */
function brief(message: string): string {
  return message
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .slice(0, 6)
    .join(' ');
}

function diagnosticOf(error: GPUError, doing: string): DiagnosticError {
  const name = error.constructor.name;
  const text = brief(error.message);
  const outOfMemory = /OutOfMemory/i.test(name) || /out of memory/i.test(text);
  return new DiagnosticError([
    outOfMemory
      ? {
          code: 'Z605',
          severity: 'error',
          message: `the device has not enough memory: ${doing}: ${text}`,
          help: 'use a smaller batch',
        }
      : { code: 'Z604', severity: 'error', message: `the device reported an error: ${doing}: ${text}` },
  ]);
}

export class WebGpuDevice implements Device, SessionDevice {
  readonly gpu: GPUDevice;
  readonly memory = { current: 0, peak: 0 };
  /** The first error that came outside of any scope, or the loss of the device. */
  failure: DiagnosticError | undefined;
  readonly lost: Promise<DiagnosticError>;
  readonly #release: () => void;
  #profile: DeviceProfile;
  readonly #pipelines = new Map<string, Promise<GPUComputePipeline>>();
  readonly #layouts = new Map<string, GPUBindGroupLayout>();
  #closed = false;

  /** @param release called once when the device is closed */
  constructor(gpu: GPUDevice, profile: DeviceProfile, release: () => void = () => {}) {
    this.gpu = gpu;
    this.#profile = profile;
    this.#release = release;
    gpu.addEventListener('uncapturederror', (event) => {
      this.failure ??= diagnosticOf((event as GPUUncapturedErrorEvent).error, 'while running');
    });
    this.lost = new Promise((resolve) => {
      void gpu.lost.then((info) => {
        if (this.#closed) return;
        const loss = new DiagnosticError([
          {
            code: 'Z606',
            severity: 'error',
            message: `the device was lost (${info.reason}): ${brief(info.message)}`,
            help: 'resume from the last checkpoint; a driver that stops long work may need a smaller batch',
          },
        ]);
        this.failure ??= loss;
        resolve(loss);
      });
    });
  }

  get profile(): DeviceProfile {
    return this.#profile;
  }

  /** Takes up schedules that were measured on this device; plans compiled from now on use them. */
  adopt(tuned: TunedSchedules): void {
    this.#profile = { ...this.#profile, tuned: { ...this.#profile.tuned, ...tuned } };
  }

  /** Throws what went wrong on this device, if anything did. */
  check(): void {
    if (this.failure) throw this.failure;
    if (this.#closed) throw new Error('the device is closed');
  }

  async open(plan: VerifiedPlan, watch: OpenWatch = {}): Promise<WebGpuSession> {
    this.check();
    checkRequirements(plan, this.profile);
    const compiling = this.#createPipelines(plan, watch.compiled);
    compiling.catch(() => {});
    const buffers = await this.#createBuffers(plan);
    try {
      const pipelines = await compiling;
      const groups = await this.scoped(`binding the steps of ${plan.model} ${plan.entry}`, () => ({
        setup: plan.setup.map((step) => this.#bind(plan, step, buffers)),
        steps: plan.steps.map((step) => this.#bind(plan, step, buffers)),
      }));
      return new WebGpuSession(this, plan, buffers, pipelines, groups, watch.ran);
    } catch (error) {
      for (const buffer of buffers) this.destroyBuffer(buffer);
      throw error;
    }
  }

  /** Compiles every kernel of a plan and allocates nothing. @throws DiagnosticError Z604 naming the kernel */
  async compile(plan: VerifiedPlan): Promise<void> {
    this.check();
    await this.#createPipelines(plan);
  }

  /** Creates a buffer and counts it. */
  createBuffer(label: string, size: number, usage: number): GPUBuffer {
    const buffer = this.gpu.createBuffer({ label, size, usage });
    this.memory.current += size;
    this.memory.peak = Math.max(this.memory.peak, this.memory.current);
    return buffer;
  }

  destroyBuffer(buffer: GPUBuffer): void {
    this.memory.current -= buffer.size;
    buffer.destroy();
  }

  /**
   * Runs `make` inside error scopes.
   * @param doing what to name in an error: "creating the workspace buffer (512 MiB)"
   * @throws DiagnosticError Z604 (validation, internal) or Z605 (out of memory)
   */
  async scoped<T>(doing: string, make: () => T): Promise<Awaited<T>> {
    const filters = ['internal', 'out-of-memory', 'validation'] as const;
    for (const filter of filters) this.gpu.pushErrorScope(filter);
    let result: T | undefined;
    let thrown: unknown;
    try {
      result = make();
    } catch (error) {
      thrown = error;
    }
    const errors = await Promise.all(filters.map(() => this.gpu.popErrorScope()));
    const error = errors.find((e) => e !== null && e !== undefined);
    if (error) throw diagnosticOf(error, doing);
    if (thrown !== undefined) throw thrown;
    return await (result as T);
  }

  /** Releases the device and with it every session's memory. Safe to call twice. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.gpu.destroy();
    this.memory.current = 0;
    this.#pipelines.clear();
    this.#layouts.clear();
    this.#release();
  }

  async #createBuffers(plan: Plan): Promise<GPUBuffer[]> {
    const made: GPUBuffer[] = [];
    try {
      for (const { role, bytes } of plan.buffers) {
        const usage = bufferUsage.storage | bufferUsage.copyDestination | bufferUsage.copySource;
        const doing = `allocating ${formatBytes(bytes)} for ${role} (${formatBytes(plan.memory.total)} in all)`;
        await this.scoped(doing, () => made.push(this.createBuffer(role, bytes, usage)));
      }
      return made;
    } catch (error) {
      for (const buffer of made) this.destroyBuffer(buffer);
      throw error;
    }
  }

  #bind(plan: Plan, step: PlanStep, buffers: readonly GPUBuffer[]): GPUBindGroup {
    return this.gpu.createBindGroup({
      label: step.label,
      layout: this.#layout(plan.pipelines[step.pipeline]!),
      entries: step.bindings.map(({ buffer, offset, size }, binding) => ({
        binding,
        resource: { buffer: buffers[buffer]!, offset, size },
      })),
    });
  }

  #createPipelines({ pipelines }: Plan, compiled?: KernelsDone): Promise<GPUComputePipeline[]> {
    let done = 0;
    return Promise.all(
      pipelines.map(async (pipeline) => {
        const made = await this.#pipeline(pipeline);
        compiled?.(++done, pipelines.length);
        return made;
      }),
    );
  }

  #pipeline(pipeline: PlanPipeline): Promise<GPUComputePipeline> {
    const key = `${pipeline.bindings.join()}\n${pipeline.wgsl}`;
    let made = this.#pipelines.get(key);
    if (!made) {
      made = this.#compile(pipeline);
      made.catch(() => this.#pipelines.delete(key));
      this.#pipelines.set(key, made);
    }
    return made;
  }

  async #compile(pipeline: PlanPipeline): Promise<GPUComputePipeline> {
    const { label, wgsl } = pipeline;
    const module = await this.scoped(`compiling kernel ${label}`, () =>
      this.gpu.createShaderModule({ label, code: wgsl }),
    );
    const layout = this.gpu.createPipelineLayout({ bindGroupLayouts: [this.#layout(pipeline)] });
    try {
      return await this.gpu.createComputePipelineAsync({
        label,
        layout,
        compute: { module, entryPoint: 'main' },
      });
    } catch (error) {
      if (this.failure) throw this.failure;
      fail('Z604', `the device refused kernel ${label}: ${brief((error as Error).message)}`);
    }
  }

  #layout(pipeline: PlanPipeline): GPUBindGroupLayout {
    const key = pipeline.bindings.join();
    let layout = this.#layouts.get(key);
    if (!layout) {
      layout = this.gpu.createBindGroupLayout({
        entries: pipeline.bindings.map((access, binding) => ({
          binding,
          visibility: shaderStage.compute,
          buffer: { type: access === 'read' ? 'read-only-storage' : 'storage' },
        })),
      });
      this.#layouts.set(key, layout);
    }
    return layout;
  }
}

/**
 * Compares what a plan needs with what a device offers.
 * @throws DiagnosticError Z603 naming every limit and feature that is missing
 */
export function checkRequirements(plan: Plan, profile: DeviceProfile): void {
  const { features, ...limits } = plan.requires;
  const missing = Object.entries(limits)
    .filter(([name, value]) => value > profile.limits[name as keyof typeof limits])
    .map(([name, value]) => `${name} ${value} (it has ${profile.limits[name as keyof typeof limits]})`);
  missing.push(...features.filter((f) => !profile.features.includes(f)).map((f) => `feature ${f}`));
  if (missing.length > 0)
    fail(
      'Z603',
      `${profile.name} cannot run this plan: it needs ${missing.join(', ')}`,
      'compile for this device',
    );
}
