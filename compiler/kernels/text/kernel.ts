/**
 * A kernel: WGSL and the storages it touches, before memory is planned.
 *
 * The WGSL body names its bindings; their declarations are printed by the plan stage, because whether a
 * binding is `read` or `read_write` depends on which buffer its storage ends up in (one buffer must not be
 * bound both ways in a dispatch). Equal text means one pipeline, so bodies hold shapes and strides but never
 * ids, paths or arena offsets.
 */
import type { Node, NodeOf, Origin } from '../../graph/types.ts';
import type { JoinConsumers, JoinKind } from '../../joins/types.ts';
import type { OpName } from '../../ops/attributes.ts';
import type { DeviceProfile } from '../../profile.ts';
import type { ExchangeKind, ScheduleChoice } from './choices.ts';
import type { Placed } from './tile-text.ts';
import type { Storage, View } from './view.ts';

export interface KernelArg {
  /** Identifier in the WGSL body. */
  readonly name: string;
  /** What it is an array of: elements of the storage (1), or vectors of so many. Texts use memory.ts. */
  readonly width: 1 | 2 | 4;
  readonly storage: Storage;
  readonly access: 'read' | 'read_write';
  /**
   * Part of the storage that is bound, in elements, where the whole is larger than a binding may be. Starts
   * at multiples of `bindingStart`.
   */
  readonly window?: { readonly start: number; readonly elements: number };
}

export interface Kernel {
  /** Family and schedule, part of the pipeline's label: `matmul_8x8`, `softmax`. No shapes, no ids. */
  readonly name: string;
  readonly args: readonly KernelArg[];
  /** Helper functions, constants and the entry point `fn main`; everything but the bindings. */
  readonly body: string;
  /** WGSL extensions that the body needs, beside `f16` for storages of halves. */
  readonly enables?: readonly string[];
  readonly workgroups: readonly [number, number, number];
  readonly origin: Origin;
  /** The node that was lowered when it was emitted. */
  readonly node?: number;
  readonly flops: number;
  readonly bytes: number;
  /** Where the family has a choice. */
  readonly schedule?: ScheduleChoice;
  /**
   * The same with names of its own, where nothing reads its results soon: several may wait for one another and come in
   * one launch (lowering/late.ts).
   */
  readonly late?: (suffix: string) => Placed & Pick<Kernel, 'args'>;
  /** What ranks exchange behind it: dense, 4 bytes an element. */
  readonly exchanged?: { readonly kind: ExchangeKind; readonly view: View };
}

/**
 * The WebGPU feature behind a WGSL extension: `shader-f16` behind `f16`, the same words behind all others.
 */
export function extensionFeature(extension: string): string {
  return extension === 'f16' ? 'shader-f16' : extension.replaceAll('_', '-');
}

/** What prints kernels: enough for copies and fills. */
export interface Emitter {
  readonly profile: DeviceProfile;
  emit(kernel: Kernel): void;
}

/** What a lowering rule works with. */
export interface LowerContext extends Emitter {
  node(id: number): Node;
  /** The value of a node as its producer left it: any strides. */
  view(id: number): View;
  /** The value as a dense view; emits a copy kernel where it is not one. */
  dense(id: number): View;
  /**
   * The value as a view whose axes from `axis` on are dense (row-major, innermost stride 1), the ones before
   * having any stride; a copy is emitted where it is not so. `rows(id, rank-1)` is what row kernels need.
   */
  rows(id: number, axis: number): View;
  /**
   * Allocates the node's result, dense unless `strides` are given (a permutation of dense strides), and makes
   * it the node's value.
   */
  result(node: Node, strides?: readonly number[]): View;
  /**
   * The node whose result the plan wants of `producer`'s kernel as well; undefined where it wants none. The
   * kernel must make it: that node has no kernel of its own.
   */
  joined<K extends JoinKind>(producer: Node, kind: K): JoinConsumers[K] | undefined;
  /**
   * For a dense result that others read by rows while a product reads it by columns: a place, in the result's
   * shape, where the kernel writes it a second time. Undefined where nothing wants it.
   */
  columnCopy(node: Node): View | undefined;
  /** The same elements as a view that a binding can hold, where the storage is larger than one may be. */
  window(view: View): View;
  /** Scratch memory that dies behind the last kernel that uses it. */
  scratch(elements: number, dtype: Storage['dtype'], label: string): Storage;
  /** A derived view made once for each source view, such as a transposed copy two products share. */
  cached(source: View, make: () => View): View;
}

/** Emits the kernels of one node and sets its result. */
export type Lower<K extends OpName> = (ctx: LowerContext, node: NodeOf<K>) => void;

/**
 * Splits a count of workgroups over x and y where x alone would pass the device's limit; bodies use
 * `workgroup_id.x + workgroup_id.y * num_workgroups.x`.
 */
export function gridOf(workgroups: number, profile: DeviceProfile): [number, number, number] {
  const most = profile.limits.maxComputeWorkgroupsPerDimension;
  if (workgroups <= most) return [Math.max(1, workgroups), 1, 1];
  const y = Math.ceil(workgroups / most);
  return [Math.ceil(workgroups / y), y, 1];
}
