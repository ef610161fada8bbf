/**
 * How kernels of rows, columns and moves reach strided memory: index expressions, the choice between vec4 and
 * scalar access, and bindings shared by operands that lie in one storage.
 *
 * Strides and offsets become constants in the WGSL, so kernels of equally laid out operands have equal text
 * and share a pipeline. A storage is bound once for each kernel, however many operands are views of it,
 * because WebGPU refuses a buffer bound twice with different access.
 */
import { sizeOf } from '../../graph/types.ts';
import type { DeviceProfile } from '../../profile.ts';
import type { KernelArg } from './kernel.ts';
import { elementBytes, load, loadStored, store } from './memory.ts';
import type { View } from './view.ts';
import { collapseAxes } from './view-algebra.ts';
import { affine } from './wgsl.ts';

/** Lowest finite value that masks and maxima start from (WGSL may assume that there are no infinities). */
export const LOWEST = '-3.0e38';

/**
 * The WGSL expression (u32) of where element number `index` (row-major over `shape`) lies: the sum of
 * coordinate times stride, plus `offset`. `index` must be an identifier or in parentheses.
 */
export function indexExpression(
  index: string,
  shape: readonly number[],
  strides: readonly number[],
  offset = 0,
): string {
  const merged = collapseAxes(shape, [strides]);
  const terms = merged.strides[0]!.flatMap((stride, axis): [string, number][] =>
    stride === 0 ? [] : [[coordinateOf(index, merged.shape, axis), stride]],
  );
  const sum = affine(offset, terms);
  return terms.length + (offset === 0 ? 0 : 1) > 1 ? `(${sum})` : sum;
}

/** The expression (u32) of one coordinate of element number `index`, row-major over `shape`. */
export function coordinateOf(index: string, shape: readonly number[], axis: number): string {
  const inner = sizeOf(shape.slice(axis + 1));
  const quotient = inner === 1 ? index : `${index} / ${inner}u`;
  if (axis > 0) return `(${quotient} % ${shape[axis]!}u)`;
  return inner === 1 ? index : `(${quotient})`;
}

/**
 * Whether the last axis can be read four elements at a time: dense there, and every row starts at a multiple
 * of 4.
 */
export function vectorizable(view: View): boolean {
  const last = view.shape.length - 1;
  return (
    last >= 0 &&
    view.shape[last]! % 4 === 0 &&
    view.strides[last] === 1 &&
    view.offset % 4 === 0 &&
    view.shape.every((n, axis) => axis === last || n === 1 || view.strides[axis]! % 4 === 0)
  );
}

/** Whether the last axis repeats one element (an expanded axis); such operands are read as scalars. */
export function repeatsLast(view: View): boolean {
  const last = view.shape.length - 1;
  return last >= 0 && (view.strides[last] === 0 || view.shape[last] === 1);
}

/** Distinct bytes behind views: what a kernel must at least read or write of them. */
export function bytesOf(...views: readonly View[]): number {
  return views.reduce(
    (sum, view) =>
      sum +
      sizeOf(view.shape.map((n, axis) => (view.strides[axis] === 0 ? 1 : n))) * elementBytes(view.storage),
    0,
  );
}

export interface Operand {
  /** Name in the kernel's expressions: `x`, `dy`; the binding is called `x_data`. */
  readonly role: string;
  readonly view: View;
  readonly access: 'read' | 'read_write';
  /** Read and written in units of vec4; indices then count vec4s. */
  readonly vector: boolean;
}

/** The bindings of one kernel and how to load from and store to them. */
export class Operands {
  readonly args: readonly KernelArg[];
  private readonly byRole = new Map<string, { operand: Operand; arg: KernelArg }>();

  constructor(operands: readonly Operand[]) {
    const args: KernelArg[] = [];
    for (const operand of operands) {
      const { storage } = operand.view;
      let arg = args.find((a) => a.storage.id === storage.id);
      if (arg === undefined) {
        const sharers = operands.filter((o) => o.view.storage.id === storage.id);
        arg = {
          name: `${operand.role}_data`,
          width: sharers.some((o) => o.vector) ? 4 : 1,
          storage,
          access: sharers.some((o) => o.access === 'read_write') ? 'read_write' : 'read',
        };
        args.push(arg);
      }
      this.byRole.set(operand.role, { operand, arg });
    }
    this.args = args;
  }

  /** What `role` holds at `index`: a vec4, at a number of vec4s, for vector operands, else an element. */
  load(role: string, index: string): string {
    const { operand, arg } = this.#bound(role);
    if (operand.vector || arg.width === 1) return load(arg, index);
    return `${load(arg, `(${index}) >> 2u`)}[(${index}) & 3u]`;
  }

  /** The vec4 at a number of vec4s of a vector operand, in the storage's own type. */
  loadStored(role: string, index: string): string {
    return loadStored(this.#bound(role).arg, index);
  }

  /** The statement that stores `value` there. */
  store(role: string, index: string, value: string): string {
    const { operand, arg } = this.#bound(role);
    if (operand.vector || arg.width === 1) return store(arg, index, value);
    return store(arg, `(${index}) >> 2u`, value, `(${index}) & 3u`);
  }

  #bound(role: string): { readonly operand: Operand; readonly arg: KernelArg } {
    const entry = this.byRole.get(role);
    if (entry === undefined) throw new Error(`the kernel has no operand ${role}`);
    return entry;
  }
}

/** Invocations in a workgroup of kernels without cooperation: one SIMD batch after the other on CPUs. */
export function flatWorkgroup(profile: DeviceProfile): number {
  return profile.kind === 'cpu' ? 64 : 128;
}

/** The head of an entry point in which every invocation has a number `index` below `count`. */
export function flatMain(size: number, count: number): string {
  return `@compute @workgroup_size(${size})
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
  let index = id.x + id.y * groups.x * ${size}u;
  if (index >= ${count}u) { return; }
`;
}
