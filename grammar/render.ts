/**
 * The one renderer of diagnostics: as text with source lines and carets, and as JSON for tools.
 *
 * ```
 * error[Z301]: cannot add [B, 50, 768] and [B, 50, 512]: axis 2 differs
 *   --> enc.zoo:14:12
 * 12 |   mlp: seq { a: Linear(width, 3072)  b: Linear(3072, 512) }
 *    |                                         ----------------- gives 512
 * 14 |     return y + mlp(y)
 *    |            ^^^^^^^^^^ left is 768, right is 512
 *    = help: Linear(3072, width)
 * ```
 * Labels in the primary file appear in line order with it, those elsewhere behind it with their own `-->`.
 */
import type { Code } from './codes.ts';
import type { Diagnostic } from './diagnostics.ts';
import { lineText, positionAt, type SourceFile, type Span } from './source.ts';

/** How diagnostics are printed. */
export interface RenderOptions {
  /** ANSI colours, for terminals. Off by default. */
  readonly color?: boolean;
}

/** Longest part of a source line that is shown. */
const maxColumns = 100;
/** Diagnostics that are shown; a file with more of them has one cause, or needs many rounds anyway. */
const mostShown = 100;

/**
 * Renders diagnostics sorted by file and position, exact duplicates once, a blank line
 * between two; no final newline. Behind the first 100 it says how many there are.
 */
export function renderDiagnostics(diagnostics: readonly Diagnostic[], options: RenderOptions = {}): string {
  const paint = options.color === true ? ansi : plain;
  const all = ordered(diagnostics);
  const rest = all.length - mostShown;
  const more = rest > 0 ? [`… and ${rest} more`] : [];
  return [...all.slice(0, mostShown).map((d) => renderOne(d, paint)), ...more].join('\n\n');
}

/**
 * What `check --json` prints for each diagnostic. Lines and columns from 1, the end
 * behind the last character.
 */
interface DiagnosticJson {
  readonly code: Code;
  readonly severity: Diagnostic['severity'];
  readonly message: string;
  /** Null where no source exists. */
  readonly file: string | null;
  readonly line: number | null;
  readonly column: number | null;
  readonly endLine: number | null;
  readonly endColumn: number | null;
  readonly help?: string;
}

export function diagnosticToJson(d: Diagnostic): DiagnosticJson {
  const start = d.span === undefined ? undefined : positionAt(d.span.file, d.span.start);
  const end = d.span === undefined ? undefined : positionAt(d.span.file, d.span.end);
  return {
    code: d.code,
    severity: d.severity,
    message: d.message,
    file: d.span?.file.path ?? null,
    line: start?.line ?? null,
    column: start?.column ?? null,
    endLine: end?.line ?? null,
    endColumn: end?.column ?? null,
    ...(d.help === undefined ? {} : { help: d.help }),
  };
}

/** Sorted by file and position (those without a place first), without exact duplicates. */
function ordered(diagnostics: readonly Diagnostic[]): Diagnostic[] {
  const seen = new Set<string>();
  const single = diagnostics.filter((d) => {
    const key = JSON.stringify(d, (name, value: unknown) =>
      name === 'file' ? (value as SourceFile).path : value,
    );
    return !seen.has(key) && seen.add(key);
  });
  return single.sort((a, b) => compareSpans(a.span, b.span));
}

function compareSpans(a: Span | undefined, b: Span | undefined): number {
  if (a === undefined || b === undefined) {
    return (a === undefined ? 0 : 1) - (b === undefined ? 0 : 1);
  }
  if (a.file.path !== b.file.path) {
    return a.file.path < b.file.path ? -1 : 1;
  }
  return a.start - b.start || a.end - b.end;
}

// ── one diagnostic ─────────────────────────────────────────────────────────────────────────────────────────

type Style = 'error' | 'warning' | 'frame' | 'label' | 'strong';
type Paint = (style: Style, text: string) => string;

const plain: Paint = (_, text) => text;
const styleCodes: Record<Style, string> = {
  error: '1;31',
  warning: '1;33',
  frame: '34',
  label: '36',
  strong: '1',
};
const ansi: Paint = (style, text) => (text === '' ? text : `\u001b[${styleCodes[style]}m${text}\u001b[0m`);

