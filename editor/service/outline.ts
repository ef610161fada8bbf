/** Symbols and folds of a file. */
import type { BlockDecl, ImportDecl, Item, Setting } from '../../grammar/ast.ts';
import type { Span } from '../../grammar/source.ts';
import * as t from '../../grammar/tokens.ts';
import type { Binding } from './binding/bind.ts';
import { memberNamed, namedDeclaration } from './binding/things.ts';
import { headOf } from './heads.ts';
import { endOf } from './tokens.ts';
import type { DocumentSymbol, FoldingRange, SymbolKind } from './types.ts';
import type { Syntax } from './workspace.ts';

const range = ({ start, end }: Span) => ({ start, end });

export function symbolsOf({ module }: Binding): DocumentSymbol[] {
  return module.program.items
    .filter((item) => item.name.text !== '')
    .map((item) => itemSymbol(item, { module }));
}

const kinds: Readonly<Record<Item['kind'], SymbolKind>> = {
  block: 'block',
  fn: 'function',
  objective: 'objective',
  model: 'model',
  train: 'recipe',
  names: 'variable',
};

function itemSymbol(item: Item, { module }: Pick<Binding, 'module'>): DocumentSymbol {
  const detail =
    item.kind === 'train' || item.kind === 'names'
      ? headOf({ kind: 'recipe', name: item.name.text, node: item, thing: { of: 'unknown' } })
      : headOf(
          namedDeclaration({ kind: item.kind, decl: item, module } as Parameters<typeof namedDeclaration>[0]),
        );
  return {
    ...range(item.span),
    name: item.name.text,
    kind: kinds[item.kind],
    ...(detail === undefined ? {} : { detail }),
    selection: range(item.name.span),
    children:
      item.kind === 'block'
        ? memberSymbols(item, module)
        : item.kind === 'train'
          ? settingSymbols(item.settings)
          : [],
  };
}

function memberSymbols(block: BlockDecl, module: Binding['module']): DocumentSymbol[] {
  return block.members.flatMap((member): DocumentSymbol[] => {
    if (member.kind === 'forward') {
      const selection = {
        start: member.span.start,
        end: Math.min(member.span.end, member.span.start + 'forward'.length),
      };
      return [{ ...range(member.span), name: 'forward', kind: 'entry', selection, children: [] }];
    }
    const named = memberNamed(member, module);
    if (named?.at === undefined || named.name === '') return [];
    const detail = headOf(named);
    return [
      {
        ...range(member.span),
        name: named.name,
        kind: named.kind as SymbolKind,
        ...(detail === undefined ? {} : { detail }),
        selection: range(named.at),
        children: [],
      },
    ];
  });
}

function settingSymbols(settings: readonly Setting[]): DocumentSymbol[] {
  return settings.flatMap((setting) =>
    setting.kind === 'assign'
      ? [
          {
            ...range(setting.span),
            name: setting.key.text,
            kind: 'setting' as const,
            selection: range(setting.key.span),
            children: [],
          },
        ]
      : [],
  );
}

// ── folds ──────────────────────────────────────────────────────────────────────────────────────────────────

const closers = new Map([
  [t.RParen, t.LParen],
  [t.RBracket, t.LBracket],
  [t.RBrace, t.LBrace],
]);
const openers = new Set(closers.values());

/** Brackets over several lines, runs of comments, and the imports. From tokens, so that any text folds. */
export function foldsOf({ lexed, program, file }: Syntax): FoldingRange[] {
  const { text } = file;
  const several = (start: number, end: number) => text.slice(start, end).includes('\n');
  const folds: FoldingRange[] = [];
  const open: { readonly start: number; readonly type: unknown }[] = [];
  for (const token of lexed.tokens) {
    if (openers.has(token.tokenType)) open.push({ start: endOf(token), type: token.tokenType });
    const opener = closers.get(token.tokenType);
    if (opener === undefined) continue;
    const at = open.findLastIndex(({ type }) => type === opener);
    if (at < 0) continue;
    const [{ start } = { start: 0 }] = open.splice(at);
    if (several(start, token.startOffset)) folds.push({ start, end: token.startOffset, kind: 'region' });
  }
  return [...folds, ...commentFolds(lexed.comments, text), ...importFolds(program.imports, several)].sort(
    (a, b) => a.start - b.start,
  );
}

function commentFolds(comments: Syntax['lexed']['comments'], text: string): FoldingRange[] {
  const runs: { start: number; end: number }[] = [];
  for (const { start, end } of comments) {
    const line = text.lastIndexOf('\n', start - 1) + 1;
    if (text.slice(line, start).trim() !== '') continue;
    const last = runs.at(-1);
    if (last !== undefined && /^[ \t\r]*\n[ \t]*$/.test(text.slice(last.end, start))) last.end = end;
    else runs.push({ start, end });
  }
  return runs.flatMap(({ start, end }) => {
    const line = text.indexOf('\n', start);
    return line >= 0 && line < end ? [{ start: line, end, kind: 'comment' as const }] : [];
  });
}

function importFolds(
  imports: readonly ImportDecl[],
  several: (start: number, end: number) => boolean,
): FoldingRange[] {
  const [first, last] = [imports[0], imports.at(-1)];
  if (first === undefined || last === undefined || first === last) return [];
  const [start, end] = [first.span.start, last.span.end];
  return several(start, end) ? [{ start, end, kind: 'imports' }] : [];
}
