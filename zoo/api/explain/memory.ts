/** What lies where in a plan's memory, and from which step to which. */
import { alignUp } from '../../../compiler/graph/dims.ts';
import type { Lowered } from '../../../compiler/kernels/lowering/lower.ts';
import { elementBytes } from '../../../compiler/kernels/text/memory.ts';
import type { Storage } from '../../../compiler/kernels/text/view.ts';
import type { Plan, Slot } from '../../../compiler/plan/types.ts';

/** A range of a plan's memory. */
export interface MemoryRange {
  /** The weight, input, output or gradient by its name; for others what it holds: `%12 layer_norm`, with the id in the optimized graph. */
  readonly name: string;
  /**
   * `workspace` is used again by others when its time is over, all else lies there from run to run; `derived` is made by `setup`,
   * from weights that take turns in `staging`.
   */
  readonly kind: 'weight' | 'input' | 'output' | 'gradient' | 'derived' | 'staging' | 'workspace';
  /** With what the device's alignment adds. */
  readonly bytes: number;
  /** Id of the plan's buffer (`plan.buffers`), and where in it, in bytes. */
  readonly buffer: number;
  readonly offset: number;
  /** First and last of the plan's steps that touch it, both included; weights that only `setup` reads have none. */
  readonly firstStep?: number;
  readonly lastStep?: number;
  /** The node of the optimized graph whose kernel makes it; absent for what the host writes. */
  readonly node?: number;
}

/** All numbers are bytes. */
export interface MemoryView {
  readonly weights: number;
  readonly inputs: number;
  readonly outputs: number;
  readonly gradients: number;
  /** What depends on weights alone, made once. */
  readonly derived: number;
  /** Where weights take turns that nothing but `derived` is made of. */
  readonly staging: number;
  /** Activations and scratch, as planned; `live` never passes it. */
  readonly workspace: number;
  /** Everything that the device holds. */
  readonly total: number;
  readonly ranges: readonly MemoryRange[];
  /** Of the workspace, what is alive at each step: the sum of its ranges from `firstStep` to `lastStep`. */
  readonly live: readonly number[];
}

const kinds = {
  weights: 'weight',
  input: 'input',
  output: 'output',
  gradients: 'gradient',
  derived: 'derived',
  workspace: 'workspace',
} as const satisfies Partial<Record<Storage['place'], MemoryRange['kind']>>;

const isShown = (place: Storage['place']): place is keyof typeof kinds => place in kinds;

type Growing = { -readonly [K in keyof MemoryRange]: MemoryRange[K] };

/** @internal */
export function memoryOf(plan: Plan, { setup, kernels }: Lowered, alignment: number): MemoryView {
  const found = new Map<string, Growing>();
  const look = (kernel: Lowered['kernels'][number], bound: Plan['steps'][number], step?: number) => {
    for (const [i, { storage, window, access }] of kernel.args.entries()) {
      const { place, name, id, label } = storage;
      if (!isShown(place)) continue;
      const each = elementBytes(storage);
      const { buffer, offset } = bound.bindings[i]!;
      const key = `${place} ${name ?? id}`;
      const range = found.get(key) ?? {
        name: name ?? label,
        kind: plan.buffers[buffer]!.role === 'staging' ? 'staging' : kinds[place],
        bytes: alignUp(each * storage.elements, alignment),
        buffer,
        offset: offset - each * (window?.start ?? 0),
      };
      found.set(key, range);
      if (access === 'read_write' && kernel.node !== undefined) range.node ??= kernel.node;
      if (step === undefined) continue;
      range.firstStep ??= step;
      range.lastStep = step;
    }
  };
  for (const [i, kernel] of setup.entries()) look(kernel, plan.setup[i]!);
  for (const [i, kernel] of kernels.entries()) look(kernel, plan.steps[i]!, i);
  const ranges = [...found.values()];
  const { weights, gradients, derived, staging, workspace, total } = plan.memory;
  const bytes = (slots: readonly Slot[]) =>
    slots.reduce((sum, { shape }) => sum + 4 * shape.reduce((a, b) => a * b, 1), 0);
  const isGradient = ({ buffer }: Slot) => plan.buffers[buffer]!.role === 'gradients';
  return {
    weights,
    inputs: bytes(plan.inputs),
    outputs: bytes(plan.outputs.filter((slot) => !isGradient(slot))),
    gradients,
    derived,
    staging,
    workspace,
    total,
    ranges,
    live: liveBytes(ranges, plan.steps.length),
  };
}

function liveBytes(ranges: readonly MemoryRange[], steps: number): number[] {
  const live = new Array<number>(steps).fill(0);
  for (const { kind, bytes, firstStep, lastStep } of ranges)
    if (kind === 'workspace') for (let step = firstStep!; step <= lastStep!; step++) live[step]! += bytes;
  return live;
}