interface Mark {
  readonly span: Span;
  readonly text: string;
  readonly primary: boolean;
}

function renderOne(d: Diagnostic, paint: Paint): string {
  const lines = [
    `${paint(d.severity, `${d.severity}[${d.code}]`)}${paint('strong', `: ${visible(d.message)}`)}`,
  ];
  const labels = (d.labels ?? []).map(({ span, text }): Mark => ({ span, text, primary: false }));
  const primary: Mark[] =
    d.span === undefined ? [] : [{ span: d.span, text: d.caption ?? '', primary: true }];
  const marks = [...primary, ...labels];
  const files = [...new Set(marks.map((mark) => mark.span.file))];
  const numbers = marks.map((mark) => positionAt(mark.span.file, mark.span.start).line);
  const width = Math.max(2, ...numbers.map((line) => String(line).length));
  const frame = (left: string, text: string): string =>
    `${paint('frame', `${left.padStart(width)} |`)}${text === '' ? '' : ` ${text}`}`;
  for (const file of files) {
    const own = marks.filter((mark) => mark.span.file === file);
    const { line, column } = positionAt(file, own[0]!.span.start);
    lines.push(`${' '.repeat(width)}${paint('frame', '-->')} ${file.path}:${line}:${column}`);
    lines.push(...snippet(own, d.severity, paint, frame));
  }
  const remark = (kind: string, text: string): void => {
    const indent = ' '.repeat(width + 1);
    const rest = ' '.repeat(width + 1 + `= ${kind}: `.length);
    const [first = '', ...more] = visible(text).split('\n');
    lines.push(`${indent}${paint('frame', '=')} ${paint('strong', kind)}: ${first}`);
    lines.push(...more.map((line) => `${rest}${line}`));
  };
  for (const note of d.notes ?? []) {
    remark('note', note);
  }
  if (d.help !== undefined) {
    remark('help', d.help);
  }
  return lines.join('\n');
}

/** The marked lines of one file in order, each with its carets below. */
function snippet(
  marks: readonly Mark[],
  severity: Diagnostic['severity'],
  paint: Paint,
  frame: (left: string, text: string) => string,
): string[] {
  const byLine = new Map<number, PlacedMark[]>();
  for (const mark of marks) {
    const placed = place(mark);
    byLine.set(placed.line, [...(byLine.get(placed.line) ?? []), placed]);
  }
  const output: string[] = [];
  for (const line of [...byLine.keys()].sort((a, b) => a - b)) {
    const placed = byLine.get(line)!.sort((a, b) => a.from - b.from || b.to - a.to);
    const source = displayed(marks[0]!.span.file, line);
    for (const group of fits(source, placed) ? [placed] : placed.map((mark) => [mark])) {
      const view = cut(source, group);
      output.push(frame(String(line), view.text));
      output.push(...caretRows(group, view, severity, paint).map((row) => frame('', row)));
    }
  }
  return output;
}

/** A mark on its (first) line; `from` and `to` are offsets within that line. */
interface PlacedMark {
  readonly line: number;
  readonly from: number;
  readonly to: number;
  readonly text: string;
  readonly primary: boolean;
}

function place(mark: Mark): PlacedMark {
  const { file, start, end } = mark.span;
  const { line, column } = positionAt(file, start);
  const from = column - 1;
  const last = Math.max(from + 1, lineText(file, line).length);
  return {
    line,
    from,
    to: Math.min(last, Math.max(from + 1, from + end - start)),
    text: mark.text,
    primary: mark.primary,
  };
}

// ── columns ────────────────────────────────────────────────────────────────────────────────────────────────

/**
 * A line as shown: tabs are single spaces; `columns[i]` is the screen column of offset i,
 * one more entry for the end.
 */
interface DisplayLine {
  readonly text: string;
  readonly columns: readonly number[];
}

/** The line of a file that was shown last: those with many mistakes may be long. */
const lastShown = new WeakMap<SourceFile, { readonly line: number; readonly shown: DisplayLine }>();

