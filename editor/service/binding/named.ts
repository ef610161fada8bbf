/** What a name stands for, as the text says it, and what can be said of a value without computing it. */
import type { Builtin } from '../../../compiler/model/values/builtin.ts';
import type { Module } from '../../../compiler/model/values/module.ts';
import type {
  BlockDecl,
  Callable,
  Expr,
  Identifier,
  Item,
  Member,
  ModelDecl,
  ParamDecl,
} from '../../../grammar/ast.ts';
import type { Span } from '../../../grammar/source.ts';
import type { TokenKind } from '../types.ts';

export interface Named {
  readonly kind: TokenKind;
  readonly name: string;
  /** Where it is declared, which tells it from all others; absent for what is built in. */
  readonly at?: Span;
  /** What declares it. */
  readonly node?: Item | Member | ParamDecl | Callable;
  /** The file or package that declares it. */
  readonly module?: Module;
  readonly builtin?: Builtin;
  readonly thing: Thing;
  /** In reach from this offset on; everywhere in its scope by default. */
  readonly from?: number;
}

export interface Given {
  readonly expr: Expr;
  readonly module: Module;
}

export type Thing =
  | { readonly of: 'unknown' | 'tensor' | 'static' }
  /** With the arguments that it has. */
  | {
      readonly of: 'block';
      readonly decl: BlockDecl;
      readonly module: Module;
      readonly given: ReadonlyMap<string, Given>;
    }
  | { readonly of: 'model'; readonly decl: ModelDecl; readonly module: Module }
  | { readonly of: 'child'; readonly decl: BlockDecl; readonly module: Module }
  | { readonly of: 'seq'; readonly parts: ReadonlyMap<string, Named> }
  | { readonly of: 'array'; readonly item: Thing }
  | { readonly of: 'fn'; readonly callable: Callable; readonly module: Module }
  | { readonly of: 'builtin'; readonly builtin: Builtin }
  | { readonly of: 'record'; readonly fields: ReadonlyMap<string, Named> };

export const unknown: Thing = { of: 'unknown' };
export const tensor: Thing = { of: 'tensor' };

/** Names in reach in a part of a file. */
export class NameScope {
  readonly parent: NameScope | undefined;
  readonly #names = new Map<string, Named>();
  readonly #whole: boolean;

  /** @param whole of the parent all names are in reach, wherever they stand: bodies see every member of a block */
  constructor(parent?: NameScope, whole = false) {
    this.parent = parent;
    this.#whole = whole;
  }

  find(name: string): Named | undefined {
    return this.#names.get(name) ?? this.parent?.find(name);
  }

  bind(named: Named): void {
    if (named.name !== '') this.#names.set(named.name, named);
  }

  /** All that are in reach at an offset, innermost first, each name once. */
  visible(offset: number): Named[] {
    const own = [...this.#names.values()].filter(({ from }) => from === undefined || from <= offset);
    const known = new Set(own.map(({ name }) => name));
    const outer = this.parent?.visible(this.#whole ? Number.POSITIVE_INFINITY : offset) ?? [];
    return [...own, ...outer.filter(({ name }) => !known.has(name))];
  }
}

/** One place in a file where a name stands. */
export interface Occurrence {
  readonly name: Identifier | { readonly text: string; readonly span: Span; readonly quoted: boolean };
  readonly named: Named;
  readonly role: 'declaration' | 'import' | 'use';
}

export function declaredBy(
  kind: TokenKind,
  name: Identifier,
  thing: Thing,
  more: Partial<Pick<Named, 'node' | 'module' | 'from'>> = {},
): Named {
  return { kind, name: name.text, at: name.span, thing, ...more };
}
