/**
 * Runs a plan's own WGSL without a device: each kernel is translated to JavaScript (translate.ts) and its steps are run in order
 * over the plan's buffers.
 *
 * A software adapter compiles a kernel in 100 ms, which is all the time there is for a whole random graph; this takes a tenth of a
 * millisecond to a few. It is stricter as well: memory that nothing has written holds NaN, stores outside of a binding and
 * barriers that only some invocations reach are errors, and invocations run now forwards, now backwards.
 */
import { roundToHalf } from '../../../compiler/graph/half.ts';
import type {
  ChunkCopy,
  Plan,
  PlanBinding,
  PlanSection,
  PlanStep,
  Slot,
} from '../../../compiler/plan/types.ts';
import { narrowF16, widenF16 } from '../../../runtime/data/safetensors/half.ts';
import type { HostArray } from '../../../runtime/types.ts';
import { initialScaling } from './scaling.ts';
import { Translator } from './translate.ts';

type Run = (
  buffers: readonly ArrayBufferView[],
  groups: readonly [number, number, number],
  backwards: boolean,
) => void;

interface Kernel {
  readonly run: Run;
  readonly elements: readonly string[];
}

const kernels = new Map<string, Kernel>();
/** Distinct kernels that are kept: half of all occur once. */
const mostKernels = 3000;

const widen = widenF16(Uint16Array.from({ length: 65536 }, (_, i) => i));
const one = new Float32Array(1);

function narrow(value: number): number {
  one[0] = value;
  return narrowF16(one)[0]!;
}

function inside(index: number, length: number): number {
  if (!(index < length)) throw new Error(`a store at ${index}, outside of ${length} elements`);
  return index;
}

function pow(x: number, y: number): number {
  return x < 0 ? Number.NaN : x ** y;
}

function loadMatrix(
  tile: Float32Array,
  at: number,
  stride: number,
  rowMajor: boolean,
  rows: number,
  columns: number,
): Float32Array {
  const matrix = new Float32Array(rows * columns);
  for (let r = 0; r < rows; r++)
    for (let c = 0; c < columns; c++)
      matrix[r * columns + c] = tile[at + (rowMajor ? r * stride + c : c * stride + r)]!;
  return matrix;
}

function storeMatrix(
  tile: Float32Array,
  at: number,
  stride: number,
  rowMajor: boolean,
  matrix: Float32Array,
  rows: number,
  columns: number,
): void {
  for (let r = 0; r < rows; r++)
    for (let c = 0; c < columns; c++)
      tile[inside(at + (rowMajor ? r * stride + c : c * stride + r), tile.length)] = matrix[r * columns + c]!;
}

function multiplyAdd(
  a: Float32Array,
  b: Float32Array,
  c: Float32Array,
  rows: number,
  columns: number,
  inner: number,
): Float32Array {
  const sum = Float32Array.from(c);
  for (let r = 0; r < rows; r++)
    for (let n = 0; n < columns; n++) {
      let total = c[r * columns + n]!;
      for (let k = 0; k < inner; k++) total += a[r * inner + k]! * b[k * columns + n]!;
      sum[r * columns + n] = total;
    }
  return sum;
}

const helpers = {
  F: Math.fround,
  H: roundToHalf,
  widen,
  narrow,
  inside,
  pow,
  loadMatrix,
  storeMatrix,
  multiplyAdd,
};

function kernelOf(wgsl: string, subgroup: number): Kernel {
  const known = kernels.get(wgsl);
  if (known !== undefined) return known;
  const translator = new Translator(wgsl, subgroup);
  const run = new Function(...Object.keys(helpers), translator.text())(...Object.values(helpers)) as Run;
  const kernel = { run, elements: translator.elements() };
  if (kernels.size >= mostKernels) kernels.delete(kernels.keys().next().value!);
  kernels.set(wgsl, kernel);
  return kernel;
}

const views = { f32: Float32Array, f16: Uint16Array, i32: Int32Array, u32: Uint32Array } as const;
/** As f32 and as a pair of f16 no number; as an integer, outside of everything. */
const poison = 0x7fc07fc0;
/** Buffers that the host or the device begins as zeros. */
const zeroed = new Set(['moment1', 'moment2', 'scaler', 'hyper', 'features']);

export class PlanRun {
  readonly #plan: Plan;
  readonly #subgroup: number;
  readonly #buffers: ReadonlyMap<number, ArrayBuffer>;

  /** @param subgroup invocations of a subgroup, as the profile has it that the plan was made for */
  constructor(plan: Plan, subgroup: number) {
    this.#plan = plan;
    this.#subgroup = subgroup;
    this.#buffers = new Map(
      plan.buffers.map(({ id, role, bytes }) => {
        const buffer = new ArrayBuffer(bytes);
        if (!zeroed.has(role)) new Uint32Array(buffer).fill(poison);
        return [id, buffer];
      }),
    );
    if (plan.scaler) this.#slot(plan.scaler).set(initialScaling(plan.scaler));
  }

  write(slot: Slot, values: ArrayLike<number>): void {
    this.#slot(slot).set(values);
  }

  read(slot: Slot): HostArray {
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
    this.#steps(this.#plan.setup);
  }

  /** All steps, or those of one section with its copies, for chunk number `repetition`. */
  run(section?: PlanSection, repetition = 0): void {
    if (section === undefined) {
      this.#steps(this.#plan.steps);
      return;
    }
    for (const id of section.clears) new Uint8Array(this.#buffers.get(id)!).fill(0);
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
    for (const [number, step] of steps.entries()) {
      const { wgsl } = this.#plan.pipelines[step.pipeline]!;
      try {
        const kernel = kernelOf(wgsl, this.#subgroup);
        const bound = step.bindings.map((binding, i) => this.#bound(binding, kernel.elements[i]!));
        kernel.run(bound, step.workgroups, number % 2 === 1);
      } catch (error) {
        throw new Error(`${step.label}: ${(error as Error).message}\n${wgsl}`);
      }
    }
  }

  #bound({ buffer, offset, size }: PlanBinding, element: string): ArrayBufferView {
    const View = views[element as 'f32'];
    return new View(this.#buffers.get(buffer)!, offset, size / View.BYTES_PER_ELEMENT);
  }
}
