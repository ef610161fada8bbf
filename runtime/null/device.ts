/**
 * The null device: the session interface without a GPU. Nothing is executed; sizes, names and ranges are
 * checked as on a real device, weights and inputs are kept, outputs are zero.
 *
 * Tests of everything around the GPU run on it, on any machine. Kernels are compile-checked by `validateWgsl`
 * in `runtime/node/gpu.ts`, on Dawn's null backend.
 */
import type { BufferRange, Plan, PlanSection, Slot, VerifiedPlan } from '../../compiler/plan/types.ts';
import { stateSlots } from '../../compiler/plan/types.ts';
import { type DeviceProfile, lavapipeProfile } from '../../compiler/profile.ts';
import { hyperSlots } from '../../compiler/slots.ts';
import { StagedWeights } from '../staged-weights.ts';
import { checkRun, slotBytes } from '../submits.ts';
import type { Device, HostArray, Session } from '../types.ts';
import { checkRequirements } from '../webgpu/device.ts';

export class NullDevice implements Device {
  readonly profile: DeviceProfile;
  readonly memory = { current: 0, peak: 0 };
  readonly lost = new Promise<never>(() => {});

  constructor(profile: DeviceProfile = lavapipeProfile) {
    this.profile = profile;
  }

  async open(plan: VerifiedPlan): Promise<Session> {
    checkRequirements(plan, this.profile);
    checkPlan(plan, this.profile);
    const bytes = plan.buffers.reduce((n, b) => n + b.bytes, 0);
    this.memory.current += bytes;
    this.memory.peak = Math.max(this.memory.peak, this.memory.current);
    return new NullSession(plan, () => {
      this.memory.current -= bytes;
    });
  }

  close(): void {
    this.memory.current = 0;
  }
}

/**
 * Checks that every range of a plan lies in its buffer and every reference exists. A violation is a defect of
 * the compiler, so it is thrown as a plain error that names the step or slot.
 */
function checkPlan(plan: Plan, profile: DeviceProfile): void {
  const inRange = (what: string, { buffer, offset }: BufferRange, bytes: number): void => {
    const target = plan.buffers[buffer];
    if (!target || target.id !== buffer) throw new Error(`${what}: there is no buffer ${buffer}`);
    if (offset < 0 || offset + bytes > target.bytes)
      throw new Error(
        `${what}: [${offset}, ${offset + bytes}) is outside of buffer ${buffer} (${target.bytes})`,
      );
  };
  for (const slot of [...stateSlots(plan), ...plan.inputs, ...plan.outputs])
    inRange(slot.name, slot, slotBytes(slot));
  for (const [i, step] of [...plan.setup, ...plan.steps].entries()) {
    const what = `step ${i} (${step.label})`;
    const pipeline = plan.pipelines[step.pipeline];
    if (!pipeline) throw new Error(`${what}: there is no pipeline ${step.pipeline}`);
    if (pipeline.bindings.length !== step.bindings.length)
      throw new Error(
        `${what}: ${step.bindings.length} bindings for a kernel with ${pipeline.bindings.length}`,
      );
    for (const binding of step.bindings) {
      inRange(what, binding, binding.size);
      if (binding.offset % profile.limits.minStorageBufferOffsetAlignment !== 0)
        throw new Error(`${what}: offset ${binding.offset} is not aligned`);
    }
    if (step.workgroups.some((n) => n < 1 || n > profile.limits.maxComputeWorkgroupsPerDimension))
      throw new Error(
        `${what}: ${step.workgroups.join(' x ')} workgroups are outside of the device's limits`,
      );
  }
}

function zeros(slot: { readonly dtype: string; readonly shape: readonly number[] }): HostArray {
  const length = slotBytes(slot) / 4;
  return slot.dtype === 'i32' ? new Int32Array(length) : new Float32Array(length);
}

class NullSession implements Session {
  readonly plan: Plan;
  readonly #release: () => void;
  readonly #weights = new Map<string, HostArray>();
  readonly #staged: StagedWeights;
  #closed = false;

  constructor(plan: Plan, release: () => void) {
    this.plan = plan;
    this.#staged = new StagedWeights(plan);
    this.#release = release;
  }

  writeWeight(name: string, data: HostArray): void {
    this.#weights.set(name, this.#accept(stateSlots(this.plan), name, data).slice());
    this.#staged.written({ name });
  }

  async readWeight(name: string): Promise<Float32Array> {
    const slot = this.#slot(stateSlots(this.plan), name);
    this.#staged.checkKept(name);
    return (this.#weights.get(name) ?? zeros(slot)).slice() as Float32Array;
  }

  writeInput(name: string, data: HostArray): void {
    this.#accept(this.plan.inputs, name, data);
  }

  writeHyper(values: readonly number[]): void {
    if (!this.plan.buffers.some((b) => b.role === 'hyper')) throw new Error('the plan has no hyper buffer');
    if (values.length !== hyperSlots.length) throw new Error(`hyper wants ${hyperSlots.length} values`);
  }

  run(section?: PlanSection, repetition = 0): void {
    if (this.#closed) throw new Error('the session is closed');
    checkRun(this.plan, section, repetition);
    this.#staged.checkComplete();
  }

  async read(output: string): Promise<HostArray> {
    return zeros(this.#slot(this.plan.outputs, output));
  }

  async readLater(names: readonly string[]): Promise<Map<string, HostArray>> {
    return new Map(
      names.map((name) => {
        const output = this.plan.outputs.find((s) => s.name === name);
        const stored = this.#weights.get(name);
        if (output === undefined) this.#staged.checkKept(name);
        return [
          name,
          output ? zeros(output) : (stored?.slice() ?? zeros(this.#slot(stateSlots(this.plan), name))),
        ];
      }),
    );
  }

  writeSlot(slot: Slot, data: HostArray): void {
    this.#accept([slot], slot.name, data);
  }

  async readSlot(slot: Slot): Promise<HostArray> {
    return zeros(slot);
  }

  copyFrom(): void {}

  clear(): void {}

  async finish(): Promise<void> {}

  close(): void {
    if (!this.#closed) this.#release();
    this.#closed = true;
  }

  #slot<T extends Slot>(slots: readonly T[], name: string): T {
    if (this.#closed) throw new Error('the session is closed');
    const slot = slots.find((s) => s.name === name);
    if (!slot) throw new Error(`the plan has no ${name}`);
    return slot;
  }

  #accept(slots: readonly Slot[], name: string, data: HostArray): HostArray {
    const slot = this.#slot(slots, name);
    const empty = zeros(slot);
    if (data.length !== empty.length || data.constructor !== empty.constructor)
      throw new Error(
        `${name} wants ${empty.length} ${slot.dtype} values, got ${data.length} (${data.constructor.name})`,
      );
    return data;
  }
}
