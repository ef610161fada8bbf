/**
 * Puts comments back: they live beside the tree and are attached by position while printing.
 *
 * Every list with one element per line, or that may be broken so (members, settings, arguments, fields), is a
 * place for comments: on a line of their own in front of an element, behind it on its line, behind the
 * opening bracket, or in front of the closing one. A comment anywhere else, inside an expression say, moves
 * in front of the innermost element of a list around it. So printing what was printed changes nothing.
 */
import type { Comment } from '../ast.ts';
import type { SourceFile, Span } from '../source.ts';
import { concat, type Doc, group, hardLine, indent, isHard, join, line, softLine, suffix } from './doc.ts';

/** Where a list lies in the source: from behind its opening bracket to its closing one. */
export interface Range {
  readonly start: number;
  readonly end: number;
}

export type Apart = 'no' | 'before' | 'around';

/** An element of a list: its place and how to print it. */
export interface Element {
  readonly span: Range;
  readonly print: () => Doc;
  /** Where it wants a blank line next to it. */
  readonly apart?: Apart;
}

/** An element with its comments: `leading` on lines of their own. */
interface Attached {
  readonly leading: readonly Comment[];
  readonly doc: Doc;
  readonly element: Element;
  trailing: Comment | undefined;
}

interface List {
  /** Behind the opening bracket, on its line. */
  readonly opening: Comment | undefined;
  readonly elements: readonly Attached[];
  /** In front of the closing bracket. */
  readonly closing: readonly Comment[];
}

/** A line of a list: a comment or an element, with its place for the blank lines of the source. */
interface Row {
  readonly doc: Doc;
  readonly start: number;
  readonly end: number;
  readonly apart: Apart;
  readonly comment: boolean;
}

interface DelimitedOptions {
  /** Inside the brackets of a flat list: `{ a }` has spaces, `(a)` none. */
  readonly padded?: boolean;
}

export class Comments {
  private readonly text: string;
  private readonly comments: readonly Comment[];
  private readonly taken = new Set<Comment>();

  constructor(file: SourceFile, comments: readonly Comment[]) {
    this.text = file.text;
    this.comments = [...comments].sort((a, b) => a.span.start - b.span.start);
  }

  /** Offset of a punctuation mark at or behind `from`, outside comments; `from` if there is none. */
  seek(mark: string, from: number): number {
    for (let at = from; at < this.text.length; at++) {
      const character = this.text[at];
      if (character === mark) {
        return at;
      }
      if (character === '#') {
        const end = this.text.indexOf('\n', at);
        at = end < 0 ? this.text.length : end;
      }
    }
    return from;
  }

  /** `(a, b)` on one line if it fits, else one element per line. */
  delimited(
    open: string,
    elements: readonly Element[],
    close: string,
    range: Range,
    options: DelimitedOptions = {},
  ): Doc {
    const list = this.attach(elements, range);
    const edge = options.padded === true ? line : softLine;
    const last = list.elements.length - 1;
    const parts = list.elements.map(({ leading, doc, trailing }, i) => {
      const comments = leading.flatMap((comment) => [comment.text, hardLine]);
      return concat(...comments, doc, i === last ? '' : ',', ...tail(trailing));
    });
    const rows = [...parts, ...list.closing.map((comment) => comment.text)];
    if (rows.length === 0 && list.opening === undefined) {
      return `${open}${close}`;
    }
    const forced = list.closing.length > 0 || list.opening !== undefined ? hardLine : edge;
    const body = rows.length === 0 ? [] : [indent(forced, join(line, rows))];
    return group(open, ...tail(list.opening), ...body, forced, close);
  }

  /** `{`, one element per line with the blank lines of the source, `}`. */
  braces(elements: readonly Element[], range: Range): Doc {
    const list = this.attach(elements, range);
    const rows = this.rows(list);
    if (rows.length === 0 && list.opening === undefined) {
      return '{}';
    }
    const body = rows.length === 0 ? [] : [indent(hardLine, this.stack(rows))];
    return concat('{', ...tail(list.opening), ...body, hardLine, '}');
  }

  /** As `braces`, but on one line if it fits there: `{ a  b }`. */
  compactBraces(elements: readonly Element[], range: Range, separator: Doc): Doc {
    const list = this.attach(elements, range);
    const rows = this.rows(list);
    const plain = list.opening === undefined && rows.length === list.elements.length;
    if (!plain || rows.some((row) => isHard(row.doc))) {
      const body = rows.length === 0 ? [] : [indent(hardLine, this.stack(rows))];
      return concat('{', ...tail(list.opening), ...body, hardLine, '}');
    }
    const docs = rows.map((row) => row.doc);
    return docs.length === 0 ? '{}' : group('{', indent(line, join(separator, docs)), line, '}');
  }

