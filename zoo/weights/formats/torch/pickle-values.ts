/**
 * The values that a pickle can make here: scalars, containers, names of globals, and
 * what a host makes of them.
 */

export type PickleKey = null | boolean | number | bigint | string;

/** Containers know how deep they nest, so that a walk over them is safe. */
export type PickleValue =
  | PickleKey
  | { readonly kind: 'tuple'; readonly items: readonly PickleValue[]; readonly depth: number }
  | { readonly kind: 'list'; readonly items: PickleValue[]; depth: number }
  | PickleDict
  | { readonly kind: 'global'; readonly name: string }
  | PickleObject
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

/** What a value is, for messages. */
export function describePickle(value: PickleValue): string {
  if (value === null) return 'None';
  if (typeof value === 'string')
    return JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}...` : value);
  if (typeof value !== 'object') return String(value);
  if (value.kind === 'global') return value.name;
  return value.kind === 'object' ? value.className : value.kind === 'made' ? value.what : `a ${value.kind}`;
}

export function depthOf(value: PickleValue): number {
  return value !== null && typeof value === 'object' && 'depth' in value ? value.depth : 0;
}

export function isKey(value: PickleValue): value is PickleKey {
  return value === null || typeof value !== 'object';
}
