/**
 * Whether two schedules of one piece of work give the same on a device: what the tuner asks before one may win.
 *
 * All schedules of a family add up in the same order, so they should agree to the bit; a driver may contract or
 * reorder what WGSL lets it, which is rounding. A schedule that its driver gets wrong is off by the size of the result.
 */
import type { Plan, PlanPipeline } from '../../compiler/plan/types.ts';
import type { WebGpuSession } from '../webgpu/session.ts';

/** What a buffer of a contest holds. */
type Element = 'f32' | 'f16' | 'i32';

/** Parts of the largest value of a buffer that results may be apart: some roundings of sums in f32, of stored f16. */
const tolerances: Readonly<Record<Element, number>> = { f32: 1e-4, f16: 4e-3, i32: 0 };

/** By binding, as the kernel's text declares them. */
function elementsOf({ wgsl }: PlanPipeline): Element[] {
  const declared = wgsl.matchAll(/@binding\(\d+\) var<storage, \w+> \w+: array<(?:vec\d<)?(f32|f16|i32)>/g);
  return Array.from(declared, (match) => match[1] as Element);
}

/** What the buffers of a contest hold. */
function contents({ buffers, pipelines, steps }: Plan): Element[] {
  return buffers.map(({ id }) => {
    for (const { bindings, pipeline } of steps) {
      const at = bindings.findIndex(({ buffer }) => buffer === id);
      if (at >= 0) return elementsOf(pipelines[pipeline]!)[at]!;
    }
    throw new Error(`no step binds buffer ${id}`);
  });
}

/**
 * Values of the size that features and weights have, in the buffer's own type: zeros would let a device take short cuts, and
 * halves that are no numbers would hide what a kernel makes of others. Integers are places, of which the first always exists.
 */
function operandValues(bytes: number, element: Element): Float32Array {
  if (element === 'i32') return new Float32Array(bytes / 4);
  if (element === 'f16') {
    // Signs, exponents of 0.25 to 1 and fractions that follow no pattern of a row.
    const halves = Uint16Array.from({ length: bytes / 2 }, (_, i) => {
      const mixed = Math.imul(i + 1, 0x9e3779b1) >>> 8;
      return ((mixed & 1) << 15) | ((13 + ((mixed >> 1) & 1)) << 10) | ((mixed >> 2) & 0x3ff);
    });
    return new Float32Array(halves.buffer);
  }
  const pattern = Float32Array.from({ length: Math.min(bytes / 4, 65521) }, (_, i) => Math.sin(i * 0.7));
  const values = new Float32Array(bytes / 4);
  for (let at = 0; at < values.length; at += pattern.length)
    values.set(pattern.subarray(0, Math.min(pattern.length, values.length - at)), at);
  return values;
}

/** Writes operands into every buffer of a contest. */
export function writeOperands(session: WebGpuSession, plan: Plan): void {
  for (const [buffer, element] of contents(plan).entries())
    session.writeInput(plan.inputs[buffer]!.name, operandValues(plan.buffers[buffer]!.bytes, element));
}

/** A buffer behind a step. */
interface Left {
  readonly element: Element;
  readonly values: Float32Array;
}

/** What a step leaves in the buffers that it may write. */
async function leftBy(session: WebGpuSession, plan: Plan, step: number): Promise<Map<number, Left>> {
  writeOperands(session, plan);
  await session.timedRun('host', [step]);
  const { bindings, pipeline } = plan.steps[step]!;
  const { bindings: access } = plan.pipelines[pipeline]!;
  const elements = contents(plan);
  const left = new Map<number, Left>();
  for (const [i, { buffer }] of bindings.entries()) {
    if (access[i] === 'read' || left.has(buffer)) continue;
    const values = (await session.read(plan.outputs[buffer]!.name)) as Float32Array;
    left.set(buffer, { element: elements[buffer]!, values });
  }
  return left;
}

/** The number that 16 bits are. */
function halfOf(bits: number): number {
  const exponent = (bits >> 10) & 31;
  const fraction = (bits & 0x3ff) / 1024;
  const size =
    exponent === 31
      ? fraction === 0
        ? Number.POSITIVE_INFINITY
        : Number.NaN
      : exponent === 0
        ? fraction * 2 ** -14
        : (1 + fraction) * 2 ** (exponent - 15);
  return bits >> 15 === 1 ? -size : size;
}

function numbersOf({ element, values }: Left): (i: number) => number {
  if (element === 'f32') return (i) => values[i]!;
  const { buffer, byteOffset, length } = values;
  if (element === 'i32') {
    const integers = new Int32Array(buffer, byteOffset, length);
    return (i) => integers[i]!;
  }
  const halves = new Uint16Array(buffer, byteOffset, 2 * length);
  return (i) => halfOf(halves[i]!);
}

function agree(one: Left, other: Left): boolean {
  const [a, b] = [numbersOf(one), numbersOf(other)];
  const count = one.values.length * (one.element === 'f16' ? 2 : 1);
  let [largest, difference] = [0, 0];
  for (let i = 0; i < count; i++) {
    const [x, y] = [a(i), b(i)];
    if (Object.is(x, y) || x === y) {
      if (Number.isFinite(x)) largest = Math.max(largest, Math.abs(x));
      continue;
    }
    if (!Number.isFinite(x) || !Number.isFinite(y)) return false;
    largest = Math.max(largest, Math.abs(x));
    difference = Math.max(difference, Math.abs(x - y));
  }
  return difference <= tolerances[one.element] * largest;
}

/** Compares steps of a contest's session with its first, whose results are made when they are first needed. */
export class Agreement {
  readonly #session: WebGpuSession;
  readonly #plan: Plan;
  #wanted: Promise<Map<number, Left>> | undefined;

  constructor(session: WebGpuSession, plan: Plan) {
    this.#session = session;
    this.#plan = plan;
  }

  async of(step: number): Promise<boolean> {
    this.#wanted ??= leftBy(this.#session, this.#plan, 0);
    const wanted = await this.#wanted;
    const found = await leftBy(this.#session, this.#plan, step);
    return [...wanted].every(([buffer, left]) => {
      const other = found.get(buffer);
      return other !== undefined && agree(left, other);
    });
  }
}
