/**
 * Text to AST: the one entry of the grammar.
 *
 * lexer (`tokens.ts`) → contextual keywords (`keywords.ts`) → Chevrotain rules (`rules/`) → nodes
 * (`ast-builder.ts`). The parser is one singleton, made when this module loads. Nothing here throws for any
 * text: every mistake is a diagnostic with a code Z1xx (table in `syntax-errors.ts`), and the program holds
 * whatever could be read around it.
 */
import type { IToken } from 'chevrotain';
import type * as ast from './ast.ts';
import { AstBuilder } from './ast-builder.ts';
import type { Diagnostic } from './diagnostics.ts';
import { classify, maxNesting, noBrackets } from './keywords.ts';
import { type FileElement, ProgramRules } from './rules/program.ts';
import type { SourceFile } from './source.ts';
import { strayBrace } from './strays.ts';
import { spanOf, toDiagnostic } from './syntax-errors.ts';
import { tokenize } from './tokens.ts';

const rules = new ProgramRules();

/** So many syntax errors are shown; more than that come from a file that is something else. */
const maxDiagnostics = 100;

/** Characters that a file may have: the largest of the library has 13 thousand. */
const maxCharacters = 8_000_000;

export interface ParseResult {
  readonly program: ast.Program;
  /** In the order of the source. Empty if the file is well-formed. */
  readonly diagnostics: readonly Diagnostic[];
}

/** Parses a file. Never throws, whatever the text. */
export function parse(file: SourceFile): ParseResult {
  const { value, comments, diagnostics } = read(file, () => rules.program(), []);
  const order: Diagnostic[] = [];
  const program = assemble(file, value, comments, order);
  return { program, diagnostics: bounded([...diagnostics, ...order]) };
}

/** Parses one expression, such as the value of `--set path=value`. Never throws. */
export function parseExpression(file: SourceFile): {
  expression: ast.Expr;
  diagnostics: readonly Diagnostic[];
} {
  const nothing: ast.Expr = { kind: 'error', span: { file, start: 0, end: file.text.length } };
  const { value, diagnostics } = read<ast.Expr>(file, () => rules.soleExpression(), nothing);
  // The text is no file.
  const told = diagnostics.map((d) => ({
    ...d,
    message: d.message.replaceAll('the end of the file', 'the end of the expression'),
  }));
  return { expression: value, diagnostics: bounded(told) };
}

interface Reading<T> {
  readonly value: T;
  readonly comments: readonly ast.Comment[];
  readonly diagnostics: Diagnostic[];
}

function read<T>(file: SourceFile, rule: () => T, fallback: T): Reading<T> {
  const { length } = file.text;
  if (length > maxCharacters) {
    const message = `${file.path} has ${(length / 1e6).toFixed(1)} million characters, a file may have ${maxCharacters / 1e6}`;
    return { value: fallback, comments: [], diagnostics: [{ code: 'Z113', severity: 'error', message }] };
  }
  const lexed = tokenize(file);
  const { tokens, brackets, tooDeep } = classify(lexed.tokens, file.text);
  const builder = new AstBuilder(file);
  rules.start(builder, tokens, brackets);
  let value: T | undefined;
  let overflow = false;
  try {
    value = rule();
    builder.finish();
  } catch (error) {
    // Nesting is bounded before parsing; this is for hosts with a much smaller stack than usual.
    if (!(error instanceof RangeError)) {
      throw error;
    }
    overflow = true;
  }
  const errors = rules.errors.map((error) => toDiagnostic(error, tokens, file));
  const diagnostics = withoutEchoes([...lexed.diagnostics, ...builder.diagnostics, ...errors], file);
  rules.start(new AstBuilder({ path: '', text: '' }), [], noBrackets);
  if (tooDeep !== undefined || overflow) {
    return {
      value: value ?? fallback,
      comments: lexed.comments,
      diagnostics: cutOff(diagnostics, file, tooDeep),
    };
  }
  return { value: value ?? fallback, comments: lexed.comments, diagnostics };
}

/**
 * Drops what only follows from another mistake: a gap left by a bad character, a brace too
 * many behind a bracket error.
 */
function withoutEchoes(diagnostics: readonly Diagnostic[], file: SourceFile): Diagnostic[] {
  const sorted = sort(diagnostics);
  return sorted.filter((d, i) => {
    const before = sorted[i - 1];
    if (before?.span === undefined || d.span === undefined) {
      return true;
    }
    if (before.code === 'Z101' && d.code !== 'Z101') {
      return file.text.slice(before.span.end, d.span.start).trim() !== '';
    }
    if (d.code === 'Z101' && before.message === d.message) {
      return file.text.slice(before.span.end, d.span.start).includes('\n');
    }
    return d.message !== strayBrace;
  });
}

function sort(diagnostics: readonly Diagnostic[]): Diagnostic[] {
  return [...diagnostics].sort((a, b) => (a.span?.start ?? 0) - (b.span?.start ?? 0));
}

/** Where reading stopped, only what is wrong in front of that place is the user's mistake. */
function cutOff(diagnostics: readonly Diagnostic[], file: SourceFile, at: IToken | undefined): Diagnostic[] {
  const end = at?.startOffset ?? file.text.length;
  const before = diagnostics.filter((d) => d.code !== 'Z106' && (d.span?.start ?? 0) < end);
  const deep: Diagnostic = {
    code: 'Z105',
    severity: 'error',
    message: `brackets and \`if\`s are nested more than ${maxNesting} levels deep`,
    span: at === undefined ? { file, start: 0, end: 0 } : spanOf(at, [], file),
    help: 'name parts of it with `let`',
  };
  return [...before, deep];
}

/** Sorts what a file holds into a program; the package comes first, then imports. */
function assemble(
  file: SourceFile,
  elements: readonly FileElement[],
  comments: readonly ast.Comment[],
  diagnostics: Diagnostic[],
): ast.Program {
  let packageName: ast.Identifier | undefined;
  const imports: ast.ImportDecl[] = [];
  const items: ast.Item[] = [];
  const misplaced = (element: FileElement, message: string): void => {
    diagnostics.push({ code: 'Z111', severity: 'error', message, span: element.span });
  };
  for (const element of elements) {
    if (element.kind === 'package') {
      if (packageName !== undefined) {
        misplaced(element, 'a file names its package once');
      } else if (imports.length + items.length > 0) {
        misplaced(element, '`package` is the first line of a file');
      }
      packageName ??= element.name;
    } else if (element.kind === 'import') {
      if (items.length > 0) {
        misplaced(element, 'imports stand in front of the first declaration');
      }
      imports.push(element);
    } else {
      items.push(element);
    }
  }
  return {
    kind: 'program',
    file,
    ...(packageName === undefined ? {} : { package: packageName }),
    imports,
    items,
    comments,
  };
}

/** In the order of the source, one per place, and not more than a screen or two. */
function bounded(diagnostics: readonly Diagnostic[]): readonly Diagnostic[] {
  const sorted = sort(diagnostics);
  const single = sorted.filter((d, i) => i === 0 || d.span?.start !== sorted[i - 1]!.span?.start);
  if (single.length <= maxDiagnostics) {
    return single;
  }
  const last = single[maxDiagnostics]!;
  const rest = single.length - maxDiagnostics;
  const more: Diagnostic = {
    code: 'Z112',
    severity: 'error',
    message: `${rest} more syntax errors from here on`,
    ...(last.span === undefined ? {} : { span: last.span }),
  };
  return [...single.slice(0, maxDiagnostics), more];
}
