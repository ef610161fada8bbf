/**
 * The language service: what an editor asks about files of the language. Needs neither Node nor a page; files come
 * from a `ModuleHost`, open documents go before them.
 */
import type { ModuleHost } from '../../compiler/model/types.ts';
import { format } from '../../grammar/printer.ts';
import { complete } from './completion/complete.ts';
import { actionsOf, diagnosing, diagnosticsOf } from './diagnostics.ts';
import { hintsOf, signatureOf } from './hints.ts';
import { hover } from './hover.ts';
import { lensesOf, sizeText } from './lenses.ts';
import { foldsOf, symbolsOf } from './outline.ts';
import { definitionOf, referencesOf, renamed, renameRangeOf } from './references.ts';
import { tokensOf } from './tokens.ts';
import type { LanguageService, SemanticToken, TextEdit } from './types.ts';
import { Workspace } from './workspace.ts';

export { classifyText } from './tokens.ts';
export * from './types.ts';

export function createService(host: ModuleHost): LanguageService {
  const workspace = new Workspace(host);
  const within = (path: string, offset: number) =>
    Math.max(0, Math.min(offset, workspace.text(path)?.length ?? 0));
  return {
    open: (path, text) => workspace.open(path, text),
    close: (path) => workspace.close(path),
    include: (paths) => workspace.include(paths),
    refresh: () => workspace.refresh(),
    text: (path) => workspace.text(path),
    diagnostics: (path) => diagnosticsOf(workspace, path),
    diagnosing: (path) => diagnosing(workspace, path),
    semanticTokens: (path) => semanticTokens(workspace, path),
    hover: (path, offset) => hover(workspace, path, within(path, offset)),
    completion: (path, offset) => complete(workspace, path, within(path, offset)),
    format: (path) => formatted(workspace, path),
    symbols(path) {
      const binding = workspace.binding(path);
      return binding === undefined ? [] : symbolsOf(binding);
    },
    folding(path) {
      const syntax = workspace.syntax(path);
      return syntax === undefined ? [] : foldsOf(syntax);
    },
    codeActions: (path, range) => actionsOf(workspace, path, range),
    definition: (path, offset) => definitionOf(workspace, path, within(path, offset)),
    references: (path, offset) => referencesOf(workspace, path, within(path, offset)),
    renameRange: (path, offset) => renameRangeOf(workspace, path, within(path, offset)),
    rename: (path, offset, name) => renamed(workspace, path, within(path, offset), name),
    lenses: (path) => lensesOf(workspace, path),
    sizeText: (path, model) => sizeText(workspace, path, model),
    signatureHelp: (path, offset) => signatureOf(workspace, path, within(path, offset)),
    inlayHints(path, range = { start: 0, end: Number.POSITIVE_INFINITY }) {
      const observer = workspace.observer(path);
      const binding = workspace.binding(path);
      return observer === undefined || binding === undefined ? [] : hintsOf(observer, binding, range);
    },
  };
}

/** Tokens by their looks, names by what they stand for where that is known. */
function semanticTokens(workspace: Workspace, path: string): SemanticToken[] {
  const syntax = workspace.syntax(path);
  if (syntax === undefined) return [];
  const names = new Map(workspace.binding(path)?.occurrences.map((o) => [o.name.span.start, o]));
  return tokensOf(syntax.lexed).map((token) => {
    const found = names.get(token.start);
    if (found === undefined || found.name.span.end < token.end || token.kind === 'keyword') return token;
    return {
      ...token,
      kind: found.named.kind,
      ...(found.role === 'declaration' ? { declaration: true as const } : {}),
    };
  });
}

/** One edit for what lies between the equal beginning and end. */
function formatted(workspace: Workspace, path: string): TextEdit[] {
  const syntax = workspace.syntax(path);
  if (syntax === undefined || syntax.diagnostics.some((d) => d.severity === 'error')) return [];
  const before = syntax.file.text;
  const after = format(syntax.program);
  if (after === before) return [];
  const shorter = Math.min(before.length, after.length);
  let start = 0;
  while (start < shorter && before[start] === after[start]) start++;
  let same = 0;
  while (same < shorter - start && before[before.length - 1 - same] === after[after.length - 1 - same])
    same++;
  return [{ start, end: before.length - same, text: after.slice(start, after.length - same) }];
}
