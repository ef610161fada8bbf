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

/** A range of a file's text, in UTF-16 units. */
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

/** Offsets at which the lines of a file begin, found once: a file may have thousands of mistakes. */
const lineStarts = new WeakMap<SourceFile, readonly number[]>();

function lineStartsOf(file: SourceFile): readonly number[] {
  let starts = lineStarts.get(file);
  if (starts === undefined) {
    starts = [0, ...Array.from(file.text.matchAll(/\n/g), ({ index }) => index + 1)];
    lineStarts.set(file, starts);
  }
  return starts;
}

/** Line and column (from 1) of an offset. */
export function positionAt(file: SourceFile, offset: number): Position {
  const starts = lineStartsOf(file);
  let [line, behind] = [0, starts.length];
  while (behind - line > 1) {
    const middle = (line + behind) >> 1;
    if (starts[middle]! <= offset) line = middle;
    else behind = middle;
  }
  return { line: line + 1, column: offset - starts[line]! + 1 };
}

/** The text of a line (from 1) without its end; empty behind the last one. */
export function lineText(file: SourceFile, line: number): string {
  const starts = lineStartsOf(file);
  const text = file.text.slice(starts[line - 1] ?? file.text.length, starts[line]);
  return text.replace(/\r?\n$|\r$/, '');
}

/** The smallest span that covers both; both must be in one file. */
export function joinSpans(first: Span, last: Span): Span {
  return { file: first.file, start: Math.min(first.start, last.start), end: Math.max(first.end, last.end) };
}
