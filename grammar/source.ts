/**
 * Source text and places in it.
 *
 * Every later value (AST node, weight, graph node, kernel) keeps a `Span`, so that an error found late
 * still names a line of a `.zoo` file. Offsets are UTF-16 code units as JavaScript strings count them;
 * lines and columns start at 1.
 */

export interface SourceFile {
  /** As the user wrote it, or `zooc:nn` for a bundled package: what diagnostics print. */
  readonly path: string;
  readonly text: string;
}

export interface Span {
  readonly file: SourceFile;
  /** Offset of the first character. */
  readonly start: number;
  /** Offset behind the last character; `end >= start`. */
  readonly end: number;
}

interface Position {
  readonly line: number;
  readonly column: number;
}

/** Line and column (from 1) of an offset. */
export function positionAt(file: SourceFile, offset: number): Position {
  const before = file.text.slice(0, offset);
  const line = before.split('\n').length;
  return { line, column: offset - (before.lastIndexOf('\n') + 1) + 1 };
}

/** The smallest span that covers both; both must be in one file. */
export function joinSpans(first: Span, last: Span): Span {
  return { file: first.file, start: Math.min(first.start, last.start), end: Math.max(first.end, last.end) };
}
