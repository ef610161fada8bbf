/**
 * The values that a pickle can make here: scalars, containers, names of globals, and
 * what a host makes of them.
 */

/** Raises a refusal at the opcode that is being executed. */
export type Refuse = (why: string) => never;

export type PickleKey = null | boolean | number | bigint | string;

/** Containers know how deep they nest, so that a walk over them is safe. */
export type PickleValue =
  | PickleKey
  | { readonly kind: 'tuple'; readonly items: readonly PickleValue[]; readonly depth: number }
  | { readonly kind: 'list'; readonly items: PickleValue[]; depth: number }
  | PickleDict
  | { readonly kind: 'global'; readonly name: string }
  | PickleObject
  | PickleForeign
  /** Made by the host: a storage, a tensor. */
  | { readonly kind: 'made'; readonly what: string; readonly value: unknown };

export interface PickleDict {
  readonly kind: 'dict';
  readonly entries: Map<PickleKey, PickleValue>;
  depth: number;
}

/** An instance of a class that is not run: its name and what it was given as state. */
export interface PickleObject {
  readonly kind: 'object';
  readonly className: string;
  state: PickleDict | undefined;
  depth: number;
}

/** What the host knows nothing of, or what cannot hold tensors: a name without content. */
export interface PickleForeign {
  readonly kind: 'foreign';
  readonly what: string;
}

/** What a kind of pickle may ask for. `global` names are `module.name`. */
export interface PickleHost {
  /** Whether `call` and `constructs` decide about this one; others make foreign objects. */
  knows(global: string): boolean;
  /** May `global` be made into an object without arguments? */
  constructs(global: string): boolean;
  persistent(id: PickleValue, refuse: Refuse): PickleValue;
  call(global: string, args: readonly PickleValue[], refuse: Refuse): PickleValue;
}

const longestName = 200;

/** The name of a class or function, of bearable length. */
export function shortName(name: string): string {
  return name.length > longestName ? `${name.slice(0, longestName)}...` : name;
}

/** What a value is, for messages. */
export function describePickle(value: PickleValue): string {
  if (value === null) return 'None';
  if (typeof value === 'string')
    return JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}...` : value);
  if (typeof value !== 'object') return String(value);
  if (value.kind === 'global') return shortName(value.name);
  if (value.kind === 'object') return shortName(value.className);
  return 'what' in value ? value.what : `a ${value.kind}`;
}

export function depthOf(value: PickleValue): number {
  return value !== null && typeof value === 'object' && 'depth' in value ? value.depth : 0;
}

export function isKey(value: PickleValue): value is PickleKey {
  return value === null || typeof value !== 'object';
}

export function isKind<K extends Exclude<PickleValue, PickleKey>['kind']>(
  value: PickleValue | undefined,
  kind: K,
): value is Extract<PickleValue, { kind: K }> {
  return value !== null && typeof value === 'object' && value.kind === kind;
}

export function isForeign(value: PickleValue): value is PickleForeign {
  return isKind(value, 'foreign');
}
