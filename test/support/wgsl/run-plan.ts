/**
 * Runs a plan's own WGSL without a device: each kernel is translated to JavaScript (run-kernel.ts) and its steps are run in order
 * over the plan's buffers.
 *
 * A software adapter compiles a kernel in 100 ms, which is all the time there is for a whole random graph; this takes a tenth of a
 * millisecond to a few. It is stricter as well: memory that nothing has written holds NaN, stores outside of a binding and
 * barriers that only some invocations reach are errors, and invocations run now forwards, now backwards.
 */
import type { ChunkCopy, Plan, PlanSection, PlanStep, Slot } from '../../../compiler/plan/types.ts';
import { StagedWeights, ungroupedSetup } from '../../../runtime/staged-weights.ts';
import type { HostArray } from '../../../runtime/types.ts';
import { runKernel } from './run-kernel.ts';
import { initialScaling } from './scaling.ts';

/** As f32 and as a pair of f16 no number; as an integer, outside of everything. */
const poison = 0x7fc07fc0;
/** Buffers that the host or the device begins as zeros. */
const zeroed = new Set(['moment1', 'moment2', 'scaler', 'hyper', 'features']);

export class PlanRun {
  readonly #plan: Plan;
  readonly #subgroup: number;
  readonly #buffers: ReadonlyMap<number, ArrayBuffer>;
  readonly #staged: StagedWeights;

  /** @param subgroup invocations of a subgroup, as the profile has it that the plan was made for */
  constructor(plan: Plan, subgroup: number) {
    this.#plan = plan;
    this.#staged = new StagedWeights(plan);
    this.#subgroup = subgroup;
    this.#buffers = new Map(
      plan.buffers.map(({ id, role, bytes }) => {
        const buffer = new ArrayBuffer(bytes);
        if (!zeroed.has(role)) new Uint32Array(buffer).fill(poison);
        return [id, buffer];
      }),
    );
    this.#zeroGaps();
    if (plan.scaler) this.#slot(plan.scaler).set(initialScaling(plan.scaler));
  }

  /** Gaps between gradients count in their norm: devices begin buffers as zeros. */
  #zeroGaps(): void {
    const { buffers, outputs } = this.#plan;
    for (const { id, role } of buffers) {
      if (role !== 'gradients') continue;
      const words = new Uint32Array(this.#buffers.get(id)!).fill(0);
      for (const { buffer, offset, shape } of outputs)
        if (buffer === id) words.fill(poison, offset / 4, offset / 4 + shape.reduce((a, b) => a * b, 1));
    }
  }

  write(slot: Slot, values: ArrayLike<number>): void {
    this.#slot(slot).set(values);
    for (const { first, end } of this.#staged.written(slot)) this.#steps(this.#plan.setup.slice(first, end));
  }

  read(slot: Slot): HostArray {
    if (this.#plan.buffers[slot.buffer]!.role === 'staging') this.#staged.checkKept(slot.name);
    return this.#slot(slot).slice();
  }

  #slot({ buffer, offset, shape, dtype }: Slot): HostArray {
    const size = shape.reduce((a, b) => a * b, 1);
    const memory = this.#buffers.get(buffer)!;
    return dtype === 'i32' ? new Int32Array(memory, offset, size) : new Float32Array(memory, offset, size);
  }

  writeHyper(values: readonly number[]): void {
    const { id } = this.#plan.buffers.find((b) => b.role === 'hyper')!;
    new Float32Array(this.#buffers.get(id)!).set(values);
  }

  setup(): void {
    this.#steps(this.#plan.setup.slice(0, ungroupedSetup(this.#plan)));
  }

  clear(buffer: number): void {
    new Uint8Array(this.#buffers.get(buffer)!).fill(0);
  }

  /** All steps, or those of one section with its copies, for chunk number `repetition`. */
  run(section?: PlanSection, repetition = 0): void {
    this.#staged.checkComplete();
    if (section === undefined) {
      this.#steps(this.#plan.steps);
      return;
    }
    for (const id of section.clears) this.clear(id);
    for (const copy of section.before) this.#copy(copy, repetition);
    this.#steps(this.#plan.steps.slice(section.first, section.end));
    for (const copy of section.after) this.#copy(copy, repetition);
  }

  #copy({ from, to, bytes, advances }: ChunkCopy, repetition: number): void {
    const on = bytes * repetition;
    const [read, write] = advances === 'from' ? [on, 0] : [0, on];
    const source = new Uint8Array(this.#buffers.get(from.buffer)!, from.offset + read, bytes);
    new Uint8Array(this.#buffers.get(to.buffer)!, to.offset + write, bytes).set(source);
  }

  #steps(steps: readonly PlanStep[]): void {
    for (const [number, { label, pipeline, bindings, workgroups }] of steps.entries()) {
      const { wgsl } = this.#plan.pipelines[pipeline]!;
      const bound = bindings.map(({ buffer, offset, size }) => ({
        buffer: this.#buffers.get(buffer)!,
        offset,
        size,
      }));
      runKernel(wgsl, bound, workgroups, { subgroup: this.#subgroup, backwards: number % 2 === 1, label });
    }
  }
}