function displayed(file: SourceFile, line: number): DisplayLine {
  const last = lastShown.get(file);
  if (last?.line === line) return last.shown;
  const shown = displayLine(lineText(file, line));
  lastShown.set(file, { line, shown });
  return shown;
}

function displayLine(text: string): DisplayLine {
  const columns: number[] = [];
  let column = 0;
  for (const character of text) {
    for (let unit = 0; unit < character.length; unit++) {
      columns.push(column);
    }
    column += screenWidth(character);
  }
  columns.push(column);
  return { text: visible(text), columns };
}

/** Characters that would move the cursor, or worse, are shown as one ordinary character each. */
function visible(text: string): string {
  return Array.from(text, (c) => (c === '\t' ? ' ' : movesCursor(c.codePointAt(0)!) ? '\ufffd' : c)).join('');
}

/** Control characters but the newline, and those that reverse the direction of writing. */
function movesCursor(code: number): boolean {
  const control = (code < 0x20 && code !== 0x0a) || (code >= 0x7f && code <= 0x9f);
  return control || (code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
}

const wide =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}/u;

/**
 * Columns that a terminal gives a character: two for East Asian wide ones and emoji,
 * none for combining marks.
 */
function screenWidth(character: string): number {
  if (/\p{Mn}|\u200d|\ufe0f/u.test(character)) {
    return 0;
  }
  return wide.test(character) ? 2 : 1;
}

const columnOf = (line: DisplayLine, offset: number): number => {
  const last = line.columns.length - 1;
  return offset <= last ? line.columns[offset]! : line.columns[last]! + offset - last;
};

/** A window into a line: `text` to print, and how a column of the line maps to one of the window. */
interface View {
  readonly line: DisplayLine;
  readonly text: string;
  readonly start: number;
  readonly end: number;
  readonly shift: number;
}

function fits(line: DisplayLine, marks: readonly PlacedMark[]): boolean {
  const whole = line.columns.at(-1)! <= maxColumns;
  const from = columnOf(line, Math.min(...marks.map((mark) => mark.from)));
  const to = columnOf(line, Math.max(...marks.map((mark) => mark.to)));
  return whole || to - from <= maxColumns - 20;
}

/** Cuts a long line around its marks, with `…` where something is left out. */
function cut(line: DisplayLine, marks: readonly PlacedMark[]): View {
  const length = line.text.length;
  if (line.columns.at(-1)! <= maxColumns) {
    return { line, text: line.text.trimEnd(), start: 0, end: length, shift: 0 };
  }
  const from = Math.min(length, ...marks.map((mark) => mark.from));
  let start = Math.max(0, from - 24);
  if (start > 0) {
    const space = line.text.slice(start, from).search(/\s\S/);
    start = space < 0 ? start : start + space + 1;
  }
  const limit = columnOf(line, start) + maxColumns - 4;
  let end = start;
  while (end < length && columnOf(line, end + 1) <= limit) {
    end++;
  }
  const head = start > 0 ? '… ' : '';
  const text = `${head}${line.text.slice(start, end).trimEnd()}${end < length ? ' …' : ''}`;
  return { line, text, start, end, shift: columnOf(line, start) - head.length };
}

/** Rows of carets with captions; marks share a row where the caption of the left one leaves room. */
function caretRows(
  marks: readonly PlacedMark[],
  view: View,
  severity: Diagnostic['severity'],
  paint: Paint,
): string[] {
  const rows: { width: number; text: string }[] = [];
  for (const mark of marks) {
    const from = columnOf(view.line, mark.from) - view.shift;
    const to = columnOf(view.line, Math.max(mark.from + 1, Math.min(mark.to, view.end))) - view.shift;
    const carets = (mark.primary ? '^' : '-').repeat(Math.max(1, to - from));
    const caption = mark.text === '' ? '' : ` ${visible(mark.text)}`;
    const painted = paint(mark.primary ? severity : 'label', `${carets}${caption}`);
    const width = from + carets.length + caption.length;
    const row = rows.at(-1);
    if (row !== undefined && row.width < from) {
      row.text += ' '.repeat(from - row.width) + painted;
      row.width = width;
    } else {
      rows.push({ width, text: ' '.repeat(from) + painted });
    }
  }
  return rows.map((row) => row.text);
}
