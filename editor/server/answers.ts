/** Answers of the language service in the protocol's form. */
import {
  type CodeAction,
  CodeActionKind,
  type CompletionList,
  type Diagnostic,
  DiagnosticSeverity,
  type DocumentSymbol,
  type FoldingRange,
  type Hover,
  type InlayHint,
  InlayHintKind,
  MarkupKind,
  type SemanticTokens,
  SemanticTokensBuilder,
  type SignatureHelp,
  type TextEdit,
} from 'vscode-languageserver/node';
import type { TextDocument } from 'vscode-languageserver-textdocument';
import type * as service from '../service/index.ts';
import { type Documents, rangeIn } from './documents.ts';
import { completionKinds, foldingKinds, symbolKinds, tokenCode } from './words.ts';

const markdown = (value: string) => ({ kind: MarkupKind.Markdown, value });

export function editOf(document: TextDocument, { text, ...range }: service.TextEdit): TextEdit {
  return { range: rangeIn(document, range), newText: text };
}

export function diagnosticOf(
  path: string,
  { code, severity, message, caption, notes, help, labels, ...range }: service.ServiceDiagnostic,
  documents: Documents,
): Diagnostic {
  const lines = [
    message,
    ...(caption === undefined ? [] : [caption]),
    ...notes.map((note) => `note: ${note}`),
    ...(help === undefined ? [] : [`help: ${help}`]),
  ];
  return {
    range: documents.rangeOf(path, range),
    severity: severity === 'error' ? DiagnosticSeverity.Error : DiagnosticSeverity.Warning,
    code,
    source: 'zooc',
    message: lines.join('\n'),
    ...(labels.length === 0
      ? {}
      : {
          relatedInformation: labels.map(({ text, ...place }) => ({
            location: documents.locationOf(place),
            message: text,
          })),
        }),
  };
}

export function hoverOf(document: TextDocument, { contents, ...range }: service.Hover): Hover {
  return { contents: markdown(contents), range: rangeIn(document, range) };
}

export function completionOf(
  document: TextDocument,
  { items, ...range }: service.CompletionList,
): CompletionList {
  const replaced = rangeIn(document, range);
  const digits = String(items.length).length;
  return {
    isIncomplete: false,
    items: items.map(({ label, kind, detail, documentation, insert }, i) => ({
      label,
      kind: completionKinds[kind],
      ...(detail === undefined ? {} : { detail }),
      ...(documentation === undefined ? {} : { documentation: markdown(documentation) }),
      // The service's order, what fits best first.
      sortText: String(i).padStart(digits, '0'),
      textEdit: { range: replaced, newText: insert ?? label },
    })),
  };
}

export function signatureOf({
  label,
  documentation,
  parameters,
  active,
}: service.SignatureHelp): SignatureHelp {
  return {
    signatures: [
      {
        label,
        ...(documentation === undefined ? {} : { documentation: markdown(documentation) }),
        parameters: parameters.map(({ start, end }) => ({ label: [start, end] })),
      },
    ],
    activeSignature: 0,
    // One beyond the last where none is meant: without a number clients take the first.
    activeParameter: active ?? parameters.length,
  };
}

export function symbolOf(
  document: TextDocument,
  { name, kind, detail, selection, children, ...range }: service.DocumentSymbol,
): DocumentSymbol {
  // The text that is recovered may end before the name does.
  const whole = { start: Math.min(range.start, selection.start), end: Math.max(range.end, selection.end) };
  return {
    name,
    kind: symbolKinds[kind],
    ...(detail === undefined ? {} : { detail }),
    range: rangeIn(document, whole),
    selectionRange: rangeIn(document, selection),
    children: children.map((child) => symbolOf(document, child)),
  };
}

/** Whole lines: the one with the closing bracket stays. */
export function foldOf(document: TextDocument, { start, end, kind }: service.FoldingRange): FoldingRange[] {
  const startLine = document.positionAt(start).line;
  const endLine = document.positionAt(end).line - (kind === 'region' ? 1 : 0);
  return endLine <= startLine ? [] : [{ startLine, endLine, kind: foldingKinds[kind] }];
}

export function hintOf(document: TextDocument, { offset, label }: service.InlayHint): InlayHint {
  return { position: document.positionAt(offset), label, kind: InlayHintKind.Type };
}

export function tokensOf(document: TextDocument, tokens: readonly service.SemanticToken[]): SemanticTokens {
  const builder = new SemanticTokensBuilder();
  for (const token of tokens) {
    const code = tokenCode(token);
    if (code === undefined) continue;
    const { line, character } = document.positionAt(token.start);
    builder.push(line, character, token.end - token.start, ...code);
  }
  // Without its number of a result: there are no answers by differences.
  return { data: builder.build().data };
}

/** @param told the client's diagnostics at the place */
export function actionOf(
  document: TextDocument,
  { title, code, edits }: service.CodeAction,
  told: readonly Diagnostic[],
): CodeAction {
  const changes = { [document.uri]: edits.map((edit) => editOf(document, edit)) };
  return {
    title,
    kind: CodeActionKind.QuickFix,
    diagnostics: told.filter((diagnostic) => diagnostic.code === code),
    isPreferred: true,
    edit: { changes },
  };
}
