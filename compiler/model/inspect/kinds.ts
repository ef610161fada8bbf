/**
 * What is known about an expression from the text alone: enough to find wrong names, arguments and kinds in
 * blocks and functions that no model uses. Sizes are left to elaboration and tracing.
 */
import type { BlockDecl, Callable, StaticTypeExpr, TypeExpr } from '../../../grammar/ast.ts';
import type { Builtin } from '../values/builtin.ts';
import type { Module } from '../values/module.ts';
import { nouns } from '../values/values.ts';

export type Kind =
  | { readonly of: 'any' | 'int' | 'float' | 'bool' | 'string' | 'list' | 'tensor' | 'pattern' }
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
      readonly parts?: ReadonlyMap<string, Kind>;
    }
  | { readonly of: 'array'; readonly name: string; readonly item: Kind };

export const any: Kind = { of: 'any' };

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

/**
 * What an array of blocks with this forward gives: what one link gives, where links also take that; it may be
 * empty.
 */
export function chainKind(link: Callable | undefined): Kind {
  const [first] = link?.params ?? [];
  if (link?.result === undefined || first?.type.kind !== link.result.kind) return any;
  return kindOfType(link.result);
}

/** Whether a value of this kind can be given for a static type. */
export function fitsStatic(kind: Kind, type: StaticTypeExpr): boolean {
  if (kind.of === 'any') return true;
  if (type.list) return kind.of === 'list';
  switch (type.name) {
    case 'float':
      return kind.of === 'float' || kind.of === 'int';
    case 'fn':
      return kind.of === 'fn' || kind.of === 'builtin' || kind.of === 'child';
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
  return a.of === b.of && !['fn', 'block', 'child', 'array', 'record', 'builtin'].includes(a.of) ? a : any;
}
