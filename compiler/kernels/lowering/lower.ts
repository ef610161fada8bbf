/**
 * Graph to kernels: walks the nodes in order as the join plan says, follows views for free, and asks each
 * op's family for its kernels.
 *
 * Results that leave the graph (outputs, gradients) are produced in place where the producer can, else copied
 * at the end. Kernels whose operands are weights alone are set apart (`setup`), since an inference plan needs
 * them once.
 */

import type { VerifiedGraph } from '../../graph/types.ts';
import { nodeAt } from '../../graph/types.ts';
import { viewOps } from '../../graph/views.ts';
import type { VerifiedJoins } from '../../joins/types.ts';
import { isLeaf } from '../../ops/index.ts';
import type { DeviceProfile } from '../../profile.ts';
import type { Kernel, KernelArg } from '../text/kernel.ts';
import type { Storage } from '../text/view.ts';
import { gatherLate } from './late.ts';
import { Lowering } from './lowering.ts';
import type { LoweringOptions, OutputPlace } from './values.ts';

export type { OutputPlace } from './values.ts';

export interface Lowered {
  /** Kernels that depend on weights alone; empty unless `hoist`. */
  readonly setup: readonly Kernel[];
  readonly kernels: readonly Kernel[];
  /** What ranks hand each other of their parts in turn, f32, behind so many of the kernels. */
  readonly handed?: readonly { readonly behind: number; readonly storage: Storage; readonly part: number }[];
}

interface LowerOptions extends LoweringOptions {
  /** Where outputs go; others are dropped. */
  readonly places: ReadonlyMap<string, OutputPlace>;
  /** Kernels of weights alone become `setup` (right only where weights stay the same from run to run). */
  readonly hoist?: boolean;
}

/**
 * Sets kernels apart that read nothing but weights and what such kernels made; the storages they fill become
 * `derived`.
 */
function separateSetup(kernels: readonly Kernel[]): Lowered {
  const dynamic = new Set<number>();
  const moves = ({ storage }: KernelArg) =>
    storage.place !== 'weights' && (storage.place !== 'workspace' || dynamic.has(storage.id));
  for (const kernel of kernels) {
    if (!kernel.args.some(moves)) continue;
    for (const { storage, access } of kernel.args) if (access === 'read_write') dynamic.add(storage.id);
  }
  const derive = (kernel: Kernel): Kernel => ({
    ...kernel,
    args: kernel.args.map(
      (arg): KernelArg =>
        arg.storage.place === 'workspace' && !dynamic.has(arg.storage.id)
          ? { ...arg, storage: { ...arg.storage, place: 'derived' } }
          : arg,
    ),
  });
  return {
    setup: kernels.filter((kernel) => !kernel.args.some(moves)).map(derive),
    kernels: kernels.filter((kernel) => kernel.args.some(moves)).map(derive),
  };
}

/** Kept halves of weights are made once; from then on the optimizer writes them. */
function separateHalves(kernels: readonly Kernel[]): Lowered {
  const makesHalf = ({ args }: Kernel) =>
    args.some(({ storage, access }) => storage.place === 'halves' && access === 'read_write');
  return { setup: kernels.filter(makesHalf), kernels: kernels.filter((kernel) => !makesHalf(kernel)) };
}

/** Kernels of a graph for a device. */
export function lowerGraph(
  graph: VerifiedGraph,
  joins: VerifiedJoins,
  profile: DeviceProfile,
  options: LowerOptions,
): Lowered {
  const { places, hoist = false } = options;
  const placed = new Map<number, OutputPlace>();
  const sums = new Map<number, OutputPlace[]>();
  for (const { name, node } of graph.outputs) {
    const place = places.get(name);
    if (place?.accumulate === true) sums.set(node, [...(sums.get(node) ?? []), place]);
    const { op } = nodeAt(graph, node);
    // Only a map may overwrite what it reads.
    const possible = place?.place === 'weights' ? op === 'map' : !viewOps.has(op) && !isLeaf(op);
    if (place && !place.accumulate && possible && !placed.has(node)) placed.set(node, place);
  }
  const lowering = new Lowering(graph, joins, profile, placed, options);
  for (const node of graph.nodes) {
    lowering.lowerNode(node);
    for (const place of sums.get(node.id) ?? []) lowering.accumulate(node.id, place);
  }
  for (const { name, node } of graph.outputs) {
    const place = places.get(name);
    if (place && !place.accumulate) lowering.deliver(node, place);
  }
  const { setup, kernels } = hoist ? separateSetup(lowering.kernels) : separateHalves(lowering.kernels);
  return { setup, kernels: gatherLate(kernels, profile) };
}
