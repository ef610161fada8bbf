/**
 * Weights that a plan reads for nothing but what is derived from them (transposed copies, halves): they take turns in
 * a small staging buffer, since both at once would double a model's memory.
 *
 * Kernels of `setup` that share what they derive are one group. Weights join theirs, large ones first; one that would
 * join groups which have weights of their own, such as a norm in front of three products, is kept instead.
 */
import type { Lowered } from '../kernels/lowering/lower.ts';
import type { Kernel } from '../kernels/text/kernel.ts';
import type { Storage } from '../kernels/text/view.ts';
import { type ArenaLayout, layOut, type WeightInfo, weightBytes } from './layout.ts';
import type { StagedGroup } from './types.ts';

export interface Staging {
  /** Those that are kept, then those of each group. */
  readonly weights: readonly WeightInfo[];
  /** Kernels of no group come first, then those of each group. */
  readonly setup: readonly Kernel[];
  readonly groups: readonly StagedGroup[];
}

/** Names of the weights that pass through the staging buffer. */
export function passingWeights({ groups }: Staging): ReadonlySet<string> {
  return new Set(groups.flatMap(({ weights }) => weights));
}

interface Group {
  readonly kernels: number[];
  readonly staged: WeightInfo[];
}

const namesOf = (kernel: Kernel, place: Storage['place']) =>
  kernel.args.flatMap(({ storage }) => (storage.place === place ? [storage] : []));

/** Kernels by what they derive together, in order. */
function groupsOf(setup: readonly Kernel[]): Group[] {
  const byDerived = new Map<number, Group>();
  const groups = new Set<Group>();
  for (const [i, kernel] of setup.entries()) {
    const derived = namesOf(kernel, 'derived');
    const met = new Set(derived.flatMap(({ id }) => byDerived.get(id) ?? []));
    const group: Group = { kernels: [...[...met].flatMap((g) => g.kernels), i], staged: [] };
    for (const other of met) groups.delete(other);
    groups.add(group);
    for (const k of group.kernels)
      for (const { id } of namesOf(setup[k]!, 'derived')) byDerived.set(id, group);
  }
  return [...groups];
}

/** @param weights all of the plan's, in the order of its arena */
export function stageWeights({ setup, kernels }: Lowered, weights: readonly WeightInfo[]): Staging {
  const kept = new Set(kernels.flatMap((k) => namesOf(k, 'weights').map(({ name }) => name)));
  let groups = groupsOf(setup);
  const reads = ({ kernels: own }: Group, { name }: WeightInfo) =>
    own.some((k) => namesOf(setup[k]!, 'weights').some((storage) => storage.name === name));
  const free = weights.filter(({ name }) => !kept.has(name));
  for (const weight of free.sort((a, b) => weightBytes(b) - weightBytes(a))) {
    const readers = groups.filter((group) => reads(group, weight));
    if (readers.length === 0 || readers.filter(({ staged }) => staged.length > 0).length > 1) continue;
    const joined: Group = {
      kernels: readers.flatMap((g) => g.kernels),
      staged: [...readers.flatMap((g) => g.staged), weight],
    };
    groups = [...groups.filter((g) => !readers.includes(g)), joined];
  }
  const staged = groups.filter((g) => g.staged.length > 0);
  // One alone would take as much in a staging buffer.
  if (staged.length < 2) return { weights, setup, groups: [] };
  return arranged(setup, weights, groups);
}

function arranged(
  setup: readonly Kernel[],
  weights: readonly WeightInfo[],
  groups: readonly Group[],
): Staging {
  const inOrder = groups
    .map(({ kernels, staged }) => ({ kernels: kernels.sort((a, b) => a - b), staged }))
    .sort((a, b) => a.kernels[0]! - b.kernels[0]!);
  const staged = inOrder.filter((g) => g.staged.length > 0);
  const passing = new Set(staged.flatMap((g) => g.staged));
  let first = inOrder.reduce((n, g) => n + (g.staged.length > 0 ? 0 : g.kernels.length), 0);
  return {
    weights: [...weights.filter((w) => !passing.has(w)), ...passing],
    setup: [...inOrder.filter((g) => g.staged.length === 0), ...staged].flatMap((g) =>
      g.kernels.map((k) => setup[k]!),
    ),
    groups: staged.map((group) => {
      const names = group.staged.map(({ name }) => name);
      const read = group.kernels.flatMap((k) => namesOf(setup[k]!, 'weights').map(({ name }) => name!));
      const also = [...new Set(read)].filter((name) => !names.includes(name));
      const end = first + group.kernels.length;
      const whole = { weights: names, also, first, end };
      first = end;
      return whole;
    }),
  };
}

/** The staging buffer: each group lies in it from its start. */
export function stagingLayout(
  { weights, groups }: Staging,
  alignment: number,
  limit: number,
): ArenaLayout | undefined {
  if (groups.length === 0) return undefined;
  const byName = new Map(weights.map((w) => [w.name, w]));
  const each = groups.map((group) =>
    layOut(
      group.weights.map((name) => ({ name, bytes: weightBytes(byName.get(name)!) })),
      alignment,
      limit,
    ),
  );
  const most = Math.max(...each.map(({ parts }) => parts.length));
  return {
    places: new Map(each.flatMap(({ places }) => [...places])),
    parts: Array.from({ length: most }, (_, i) => Math.max(...each.map(({ parts }) => parts[i] ?? 0))),
  };
}
