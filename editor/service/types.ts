/**
 * What the language service answers, as plain data: a page's editor and a language server translate it into their
 * own terms.
 *
 * Places are offsets in UTF-16 units, as JavaScript strings count them, `end` behind the last one.
 */

export interface Range {
  readonly start: number;
  readonly end: number;
}

export interface Location extends Range {
  /** Of a file, or `zooc:nn` for a bundled package, whose text `LanguageService.text` gives. */
  readonly path: string;
}

export interface TextEdit extends Range {
  readonly text: string;
}

/** A mistake, its places in this file or others; `fix` is an edit of the file that it was found in. */
export interface ServiceDiagnostic extends Range {
  readonly code: string;
  readonly severity: 'error' | 'warning';
  readonly message: string;
  readonly caption?: string;
  readonly help?: string;
  readonly notes: readonly string[];
  readonly labels: readonly (Location & { readonly text: string })[];
  readonly fix?: TextEdit;
}

export interface Hover extends Range {
  /** Markdown; code blocks are marked `zoo`. */
  readonly contents: string;
}

/** What a name of an expression can stand for. */
export const nameKinds = [
  'block',
  'function',
  'objective',
  'builtin',
  'model',
  'parameter',
  'variable',
  'weight',
  'child',
  'entry',
  'field',
  'dimension',
] as const;
type NameKind = (typeof nameKinds)[number];

export type CompletionKind = NameKind | 'package' | 'setting' | 'value' | 'pattern' | 'type' | 'keyword';

export interface CompletionItem {
  readonly label: string;
  readonly kind: CompletionKind;
  /** One line beside the label: a type, a signature, a shape. */
  readonly detail?: string;
  /** Markdown. */
  readonly documentation?: string;
  /** What is inserted in place of `CompletionList`'s range, where it is not the label. */
  readonly insert?: string;
}

export interface CompletionList extends Range {
  /** What an item replaces: the word, or the text of the string, around the place. */
  readonly items: readonly CompletionItem[];
}

/** From the tokens alone, or from what the names stand for. */
export const tokenKinds = [
  'comment',
  'keyword',
  'number',
  'string',
  'operator',
  'punctuation',
  'name',
  'type',
  ...nameKinds,
  'recipe',
  'package',
  'setting',
  'pattern',
] as const;
export type TokenKind = (typeof tokenKinds)[number];

export interface SemanticToken extends Range {
  readonly kind: TokenKind;
  /** The name is declared here. */
  readonly declaration?: true;
}

export type SymbolKind =
  | Exclude<NameKind, 'builtin' | 'field' | 'dimension'>
  | 'recipe'
  | 'setting'
  | 'package';

export interface DocumentSymbol extends Range {
  readonly name: string;
  readonly kind: SymbolKind;
  readonly detail?: string;
  /** The name within the whole. */
  readonly selection: Range;
  readonly children: readonly DocumentSymbol[];
}

/** From the end of its first line to the beginning of its last. */
export interface FoldingRange extends Range {
  readonly kind: 'region' | 'comment' | 'imports';
}

export interface CodeAction {
  readonly title: string;
  /** The diagnostic that it mends. */
  readonly code: string;
  readonly edits: readonly TextEdit[];
}

/** What is shown above a declaration. */
export interface CodeLens extends Range {
  readonly name: string;
  /** `size`: of a model, its number of parameters; `show`, `train`: of a model or recipe, the verb that can be called on it. */
  readonly about: 'size' | 'show' | 'train';
}

export interface InlayHint {
  /** Behind which the label stands. */
  readonly offset: number;
  readonly label: string;
}

export interface SignatureHelp {
  /** `Linear(inputs: int, outputs: int, bias: bool = true)` */
  readonly label: string;
  readonly documentation?: string;
  /** Ranges are places in the label. */
  readonly parameters: readonly (Range & { readonly name: string })[];
  /** Index of the parameter at the place; absent behind the last one. */
  readonly active?: number;
}

export type RenameResult =
  | { readonly ok: true; readonly edits: readonly (TextEdit & { readonly path: string })[] }
  | { readonly ok: false; readonly message: string };

/**
 * Answers about open documents and what they import. No function throws for any text; offsets beyond a text mean its
 * end. A path without an open document is read through the host.
 */
export interface LanguageService {
  /** Opens a document or replaces its text. */
  open(path: string, text: string): void;
  /** From here on the host's text of the path counts. */
  close(path: string): void;
  /** Files beside the open ones in which names are looked for, in place of those that were named before. */
  include(paths: readonly string[]): void;
  /** Files of the host may have changed: forgets what was read. */
  refresh(): void;
  /** The text of a document, a file of the host, or a bundled package by `zooc:NAME`. */
  text(path: string): string | undefined;
  diagnostics(path: string): ServiceDiagnostic[];
  /**
   * The same in steps, each as long as the check of one model at most, so that other questions can be answered in between.
   * Undefined as soon as a text has changed, and where the path cannot be read.
   */
  diagnosing(path: string): Generator<undefined, ServiceDiagnostic[] | undefined>;
  semanticTokens(path: string): SemanticToken[];
  hover(path: string, offset: number): Hover | undefined;
  completion(path: string, offset: number): CompletionList;
  /** Edits that give the canonical form; none where the file has syntax errors. */
  format(path: string): TextEdit[];
  symbols(path: string): DocumentSymbol[];
  folding(path: string): FoldingRange[];
  codeActions(path: string, range: Range): CodeAction[];
  definition(path: string, offset: number): Location | undefined;
  /** In the file, the files it imports, open documents and files that were included, the declaration first. */
  references(path: string, offset: number): Location[];
  /** The range of the name that `rename` would change; undefined where nothing can be renamed. */
  renameRange(path: string, offset: number): Range | undefined;
  rename(path: string, offset: number, name: string): RenameResult;
  lenses(path: string): CodeLens[];
  /** What a lens of the kind `size` says: `151,277,313 parameters`; undefined where the model has mistakes. */
  sizeText(path: string, model: string): string | undefined;
  signatureHelp(path: string, offset: number): SignatureHelp | undefined;
  inlayHints(path: string, range?: Range): InlayHint[];
}
