/**
 * One plan's memory on a WebGPU device, and the loop that replays its steps.
 *
 * Everything is made when the session opens: a bind group a step, submits of bounded work, staging buffers
 * that are used again. `run` encodes and returns; its submit is held back until the next call or the end of
 * the current task, so that the copies of `readLater` ride in the same submit.
 */
import type { BufferRange, Plan, PlanSection, Slot, StagedGroup } from '../../compiler/plan/types.ts';
import { stateSlots } from '../../compiler/plan/types.ts';
import { hyperSlots } from '../../compiler/slots.ts';
import { StagedWeights, ungroupedSetup } from '../staged-weights.ts';
import { checkRun, cutAtFirstUses, flopsPerSubmit, type Span, slotBytes, submitSpans } from '../submits.ts';
import { type Clock, type Dispatch, runTimed, type TimedRun } from '../timing/timed-run.ts';
import type { HostArray, KernelsDone, Session } from '../types.ts';
import { bufferUsage, mapMode } from './constants.ts';
import { encodeCopy, encodePass, type Program } from './encode.ts';
import type { SessionDevice } from './session-device.ts';
import { checkData, find, initialScaling, view } from './slots.ts';
import { chunkBytes, Uploads } from './uploads.ts';

/**
 * Largest result whose copy rides in the submit of its run, with a staging buffer of its own that is kept.
 */
const smallBytes = 2 ** 18;

/**
 * A set of small results copied behind a run: where each lies in the staging buffer,
 * and buffers to use again.
 */
interface Readback {
  readonly slots: readonly { readonly name: string; readonly slot: Slot; readonly at: number }[];
  readonly bytes: number;
  readonly free: GPUBuffer[];
}

export class WebGpuSession implements Session {
  readonly plan: Plan;
  readonly #device: SessionDevice;
  readonly #buffers: readonly GPUBuffer[];
  readonly #pipelines: readonly GPUComputePipeline[];
  readonly #main: Program;
  readonly #setup: Program;
  readonly #uploads: Uploads;
  readonly #staged: StagedWeights;
  readonly #groups: ReadonlyMap<StagedGroup, Program>;
  readonly #sections: ReadonlyMap<PlanSection, Program>;
  readonly #weights: ReadonlyMap<string, Slot>;
  readonly #inputs: ReadonlyMap<string, Slot>;
  readonly #outputs: ReadonlyMap<string, Slot>;
  readonly #readbacks = new Map<string, Readback>();
  readonly #hyper: Float32Array<ArrayBuffer>;
  readonly #hyperBuffer: GPUBuffer | undefined;
  /** For large results, as many as were ever read at once. */
  readonly #staging: GPUBuffer[] = [];
  readonly #made: GPUBuffer[] = [];
  #pending: GPUCommandBuffer[] = [];
  /** Weights were written since `setup` last ran. */
  #stale = true;
  /** Leading command buffers of `#pending` that get a submit of their own. */
  #alone = 0;
  #flushQueued = false;
  #firstRun: Promise<unknown> | undefined;
  /** What ran before, so that errors were looked for: sections, or `undefined` for the whole plan. */
  readonly #ran = new Set<PlanSection | undefined>();
  #closed = false;
  /** Told of kernels that ran for the first time; those that were encoded. */
  readonly #ranKernels: KernelsDone | undefined;
  readonly #usedKernels = new Set<number>();
  /** Of each of `#pending` in a first run, how many have run behind it. */
  #kernelsBehind: number[] = [];

