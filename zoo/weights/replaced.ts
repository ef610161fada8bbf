/**
 * Weights of layers that `with "..." as` replaced, and files of the model as it was before.
 *
 * A replaced layer keeps the weights that both have. What only the new one has starts fresh where a file has
 * nothing of it, and what only the old one had is left in the file; both are told, and only together: a file
 * with a part of what is new is damaged, not older.
 */
import { blocksOf } from '../../compiler/model/index.ts';
import type { Model, Weight } from '../../compiler/model/types.ts';

interface Replaced {
  /** The weights that a file of the model should have; with those of old layers that it may have. */
  readonly stored: readonly Weight[];
  /** Names of weights that start fresh. */
  readonly fresh: ReadonlySet<string>;
  /** Names of weights of old layers: a file may have them, nothing needs them. */
  readonly left: ReadonlySet<string>;
}

/** @param has whether the file has a tensor of this name */
export function replacedWeights(model: Model, has: (name: string) => boolean): Replaced {
  const fresh = new Set<string>();
  const old = new Map<string, Weight>();
  const names = new Set(model.weights.map((w) => w.name));
  for (const { path, replaces } of blocksOf(model.root)) {
    if (replaces === undefined) continue;
    const before = new Set(replaces.weights.map((w) => w.name));
    const added = [...names].filter((name) => name.startsWith(`${path}.`) && !before.has(name));
    if (added.some(has)) continue;
    for (const name of added) fresh.add(name);
    for (const weight of replaces.weights) if (!names.has(weight.name)) old.set(weight.name, weight);
  }
  const kept = model.weights.filter((w) => !fresh.has(w.name));
  return { stored: [...kept, ...old.values()], fresh, left: new Set(old.keys()) };
}

const shown = 3;

function listed(names: readonly string[]): string {
  const more = names.length > shown ? `, and ${names.length - shown} more` : '';
  return `${names.slice(0, shown).join(', ')}${more}`;
}

/** What a person must know who opens a file from before the replacement. */
export function replacedRemarks(
  file: string,
  fresh: ReadonlySet<string>,
  left: readonly string[],
): readonly string[] {
  return [
    ...(fresh.size === 0
      ? []
      : [
          `${file} has no weights for what is new in replaced layers; they start fresh: ${listed([...fresh])}`,
        ]),
    ...(left.length === 0 ? [] : [`of ${file}, weights of replaced layers are left out: ${listed(left)}`]),
  ];
}
