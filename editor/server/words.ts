/** The language service's kinds in the protocol's words. */
import {
  CompletionItemKind,
  FoldingRangeKind,
  type SemanticTokensLegend,
  SymbolKind,
} from 'vscode-languageserver/node';
import type * as service from '../service/index.ts';

export const completionKinds: Readonly<Record<service.CompletionKind, CompletionItemKind>> = {
  block: CompletionItemKind.Class,
  function: CompletionItemKind.Function,
  objective: CompletionItemKind.Function,
  builtin: CompletionItemKind.Function,
  model: CompletionItemKind.Struct,
  parameter: CompletionItemKind.Property,
  variable: CompletionItemKind.Variable,
  weight: CompletionItemKind.Field,
  child: CompletionItemKind.Field,
  entry: CompletionItemKind.Method,
  field: CompletionItemKind.Field,
  dimension: CompletionItemKind.TypeParameter,
  package: CompletionItemKind.Module,
  setting: CompletionItemKind.Property,
  value: CompletionItemKind.Value,
  pattern: CompletionItemKind.Text,
  type: CompletionItemKind.Interface,
  keyword: CompletionItemKind.Keyword,
};

export const symbolKinds: Readonly<Record<service.SymbolKind, SymbolKind>> = {
  block: SymbolKind.Class,
  function: SymbolKind.Function,
  objective: SymbolKind.Function,
  model: SymbolKind.Struct,
  recipe: SymbolKind.Event,
  parameter: SymbolKind.Property,
  variable: SymbolKind.Variable,
  weight: SymbolKind.Field,
  child: SymbolKind.Object,
  entry: SymbolKind.Method,
  setting: SymbolKind.Property,
  package: SymbolKind.Package,
};

export const foldingKinds: Readonly<Record<service.FoldingRange['kind'], FoldingRangeKind>> = {
  region: FoldingRangeKind.Region,
  comment: FoldingRangeKind.Comment,
  imports: FoldingRangeKind.Imports,
};

/** What themes colour; undefined for what needs no colour. */
const tokenTypes: Readonly<Record<service.TokenKind, string | undefined>> = {
  comment: 'comment',
  keyword: 'keyword',
  number: 'number',
  string: 'string',
  operator: 'operator',
  punctuation: undefined,
  name: undefined,
  type: 'type',
  block: 'class',
  function: 'function',
  objective: 'function',
  builtin: 'function',
  model: 'struct',
  parameter: 'parameter',
  variable: 'variable',
  weight: 'property',
  child: 'property',
  entry: 'method',
  field: 'property',
  dimension: 'typeParameter',
  recipe: 'struct',
  package: 'namespace',
  setting: 'property',
  pattern: 'regexp',
};

const types = [...new Set(Object.values(tokenTypes).filter((type) => type !== undefined))];

export const legend: SemanticTokensLegend = {
  tokenTypes: types,
  tokenModifiers: ['declaration', 'defaultLibrary'],
};

/** Index of the type and bits of the modifiers; undefined for what is not told. */
export function tokenCode({ kind, declaration }: service.SemanticToken): [number, number] | undefined {
  const type = tokenTypes[kind];
  if (type === undefined) return undefined;
  return [types.indexOf(type), (declaration === true ? 1 : 0) | (kind === 'builtin' ? 2 : 0)];
}
