/**
 * What is known about an expression from the text alone: enough to find wrong names, arguments and kinds in
 * blocks and functions that no model uses. Sizes are left to elaboration and tracing.
 */
import type { BlockDecl, Callable, StaticTypeExpr, TypeExpr } from '../../../grammar/ast.ts';
import type { Builtin } from '../values/builtin.ts';
import type { Module } from '../values/module.ts';
import type { Session } from '../values/session.ts';
import { nouns } from '../values/values.ts';

export type Kind =
  | { readonly of: 'any' | 'int' | 'float' | 'bool' | 'string' | 'tensor' | 'pattern' }
  /** With the kind that all items have, where it is known. */
  | { readonly of: 'list'; readonly item?: Kind }
  | { readonly of: 'record'; readonly fields?: ReadonlyMap<string, Kind> }
  | { readonly of: 'fn'; readonly name?: string; readonly callable?: Callable; readonly module?: Module }
  | { readonly of: 'builtin'; readonly builtin: Builtin }
  /** A block with the names of the arguments it has; without `decl`, a block parameter. */
  | {
      readonly of: 'block';
      readonly decl?: BlockDecl;
      readonly module?: Module;
      readonly given?: ReadonlySet<string>;
    }
  /** A child: a block's instance, or a sequence with its parts. */
  | {
      readonly of: 'child';
      readonly name: string;
      readonly decl?: BlockDecl;
      readonly parts?: ReadonlyMap<string, Part>;
    }
  | { readonly of: 'array'; readonly name: string; readonly item: Kind };

/** A part of a sequence, which may be absent under its `when`. */
export interface Part {
  readonly kind: Kind;
  readonly optional: boolean;
}

export const any: Kind = { of: 'any' };

export interface Look {
  readonly session: Session;
  readonly module: Module;
  readonly scope: KindScope;
  /** Inside a body, where `N` is the size of the whole batch. */
  readonly body: boolean;
}

/** Kinds of the names in reach. */
export class KindScope {
  readonly parent: KindScope | undefined;
  readonly #kinds = new Map<string, Kind>();

  constructor(parent?: KindScope) {
    this.parent = parent;
  }

  find(name: string): Kind | undefined {
    return this.#kinds.get(name) ?? this.parent?.find(name);
  }

  own(name: string): Kind | undefined {
    return this.#kinds.get(name);
  }

  bind(name: string, kind: Kind): void {
    this.#kinds.set(name, kind);
  }

  /** Outermost first, for suggestions. */
  names(): string[] {
    return [...(this.parent?.names() ?? []), ...this.#kinds.keys()];
  }
}

/** As evaluation calls values of this kind. */
export function nounOf(kind: Kind): string {
  if (kind.of === 'any') return 'something';
  return nouns[kind.of === 'child' ? 'instance' : kind.of];
}

/** The kind of a declared type. */
export function kindOfType(type: TypeExpr): Kind {
  switch (type.kind) {
    case 'static-type':
      return type.list ? { of: 'list' } : { of: type.name };
    case 'tensor-type':
      return { of: 'tensor' };
    case 'record-type':
      return { of: 'record', fields: new Map(type.fields.map((f) => [f.name.text, kindOfType(f.type)])) };
    default:
      return any;
  }
}

/** Whether a value of this kind can be given for a static type. */
export function fitsStatic(kind: Kind, type: StaticTypeExpr): boolean {
  if (kind.of === 'any') return true;
  if (type.list) return kind.of === 'list';
  switch (type.name) {
    case 'float':
      return kind.of === 'float' || kind.of === 'int';
    case 'fn':
      return ['fn', 'builtin', 'child', 'array'].includes(kind.of);
    default:
      return kind.of === type.name;
  }
}

/** Whether a value of this kind can be given where a tensor belongs. */
export function fitsTensor(kind: Kind): boolean {
  return ['any', 'tensor', 'int', 'float'].includes(kind.of);
}

/** What the kinds of two branches have in common. */
export function commonKind(a: Kind, b: Kind): Kind {
  if (a.of === 'record' && b.of === 'record') return commonRecord(a, b);
  const plain = !['fn', 'block', 'child', 'array', 'list', 'builtin'].includes(a.of);
  return a.of === b.of && plain ? a : any;
}

function commonRecord(a: Kind & { of: 'record' }, b: Kind & { of: 'record' }): Kind {
  if (a.fields === undefined || b.fields === undefined) return { of: 'record' };
  const shared = [...a.fields].flatMap(([name, kind]) => {
    const other = b.fields!.get(name);
    return other === undefined ? [] : [[name, commonKind(kind, other)] as const];
  });
  // A field that only one has may be there.
  return shared.length < Math.max(a.fields.size, b.fields.size)
    ? { of: 'record' }
    : { of: 'record', fields: new Map(shared) };
}
