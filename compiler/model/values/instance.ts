/** Walks over the tree of block instances: weights in order, children and entries by name. */
import type { EntryMember } from '../../../grammar/ast.ts';
import type { Weight } from '../types.ts';
import { poison } from './poison.ts';
import type { ChildEntry, Instance, Value, WeightEntry } from './values.ts';

export function childValue(entry: ChildEntry): Value {
  if (entry.absent !== undefined) return entry.absent;
  if (entry.array) return { kind: 'array', name: entry.name, items: entry.items };
  const [instance] = entry.items;
  return instance === undefined ? poison : { kind: 'instance', instance };
}

/** The entries that an instance has beside its `forward`, in order. */
export function entriesOf({ entries }: Instance): readonly EntryMember[] {
  return entries ?? [];
}

export function entryNamed(instance: Instance, name: string): EntryMember | undefined {
  return entriesOf(instance).find((entry) => entry.name.text === name);
}

/** A child or weight by name, and the names there are. */
export function childNamed(
  instance: Instance,
  name: string,
): { readonly value: Value | undefined; readonly known: string[] } {
  const nameOf = (m: ChildEntry | WeightEntry) =>
    m.kind === 'child' ? m.name : m.weight.name.split('.').pop()!;
  const found = instance.members.find((m) => nameOf(m) === name);
  const value = found === undefined ? undefined : found.kind === 'child' ? childValue(found) : found.value;
  return { value, known: instance.members.map(nameOf) };
}

/** What runs one after another: the items of an array, the members of a `seq`; undefined for anything else. */
export function linksOf(value: Value): readonly Instance[] | undefined {
  if (value.kind === 'array') return value.items;
  if (value.kind !== 'instance' || value.instance.kind !== 'seq') return undefined;
  return value.instance.members.flatMap((m) => (m.kind === 'child' ? m.items : []));
}

/** The instances that are children, array items one by one; `inline` ones have their parent's path. */
export function* childrenOf(
  instance: Instance,
): Generator<{ readonly child: Instance; readonly inline: boolean }> {
  for (const member of instance.members)
    if (member.kind === 'child') for (const child of member.items) yield { child, inline: member.inline };
}

function* ownWeights(instance: Instance): Generator<Weight> {
  for (const member of instance.members) {
    if (member.kind === 'weight') yield member.weight;
    else if (member.inline) for (const child of member.items) yield* ownWeights(child);
  }
}

function* nestedWeights(instance: Instance): Generator<Weight> {
  for (const member of instance.members) {
    if (member.kind !== 'child') continue;
    for (const child of member.items) {
      if (member.inline) yield* nestedWeights(child);
      else yield* weightsInOrder(child);
    }
  }
}

/**
 * All weights of a tree as a state_dict lists them: a block's own params, then its own buffers (those of
 * inline children count as its own), then its children in order of declaration.
 */
export function* weightsInOrder(instance: Instance): Generator<Weight> {
  const own = [...ownWeights(instance)];
  yield* own.filter((w) => w.kind === 'param');
  yield* own.filter((w) => w.kind === 'buffer');
  yield* nestedWeights(instance);
}