  constructor(
    device: SessionDevice,
    plan: Plan,
    buffers: readonly GPUBuffer[],
    pipelines: readonly GPUComputePipeline[],
    groups: { readonly setup: readonly GPUBindGroup[]; readonly steps: readonly GPUBindGroup[] },
    ran?: KernelsDone,
  ) {
    this.#ranKernels = ran;
    this.plan = plan;
    this.#device = device;
    this.#buffers = buffers;
    this.#pipelines = pipelines;
    const budget = flopsPerSubmit[device.profile.kind];
    const setup = (first: number, end: number): Program => {
      const steps = plan.setup.slice(first, end);
      return { steps, groups: groups.setup.slice(first, end), spans: submitSpans(steps, budget) };
    };
    this.#setup = setup(0, ungroupedSetup(plan));
    this.#uploads = new Uploads(device.gpu.queue);
    this.#staged = new StagedWeights(plan);
    this.#groups = new Map((plan.staged ?? []).map((group) => [group, setup(group.first, group.end)]));
    this.#main = { steps: plan.steps, groups: groups.steps, spans: submitSpans(plan.steps, budget) };
    this.#sections = new Map(
      (plan.sections ?? []).map((section) => {
        const steps = plan.steps.slice(section.first, section.end);
        const own = groups.steps.slice(section.first, section.end);
        return [section, { steps, groups: own, spans: submitSpans(steps, budget) }];
      }),
    );
    this.#weights = new Map(stateSlots(plan).map((w) => [w.name, w]));
    this.#inputs = new Map(plan.inputs.map((s) => [s.name, s]));
    this.#outputs = new Map(plan.outputs.map((s) => [s.name, s]));
    this.#hyper = new Float32Array(hyperSlots.length);
    this.#hyperBuffer = buffers[plan.buffers.findIndex((b) => b.role === 'hyper')];
    if (plan.scaler) this.#write(plan.scaler, initialScaling(plan.scaler));
  }

  writeWeight(name: string, data: HostArray): void {
    const slot = find(this.#weights, name, 'weight');
    this.#write(slot, data);
    this.#changed(slot);
  }

  async readWeight(name: string): Promise<Float32Array> {
    this.#staged.checkKept(name);
    return (await this.#readRange(find(this.#weights, name, 'weight'))) as Float32Array;
  }

  writeInput(name: string, data: HostArray): void {
    this.#write(find(this.#inputs, name, 'input'), data);
  }

  writeHyper(values: readonly number[]): void {
    if (this.#hyperBuffer === undefined) throw new Error('the plan has no hyper buffer');
    if (values.length !== hyperSlots.length) throw new Error(`hyper wants ${hyperSlots.length} values`);
    this.#ready();
    this.#hyper.set(values);
    this.#device.gpu.queue.writeBuffer(this.#hyperBuffer, 0, this.#hyper);
  }

  run(section?: PlanSection, repetition = 0): void {
    checkRun(this.plan, section, repetition);
    this.#staged.checkComplete();
    this.#ready();
    const encode = (named: boolean) =>
      section === undefined ? this.#encodeRun(named) : this.#encodeSection(section, repetition, named);
    if (this.#ran.has(section)) {
      encode(false);
      this.#flushSoon();
      return;
    }
    this.#ran.add(section);
    const { model, entry } = this.plan;
    this.#first(`first run of ${model} ${section?.name ?? entry}`, () => encode(true));
  }

  /** Submits what nobody ran before; whoever waits next is told of its errors. */
  #first(doing: string, encode: () => void): void {
    const first = this.#device.scoped(doing, () => {
      encode();
      if (this.#ranKernels === undefined) this.#flush();
      else this.#submitWatched(this.#ranKernels);
    });
    this.#firstRun = this.#firstRun === undefined ? first : Promise.all([this.#firstRun, first]);
    // Reported by the next call that waits; kept from being an unhandled rejection until then.
    this.#firstRun.catch((error) => {
      this.#device.failure ??= error;
    });
  }

  /** Behind a write of any range. */
  #touched(slot: Slot): void {
    const { role } = this.plan.buffers[slot.buffer]!;
    if (role === 'weights' || role === 'staging') this.#changed(slot);
  }

  /** Behind a write of a weight: derives what nobody can derive once the next group lies in its place. */
  #changed(slot: Slot): void {
    this.#stale = true;
    for (const group of this.#staged.written(slot)) {
      const program = this.#groups.get(group)!;
      this.#first(`deriving from ${slot.name}`, () => this.#encodePrograms([program], true));
    }
  }

  /**
   * One run with the time of every step; slower than `run`, and waits for its end.
   * @param order numbers of the steps to run instead of all
   * @param repeat dispatches of each step, whose time is divided by them
   */
  async timedRun(clock: Clock, order?: readonly number[], repeat = 1): Promise<TimedRun> {
    this.#staged.checkComplete();
    this.#ready();
    const dispatches =
      order === undefined
        ? [...this.#dueSetup(), this.#main].flatMap((program) =>
            program.steps.map((_, i) => this.#dispatch(program, i)),
          )
        : order.map((i) => this.#dispatch(this.#main, i));
    const budget = flopsPerSubmit[this.#device.profile.kind];
    const timed = await runTimed(this.#device.gpu, dispatches, { clock, repeat, budget });
    this.#check();
    return timed;
  }

  async read(output: string): Promise<HostArray> {
    const slot = find(this.#outputs, output, 'output');
    if (slotBytes(slot) > smallBytes) return this.#readRange(slot);
    const values = await this.readLater([output]);
    await this.#firstRun;
    this.#check();
    return values.get(output)!;
  }

  async readLater(names: readonly string[]): Promise<Map<string, HostArray>> {
    this.#check();
    const readback = this.#readback(names);
    const staging = readback.free.pop() ?? this.#createStaging(readback.bytes);
    const encoder = this.#device.gpu.createCommandEncoder();
    for (const { slot, at } of readback.slots)
      encoder.copyBufferToBuffer(this.#buffers[slot.buffer]!, slot.offset, staging, at, slotBytes(slot));
    this.#pending.push(encoder.finish());
    this.#flush();
    await this.#map(staging, readback.bytes);
    const bytes = staging.getMappedRange(0, readback.bytes).slice(0);
    staging.unmap();
    readback.free.push(staging);
    this.#check();
    return new Map(
      readback.slots.map(({ name, slot, at }) => [name, view(bytes, slot, at, slotBytes(slot) / 4)]),
    );
  }

  async finish(): Promise<void> {
    this.#ready();
    await this.#device.gpu.queue.onSubmittedWorkDone();
    await this.#firstRun;
    this.#check();
  }

  writeSlot(slot: Slot, data: HostArray): void {
    this.#write(slot, data);
    this.#touched(slot);
  }

  readSlot(slot: Slot): Promise<HostArray> {
    return this.#readRange(slot);
  }

  copyFrom(session: Session, from: Slot, to: Slot): void {
    if (!(session instanceof WebGpuSession)) throw new Error('a session of another kind of device');
    session.#ready();
    this.#ready();
    const encoder = this.#device.gpu.createCommandEncoder();
    const [source, target] = [session.#buffers[from.buffer]!, this.#buffers[to.buffer]!];
    encoder.copyBufferToBuffer(source, from.offset, target, to.offset, slotBytes(from));
    this.#device.gpu.queue.submit([encoder.finish()]);
    this.#touched(to);
  }

  clear(buffer: number): void {
    this.#ready();
    const encoder = this.#device.gpu.createCommandEncoder();
    encoder.clearBuffer(this.#buffers[buffer]!);
    this.#device.gpu.queue.submit([encoder.finish()]);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#pending = [];
    for (const buffer of [...this.#buffers, ...this.#made]) this.#device.destroyBuffer(buffer);
  }

  #check(): void {
    if (this.#closed) throw new Error('the session is closed');
    this.#device.check();
  }

  /** Before anything that must come behind the runs encoded so far. */
  #ready(): void {
    this.#check();
    this.#flush();
  }

  #flushSoon(): void {
    if (this.#flushQueued) return;
    this.#flushQueued = true;
    queueMicrotask(() => {
      this.#flushQueued = false;
      if (!this.#closed) this.#flush();
    });
  }

  /** One submit each for the spans of a long run; the last one takes what follows it along. */
  #flush(): void {
    if (this.#pending.length === 0) return;
    const pending = this.#pending;
    this.#pending = [];
    this.#uploads.submitted();
    const queue = this.#device.gpu.queue;
    for (const commands of pending.splice(0, this.#alone)) queue.submit([commands]);
    this.#alone = 0;
    queue.submit(pending);
  }

  /** A submit each, which tells when it is done. */
  #submitWatched(ran: KernelsDone): void {
    const queue = this.#device.gpu.queue;
    for (const [i, commands] of this.#pending.entries()) {
      queue.submit([commands]);
      const done = this.#kernelsBehind[i]!;
      queue.onSubmittedWorkDone().then(
        () => ran(done, this.#pipelines.length),
        // Whoever waits for the run is told.
        () => {},
      );
    }
    this.#pending = [];
    this.#kernelsBehind = [];
    this.#alone = 0;
  }

  /** @param named put each step's label on Dawn's debug stack, so that an error names it */
  #encodeRun(named: boolean): void {
    this.#encodePrograms([...this.#dueSetup(), this.#main], named);
    this.#alone = this.#pending.length - 1;
  }

  /** What has to run before anything else; weights count as taken up. */
  #dueSetup(): Program[] {
    const stale = this.#stale && this.#setup.steps.length > 0;
    this.#stale = false;
    return stale ? [this.#setup] : [];
  }

  #encodePrograms(programs: readonly Program[], named: boolean): void {
    for (const program of programs)
      for (const span of this.#spans(program, named)) this.#pending.push(this.#encode(program, span, named));
  }

  /** @param first nobody ran these steps before */
  #spans({ steps, spans }: Program, first: boolean): readonly Span[] {
    if (!first || this.#ranKernels === undefined) return spans;
    const cut = cutAtFirstUses(steps, spans, this.#usedKernels);
    this.#kernelsBehind.push(...cut.map((span) => span.kernels));
    return cut;
  }

  #dispatch({ steps, groups }: Program, i: number): Dispatch {
    const step = steps[i]!;
    return { step, pipeline: this.#pipelines[step.pipeline]!, group: groups[i]! };
  }

  /** Copies ride in the command buffers of the first and the last steps. */
  #encodeSection(section: PlanSection, repetition: number, named: boolean): void {
    this.#encodePrograms(this.#dueSetup(), named);
    const program = this.#sections.get(section)!;
    const spans = this.#spans(program, named);
    const last = spans.length - 1;
    for (const [i, span] of spans.entries()) {
      const encoder = this.#device.gpu.createCommandEncoder();
      if (i === 0) {
        for (const id of section.clears) encoder.clearBuffer(this.#buffers[id]!);
        for (const copy of section.before) encodeCopy(encoder, this.#buffers, copy, repetition);
      }
      encodePass(encoder, this.#pipelines, program, span, named);
      if (i === last) for (const copy of section.after) encodeCopy(encoder, this.#buffers, copy, repetition);
      this.#pending.push(encoder.finish());
    }
    this.#alone = this.#pending.length - 1;
  }

  #encode(program: Program, span: Span, named: boolean): GPUCommandBuffer {
    const encoder = this.#device.gpu.createCommandEncoder();
    encodePass(encoder, this.#pipelines, program, span, named);
    return encoder.finish();
  }

  #write(slot: Slot, data: HostArray): void {
    checkData(slot, data);
    this.#ready();
    this.#uploads.write(this.#buffers[slot.buffer]!, slot.offset, data);
  }

  async #readRange(slot: Slot & BufferRange): Promise<HostArray> {
    this.#ready();
    const total = slotBytes(slot);
    const out = new ArrayBuffer(total);
    const bytes = new Uint8Array(out);
    for (let at = 0; at < total; ) {
      // Taken for the time of the copy, so that two reads at once do not share it.
      const staging = this.#staging.pop() ?? this.#createStaging(Math.min(chunkBytes, this.#largest()));
      const size = Math.min(staging.size, total - at);
      const encoder = this.#device.gpu.createCommandEncoder();
      encoder.copyBufferToBuffer(this.#buffers[slot.buffer]!, slot.offset + at, staging, 0, size);
      this.#device.gpu.queue.submit([encoder.finish()]);
      await this.#map(staging, size);
      bytes.set(new Uint8Array(staging.getMappedRange(0, size)), at);
      staging.unmap();
      this.#staging.push(staging);
      at += size;
    }
    await this.#firstRun;
    this.#check();
    return view(out, slot, 0, total / 4);
  }

  #largest(): number {
    return Math.max(4, ...[...this.plan.weights, ...this.plan.outputs].map(slotBytes));
  }

  #createStaging(size: number): GPUBuffer {
    const buffer = this.#device.createBuffer(
      'readback',
      size,
      bufferUsage.mapRead | bufferUsage.copyDestination,
    );
    this.#made.push(buffer);
    return buffer;
  }

  async #map(staging: GPUBuffer, size: number): Promise<void> {
    try {
      await staging.mapAsync(mapMode.read, 0, size);
    } catch (error) {
      await this.#firstRun;
      // The loss of the device is told in a later task than the failure of a mapping.
      await new Promise((resolve) => setTimeout(resolve, 0));
      this.#check();
      throw error;
    }
  }

  #readback(names: readonly string[]): Readback {
    const key = names.join('\n');
    let readback = this.#readbacks.get(key);
    if (!readback) {
      let bytes = 0;
      const slots = names.map((name) => {
        const output = this.#outputs.get(name);
        if (output === undefined) this.#staged.checkKept(name);
        const slot = output ?? find(this.#weights, name, 'output or weight');
        const at = bytes;
        bytes += slotBytes(slot);
        return { name, slot, at };
      });
      readback = { slots, bytes, free: [] };
      this.#readbacks.set(key, readback);
    }
    return readback;
  }
}
