/** Completions in `import PACKAGE { … }`. */
import { modelsOf, passedOn } from '../../../compiler/model/modules/imports.ts';
import type { Module } from '../../../compiler/model/values/module.ts';
import * as t from '../../../grammar/tokens.ts';
import { importedModule } from '../binding/bind.ts';
import { namedDeclaration } from '../binding/things.ts';
import { isString, type Lexed } from '../tokens.ts';
import type { CompletionItem } from '../types.ts';
import type { Place } from './context.ts';
import { itemOf, keywordItem } from './items.ts';

/**
 * @param start index of the word `import`
 * @param files paths of those that are known
 */
export function importItems(
  place: Place,
  start: number,
  module: Module,
  lexed: Lexed,
  files: readonly string[],
): CompletionItem[] {
  const { before, open, string } = place;
  const opener = open.at(-1);
  if (opener === undefined) {
    if (before.at(-1)?.tokenType === t.RBrace) return t.declarationWords.map(keywordItem);
    if (before.length - 1 > start) return [];
    if (string !== undefined) return fileItems(files, module.file.path);
    const names = module.loader.host.bundledNames();
    return names.map((label): CompletionItem => ({ label, kind: 'package' }));
  }
  const from = before[opener - 1];
  if (from === undefined || opener - 2 !== start) return [];
  const quoted = isString(from);
  const target = importedModule(module, { text: quoted ? from.image.slice(1, -1) : from.image, quoted });
  if (target === undefined) return [];
  const listed = namesIn(lexed, before[opener]!.startOffset, place.start);
  return exportedItems(target, string !== undefined).filter(({ label }) => !listed.has(label));
}

function fileItems(files: readonly string[], from: string): CompletionItem[] {
  return files
    .filter((path) => path !== from && path.endsWith('.zoo') && path.startsWith('/') === from.startsWith('/'))
    .map((path): CompletionItem => ({ label: relativePath(from, path), kind: 'package' }));
}

/** As an import says it: `./parts/gate.zoo`, `../gate.zoo`. */
function relativePath(from: string, to: string): string {
  const [there, here] = [to.split('/'), from.split('/').slice(0, -1)];
  let same = 0;
  while (same < here.length && here[same] === there[same]) same++;
  const up = here.length - same;
  return `${up === 0 ? './' : '../'.repeat(up)}${there.slice(same).join('/')}`;
}

/** The names in a list of imports, but for the one that is being written. */
function namesIn({ tokens }: Lexed, opener: number, writing: number): Set<string> {
  const found = new Set<string>();
  for (const { startOffset, tokenType, image } of tokens) {
    if (startOffset <= opener) continue;
    if (tokenType === t.RBrace) break;
    if (Math.abs(startOffset - writing) > 1) found.add(image.replaceAll('"', ''));
  }
  return found;
}

function exportedItems(target: Module, quoted: boolean): CompletionItem[] {
  const models = [...modelsOf(target).values()].map((declared) => {
    const item = itemOf(namedDeclaration(declared));
    return quoted ? item : { ...item, insert: JSON.stringify(item.label) };
  });
  if (quoted) return models;
  const passed = [...passedOn(target).values()].filter((declared) => declared !== undefined);
  const declared = [...target.declarations.values(), ...passed].map((d) => itemOf(namedDeclaration(d)));
  return [...declared, ...models];
}
