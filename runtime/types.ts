/**
 * The runtime's own interfaces: a device that runs verified plans, and a session that
 * holds one plan's memory.
 *
 * The same interface is served by WebGPU (Dawn in Node, a browser) and by the null
 * device, which executes nothing.
 */
import type { Plan, PlanSection, Slot, VerifiedPlan } from '../compiler/plan/types.ts';
import type { DeviceProfile } from '../compiler/profile.ts';
import type { DiagnosticError } from '../grammar/diagnostics.ts';

/** Values in the memory of the program. */
export type HostArray = Float32Array | Int32Array;

/** Told how many of how many kernels are done. */
export type KernelsDone = (done: number, of: number) => void;

/** What a session that opens has to tell while a person waits. */
export interface OpenWatch {
  /** Kernels that the driver has accepted. */
  readonly compiled?: KernelsDone;
  /**
   * Kernels that have run for the first time, which is when some drivers compile. The first run is then cut into a
   * submit for each.
   */
  readonly ran?: KernelsDone;
}

export interface Device {
  readonly profile: DeviceProfile;
  /**
   * Compiles the pipelines (in parallel) and allocates the buffers; errors are readable
   * `DiagnosticError`s (Z6xx).
   */
  open(plan: VerifiedPlan, watch?: OpenWatch): Promise<Session>;
  /** Bytes now allocated on the device, and the most there ever were. */
  readonly memory: { readonly current: number; readonly peak: number };
  /** Resolves with Z606 when the device is lost, which closing it is not. */
  readonly lost: Promise<DiagnosticError>;
  close(): void;
}

export interface Session {
  readonly plan: Plan;
  /** Overwrites one weight, buffer or other state of the plan (`stateSlots`), row-major in its own shape. */
  writeWeight(name: string, data: HostArray): void;
  readWeight(name: string): Promise<Float32Array>;
  writeInput(name: string, data: HostArray): void;
  /** Values of `hyperSlots`, before a training step. */
  writeHyper(values: readonly number[]): void;
  /**
   * Encodes every step, or those of one section, and returns at once. A plan with
   * sections runs by sections only.
   * @param repetition which chunk, from 0
   */
  run(section?: PlanSection, repetition?: number): void;
  /** Waits for the work submitted so far and copies one output to the host. */
  read(output: string): Promise<HostArray>;
  /** Copies small outputs or weights behind the run just submitted, without waiting: resolves later. */
  readLater(names: readonly string[]): Promise<Map<string, HostArray>>;
  /** Overwrites any range of the plan's memory. */
  writeSlot(slot: Slot, data: HostArray): void;
  /** Waits for the work submitted so far and copies any range of the plan's memory. */
  readSlot(slot: Slot): Promise<HostArray>;
  /** Copies a range of the memory of a session of the same device, behind the runs of both so far. */
  copyFrom(session: Session, from: Slot, to: Slot): void;
  /** Fills one of the plan's buffers with zeros, behind the runs so far. */
  clear(buffer: number): void;
  /** Resolves when all submitted work is done. */
  finish(): Promise<void>;
  close(): void;
}