  /** A whole file: one element per line, those that are `apart` with blank lines around them. */
  file(elements: readonly Element[], range: Range): Doc {
    const list = this.attach(elements, range);
    const opening =
      list.opening === undefined ? [] : [this.commentRow(list.opening, list.opening.span.start)];
    return this.stack([...opening, ...this.rows(list)]);
  }

  // ── attaching ────────────────────────────────────────────────────────────────────────────────────────────

  private attach(elements: readonly Element[], range: Range): List {
    let opening: Comment | undefined;
    let previous: Attached | undefined;
    let end = range.start;
    // The first comment behind something, on its line, belongs to it.
    const gap = (to: number): Comment[] => {
      const [first, ...more] = this.take(end, to);
      if (first === undefined || this.text.slice(end, first.span.start).includes('\n')) {
        return first === undefined ? [] : [first, ...more];
      }
      if (previous === undefined) {
        opening = first;
      } else {
        previous.trailing = first;
      }
      return more;
    };
    const attached = elements.map((element) => {
      const before = gap(element.span.start);
      const doc = element.print();
      const inner = this.take(element.span.start, element.span.end);
      previous = { leading: [...before, ...inner], doc, element, trailing: undefined };
      end = Math.max(end, element.span.end);
      return previous;
    });
    const closing = gap(Math.max(end, range.end));
    return { opening, elements: attached, closing };
  }

  /** The comments that start in [from, to) and were not printed yet. */
  private take(from: number, to: number): Comment[] {
    const found: Comment[] = [];
    for (let i = this.firstFrom(from); i < this.comments.length && this.comments[i]!.span.start < to; i++) {
      const comment = this.comments[i]!;
      if (!this.taken.has(comment)) {
        this.taken.add(comment);
        found.push(comment);
      }
    }
    return found;
  }

  private firstFrom(offset: number): number {
    let low = 0;
    let high = this.comments.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.comments[middle]!.span.start < offset) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low;
  }

  // ── rows ─────────────────────────────────────────────────────────────────────────────────────────────────

  private commentRow(comment: Comment, start: number): Row {
    return {
      doc: comment.text,
      start: Math.min(start, comment.span.start),
      end: comment.span.end,
      apart: 'no',
      comment: true,
    };
  }

  private rows({ elements, closing }: List): Row[] {
    const rows = elements.flatMap(({ leading, doc, element, trailing }): Row[] => {
      const { start, end } = element.span;
      const own: Row = {
        doc: concat(doc, ...tail(trailing)),
        start,
        end: trailing === undefined ? end : trailing.span.end,
        apart: element.apart ?? 'no',
        comment: false,
      };
      return [...leading.map((comment) => this.commentRow(comment, start)), own];
    });
    return [...rows, ...closing.map((comment) => this.commentRow(comment, comment.span.start))];
  }

  /** Rows below each other; blank lines of the source are kept, at most one at a time. */
  private stack(rows: readonly Row[]): Doc {
    const parts = rows.flatMap((row, i) => {
      const before = rows[i - 1];
      return before === undefined
        ? [row.doc]
        : [hardLine, ...(this.isApart(rows, i) ? [hardLine] : []), row.doc];
    });
    return concat(...parts);
  }

  private isApart(rows: readonly Row[], i: number): boolean {
    const before = rows[i - 1]!;
    const row = rows[i]!;
    if (/\n[^\S\n]*\n/.test(this.text.slice(before.end, row.start))) {
      return true;
    }
    // A comment directly above a declaration stays with it: the blank line goes in front of the comment.
    let next = i;
    while (rows[next]!.comment && rows[next + 1] !== undefined) {
      next++;
    }
    return before.apart === 'around' || (rows[next]!.apart !== 'no' && !before.comment);
  }
}

const tail = (comment: Comment | undefined): Doc[] =>
  comment === undefined ? [] : [suffix(`  ${comment.text}`)];

/** The range between two places, for lists without brackets of their own. */
export const between = (start: number, end: number): Range => ({ start, end: Math.max(start, end) });

/** Inside a bracketed span. */
export const inside = (span: Span): Range => between(span.start + 1, span.end - 1);
