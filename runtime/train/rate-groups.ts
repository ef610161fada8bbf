/**
 * The learning rates of a run by group: weights with one rate are a group, called by the path that they share.
 */
import type { UpdateSettings } from './types.ts';

export interface RateGroup {
  /** `visual.** x0.1`: what the weights' names have in common, and what the base rate is multiplied by. */
  readonly name: string;
  readonly scale: number;
}

/** Groups in the order of their first weights; none where all weights have the base rate. */
export function rateGroups({ trainable, rates }: UpdateSettings): RateGroup[] {
  const groups = new Map<number, string[]>();
  for (const name of trainable) {
    const scale = rates?.get(name)?.scale ?? 1;
    groups.set(scale, [...(groups.get(scale) ?? []), name]);
  }
  if (groups.size === 1 && groups.has(1)) return [];
  return [...groups].map(([scale, names]) => ({
    name: `${sharedPath(names)} x${Number(scale.toPrecision(4))}`,
    scale,
  }));
}

/** The blocks that all names begin with, as a pattern; the name itself where there is one. */
function sharedPath(names: readonly string[]): string {
  const [first, ...others] = names.map((name) => name.split('.'));
  if (others.length === 0) return names[0]!;
  let shared = first!.slice(0, -1);
  for (const name of others) {
    const differs = shared.findIndex((part, i) => part !== name[i]);
    if (differs >= 0) shared = shared.slice(0, differs);
  }
  return [...shared, '**'].join('.');
}
