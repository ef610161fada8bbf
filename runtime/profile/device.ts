/**
 * A device whose sessions time every step. Everything that uses a device can be
 * profiled by giving it this one.
 *
 * Runs are slower than normal ones: each step has a pass of its own, and each call waits until the one before
 * is done, so that the host's time can be told from the device's. Results are the same.
 */

import type { Plan, Slot, VerifiedPlan } from '../../compiler/plan/types.ts';
import type { DeviceProfile } from '../../compiler/profile.ts';
import { fail } from '../../grammar/diagnostics.ts';
import { type TrustedClock, trustedClock } from '../timing/clock.ts';
import type { Clock } from '../timing/timed-run.ts';
import type { Device, HostArray, OpenWatch, Session } from '../types.ts';
import type { WebGpuDevice } from '../webgpu/device.ts';
import type { WebGpuSession } from '../webgpu/session.ts';
import type { HostPhase, ProfileRecorder, SessionProfile } from './recorder.ts';

export class ProfilingDevice implements Device {
  readonly #inner: WebGpuDevice;
  readonly #recorder: ProfileRecorder;
  readonly #notify: (text: string) => void;
  #clock: Promise<TrustedClock> | undefined;

  /** @param notify told why the device's own clock is not used, if so */
  constructor(inner: WebGpuDevice, recorder: ProfileRecorder, notify: (text: string) => void) {
    this.#inner = inner;
    this.#recorder = recorder;
    this.#notify = notify;
  }

  get profile(): DeviceProfile {
    return this.#inner.profile;
  }

  get lost(): Device['lost'] {
    return this.#inner.lost;
  }

  get memory(): Device['memory'] {
    return this.#inner.memory;
  }

  /** @throws DiagnosticError Z607 for a plan in sections, whose steps repeat for each chunk */
  async open(plan: VerifiedPlan, watch?: OpenWatch): Promise<Session> {
    if (plan.sections !== undefined)
      fail(
        'Z607',
        '--profile of training in chunks or by lengths is not supported',
        'profile it with chunk = batch, without lengths',
      );
    if (this.#clock === undefined) {
      this.#clock = trustedClock(this.#inner);
      const { clock, remark } = await this.#clock;
      if (remark !== undefined) this.#notify(remark);
      this.#recorder.clock = clock;
    }
    const { clock } = await this.#clock;
    const session = await this.#inner.open(plan, watch);
    return new ProfilingSession(session, clock, this.#recorder.begin(session.plan));
  }

  close(): void {
    this.#inner.close();
  }
}

/**
 * Calls become tasks of one queue, in order. What a task without a result throws is thrown
 * by the next that has one.
 */
class ProfilingSession implements Session {
  readonly #inner: WebGpuSession;
  readonly #clock: Clock;
  readonly #profile: SessionProfile;
  #queue: Promise<unknown> = Promise.resolve();

  constructor(inner: WebGpuSession, clock: Clock, profile: SessionProfile) {
    this.#inner = inner;
    this.#clock = clock;
    this.#profile = profile;
  }

  get plan(): Plan {
    return this.#inner.plan;
  }

  writeWeight(name: string, data: HostArray): void {
    const own = data.slice();
    this.#later('state', () => this.#inner.writeWeight(name, own));
  }

  readWeight(name: string): Promise<Float32Array> {
    return this.#next('state', () => this.#inner.readWeight(name));
  }

  writeInput(name: string, data: HostArray): void {
    const own = data.slice();
    this.#later('upload', () => this.#inner.writeInput(name, own));
  }

  writeHyper(values: readonly number[]): void {
    const own = [...values];
    this.#later('upload', () => this.#inner.writeHyper(own));
  }

  run(): void {
    const profile = this.#profile;
    profile.calls++;
    // What changes no weights can run again at once, so that there is a run without the driver's compilation.
    const runs = profile.calls === 1 && this.plan.optimizer === undefined ? 2 : 1;
    // Its own encoding and waiting are told by the run itself.
    this.#later(undefined, async () => {
      for (let i = 0; i < runs; i++) profile.addRun(await this.#inner.timedRun(this.#clock));
    });
  }

  read(output: string): Promise<HostArray> {
    return this.#next('wait', () => this.#inner.read(output));
  }

  readLater(names: readonly string[]): Promise<Map<string, HostArray>> {
    return this.#next('wait', () => this.#inner.readLater(names));
  }

  writeSlot(slot: Slot, data: HostArray): void {
    const own = data.slice();
    this.#later('upload', () => this.#inner.writeSlot(slot, own));
  }

  readSlot(slot: Slot): Promise<HostArray> {
    return this.#next('wait', () => this.#inner.readSlot(slot));
  }

  copyFrom(session: Session, from: Slot, to: Slot): void {
    this.#later(undefined, () => this.#inner.copyFrom(session, from, to));
  }

  clear(buffer: number): void {
    this.#later(undefined, () => this.#inner.clear(buffer));
  }

  finish(): Promise<void> {
    return this.#next('wait', () => this.#inner.finish());
  }

  close(): void {
    this.#inner.close();
  }

  #later(phase: HostPhase | undefined, task: () => void | Promise<void>): void {
    this.#queue = this.#queue.then(() => this.#timed(phase, task));
    // Kept from being an unhandled rejection; whoever waits for the queue still sees it.
    this.#queue.catch(() => {});
  }

  #next<T>(phase: HostPhase, task: () => Promise<T>): Promise<T> {
    const result = this.#queue.then(() => this.#timed(phase, task));
    this.#queue = result;
    result.catch(() => {});
    return result;
  }

  async #timed<T>(phase: HostPhase | undefined, task: () => T | Promise<T>): Promise<T> {
    const start = performance.now();
    const result = await task();
    if (phase !== undefined) this.#profile.addHost({ phase, start, end: performance.now() });
    return result;
  }
}
