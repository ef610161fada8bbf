/** Names, built-in words and keywords as completions. */
import { builtinNamed, builtinNames } from '../../../compiler/model/builtins/builtins.ts';
import { visibleModels, visibleNames } from '../../../compiler/model/modules/imports.ts';
import type { Module } from '../../../compiler/model/values/module.ts';
import type { Named, NameScope } from '../binding/named.ts';
import { globalName, modelNamed } from '../binding/things.ts';
import { commentAbove, headOf } from '../heads.ts';
import { type CompletionItem, type CompletionKind, nameKinds } from '../types.ts';

const kinds: readonly string[] = nameKinds;

export function itemOf(named: Named): CompletionItem {
  const kind = kinds.includes(named.kind) ? (named.kind as CompletionKind) : 'value';
  const detail = headOf(named);
  const about =
    named.kind === 'builtin'
      ? named.builtin?.about
      : named.node === undefined
        ? undefined
        : commentAbove(named.node.span);
  return {
    label: named.name,
    kind,
    ...(detail === undefined ? {} : { detail }),
    ...(about === undefined ? {} : { documentation: about }),
  };
}

export function keywordItem(label: string): CompletionItem {
  return { label, kind: 'keyword' };
}

/** What a bare name can be, beside those of scopes. */
export function globalItems(module: Module): CompletionItem[] {
  const declared = visibleNames(module).flatMap((name) => {
    const named = globalName(module, name);
    return named === undefined || named.kind === 'model' ? [] : [itemOf(named)];
  });
  const builtins = builtinNames().map((name) => {
    const builtin = builtinNamed(name)!;
    return itemOf({ kind: 'builtin', name, builtin, thing: { of: 'builtin', builtin } });
  });
  return [...declared, ...builtins];
}

export function scopeItems(scope: NameScope, offset: number): CompletionItem[] {
  return scope.visible(offset).map(itemOf);
}

/** Models by name, with quotes where none are written yet. */
export function modelItems(module: Module, quoted: boolean): CompletionItem[] {
  return [...new Set(visibleModels(module))].flatMap((name) => {
    const named = modelNamed(module, name);
    if (named === undefined) return [];
    return [{ ...itemOf(named), ...(quoted ? {} : { insert: JSON.stringify(name) }) }];
  });
}

/** Each label once, the first one of it. */
export function distinct(items: readonly CompletionItem[]): CompletionItem[] {
  const seen = new Set<string>();
  return items.filter(({ label }) => !seen.has(label) && seen.add(label));
}
