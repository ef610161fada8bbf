/**
 * A device without an adapter: it runs plans by the text of their kernels (run-plan.ts), so that the same test runs with the one
 * or the other.
 *
 * A software adapter compiles a kernel for a tenth of a second up to two seconds, this for some ten milliseconds. So schedules for
 * GPUs are judged on whole models by this, while the adapter runs those made for it.
 */
import { setFlagsFromString } from 'node:v8';
import { type Plan, type PlanSection, type Slot, stateSlots } from '../../../compiler/plan/types.ts';
import {
  type DeviceProfile,
  discreteProfile,
  lavapipeProfile,
  swiftshaderProfile,
} from '../../../compiler/profile.ts';
import { checkRun } from '../../../runtime/submits.ts';
import type { Device, HostArray, Session } from '../../../runtime/types.ts';
import { PlanRun } from './run-plan.ts';

// Hundreds of kernels that each run a few times: optimising them all takes longer than running them.
for (const flag of ['--always-sparkplug', '--interrupt-budget=1000000']) setFlagsFromString(flag);

/** What comparisons need of a device. */
export type Runner = Pick<Device, 'profile' | 'open'>;

/** Runs plans that are made for `profile`, or for one with subgroups of the same size; counts no memory. */
export function textDevice(profile: DeviceProfile): Device {
  return {
    profile,
    open: async (plan) => new TextSession(plan, profile.subgroupSize?.max ?? 1),
    memory: { current: 0, peak: 0 },
    lost: new Promise<never>(() => {}),
    close() {},
  };
}

/** The schedules of software adapters, of Chromium's, and those of discrete GPUs. */
export const softwareText = textDevice(lavapipeProfile);
export const swiftshaderText = textDevice(swiftshaderProfile);
export const discreteText = textDevice({ ...discreteProfile, subgroupSize: { min: 32, max: 32 } });

class TextSession implements Session {
  readonly plan: Plan;
  readonly #run: PlanRun;
  /** Weights were written since `setup` last ran. */
  #stale = true;

  constructor(plan: Plan, subgroup: number) {
    this.plan = plan;
    this.#run = new PlanRun(plan, subgroup);
  }

  writeWeight(name: string, data: HostArray): void {
    this.#stale = true;
    this.#run.write(find(stateSlots(this.plan), name), data);
  }

  async readWeight(name: string): Promise<Float32Array> {
    return this.#run.read(find(stateSlots(this.plan), name)) as Float32Array;
  }

  writeInput(name: string, data: HostArray): void {
    this.#run.write(find(this.plan.inputs, name), data);
  }

  writeHyper(values: readonly number[]): void {
    this.#run.writeHyper(values);
  }

  run(section?: PlanSection, repetition = 0): void {
    checkRun(this.plan, section, repetition);
    if (this.#stale) this.#run.setup();
    this.#stale = false;
    this.#run.run(section, repetition);
  }

  async read(output: string): Promise<HostArray> {
    return this.#run.read(find(this.plan.outputs, output));
  }

  async readLater(names: readonly string[]): Promise<Map<string, HostArray>> {
    const slots = [...this.plan.outputs, ...stateSlots(this.plan)];
    return new Map(names.map((name) => [name, this.#run.read(find(slots, name))]));
  }

  writeSlot(slot: Slot, data: HostArray): void {
    if (this.plan.buffers[slot.buffer]!.role === 'weights') this.#stale = true;
    this.#run.write(slot, data);
  }

  async readSlot(slot: Slot): Promise<HostArray> {
    return this.#run.read(slot);
  }

  copyFrom(session: Session, from: Slot, to: Slot): void {
    if (!(session instanceof TextSession)) throw new Error('a session of another kind of device');
    this.#run.write(to, session.#run.read(from));
  }

  clear(buffer: number): void {
    this.#run.clear(buffer);
  }

  async finish(): Promise<void> {}

  close(): void {}
}

function find<S extends { readonly name: string }>(slots: readonly S[], name: string): S {
  const slot = slots.find((s) => s.name === name);
  if (slot === undefined) throw new Error(`the plan has no ${name}`);
  return slot;
}
