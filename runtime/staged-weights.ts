/**
 * Which of a plan's staged groups have what they need: the bookkeeping of every session, which runs their steps. It lets
 * no run begin with something derived from weights that were never written, or from half of the new ones.
 */
import type { Plan, Slot, StagedGroup } from '../compiler/plan/types.ts';

export class StagedWeights {
  readonly #byName: ReadonlyMap<string, StagedGroup>;
  readonly #readers = new Map<string, StagedGroup[]>();
  readonly #missing: Map<StagedGroup, Set<string>>;
  /** The one whose weights lie in the staging buffer. */
  #there: StagedGroup | undefined;

  constructor({ staged = [] }: Plan) {
    this.#byName = new Map(staged.flatMap((group) => group.weights.map((name) => [name, group])));
    for (const group of staged)
      for (const name of group.also) this.#readers.set(name, [...(this.#readers.get(name) ?? []), group]);
    this.#missing = new Map(staged.map((group) => [group, new Set(group.weights)]));
  }

  /** @returns groups whose steps are to run now, behind the write */
  written({ name }: Pick<Slot, 'name'>): readonly StagedGroup[] {
    const own = this.#byName.get(name);
    if (own === undefined) return this.#read(name);
    if (this.#there !== own) {
      // What lies there of the one before is lost.
      if (this.#there !== undefined) this.#again(this.#there, false);
      this.#again(own, true);
      this.#there = own;
    }
    const missing = this.#missing.get(own)!;
    missing.delete(name);
    return missing.size === 0 ? [own] : [];
  }

  /** A weight that groups read beside their own: what they made of it is out of date. */
  #read(name: string): readonly StagedGroup[] {
    const readers = this.#readers.get(name) ?? [];
    for (const group of readers) if (group !== this.#there) this.#again(group, true);
    return readers.filter((group) => group === this.#there && this.#missing.get(group)!.size === 0);
  }

  /** @param complete also one that has all it needs */
  #again(group: StagedGroup, complete: boolean): void {
    const missing = this.#missing.get(group)!;
    if (complete || missing.size > 0) for (const name of group.weights) missing.add(name);
  }

  /** Throws before a run that would read what was not derived from the weights as they are. */
  checkComplete(): void {
    const missing = [...this.#missing.values()].flatMap((names) => [...names]);
    if (missing.length > 0)
      throw new Error(`weights have to be written before a run: ${missing.slice(0, 5).join(', ')}`);
  }

  /** Throws where a weight cannot be read back. */
  checkKept(name: string): void {
    if (this.#byName.has(name))
      throw new Error(`${name} is kept on the device only as what is derived from it`);
  }
}

/** How many of the plan's steps of `setup` belong to no staged group; they come first. */
export function ungroupedSetup({ setup, staged }: Plan): number {
  return staged?.[0]?.first ?? setup.length;
}
