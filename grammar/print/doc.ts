/**
 * A small layout algebra in the manner of Wadler and Prettier: a document says where it may
 * break, the width decides.
 *
 * A group is printed flat if it fits on the line, else each of its own lines becomes a newline. Hard lines,
 * and comments that run to the end of their line (`suffix`), break every group around them.
 */

export type Doc = string | Concat | Indent | Group | Line | Suffix;

interface Concat {
  readonly kind: 'concat';
  readonly parts: readonly Doc[];
  readonly hard: boolean;
}
interface Indent {
  readonly kind: 'indent';
  readonly body: Doc;
  readonly hard: boolean;
}
interface Group {
  readonly kind: 'group';
  readonly body: Doc;
  readonly hard: boolean;
}
interface Line {
  readonly kind: 'line';
  /** What it is in a flat group. */
  readonly flat: string;
  readonly hard: boolean;
}
/** Text for the end of the current line: a trailing comment. */
interface Suffix {
  readonly kind: 'suffix';
  readonly text: string;
  readonly hard: true;
}

/** Whether a document holds a forced break. */
export const isHard = (doc: Doc): boolean => typeof doc !== 'string' && doc.hard;

export const concat = (...parts: readonly Doc[]): Doc => ({
  kind: 'concat',
  parts,
  hard: parts.some(isHard),
});
export const indent = (...parts: readonly Doc[]): Doc => {
  const body = concat(...parts);
  return { kind: 'indent', body, hard: isHard(body) };
};
export const group = (...parts: readonly Doc[]): Doc => {
  const body = concat(...parts);
  return { kind: 'group', body, hard: isHard(body) };
};
/** A space, or a newline in a broken group. */
export const line: Doc = { kind: 'line', flat: ' ', hard: false };
/** Nothing, or a newline. */
export const softLine: Doc = { kind: 'line', flat: '', hard: false };
/** Two spaces, or a newline: between statements that share a line. */
export const wideLine: Doc = { kind: 'line', flat: '  ', hard: false };
export const hardLine: Doc = { kind: 'line', flat: '', hard: true };
export const suffix = (text: string): Doc => ({ kind: 'suffix', text, hard: true });

export function join(separator: Doc, docs: readonly Doc[]): Doc {
  return concat(...docs.flatMap((doc, i) => (i === 0 ? [doc] : [separator, doc])));
}

interface Command {
  readonly depth: number;
  readonly flat: boolean;
  readonly doc: Doc;
}

/** Lays a document out in `width` columns with two spaces per level. No line ends in spaces. */
export function layout(root: Doc, width: number): string {
  const stack: Command[] = [{ depth: 0, flat: false, doc: root }];
  const lines: string[] = [];
  let current = '';
  let pending = '';
  const newline = (depth: number): void => {
    lines.push((current + pending).trimEnd());
    current = '  '.repeat(depth);
    pending = '';
  };
  for (let command = stack.pop(); command !== undefined; command = stack.pop()) {
    const { depth, flat, doc } = command;
    if (typeof doc === 'string') {
      current += doc;
    } else if (doc.kind === 'suffix') {
      pending += doc.text;
    } else if (doc.kind === 'line') {
      if (flat && !doc.hard) {
        current += doc.flat;
      } else {
        newline(depth);
      }
    } else if (doc.kind === 'group') {
      const inner = { depth, flat: true, doc: doc.body };
      stack.push(
        !doc.hard && (flat || fits(inner, stack, width - current.length)) ? inner : { ...inner, flat: false },
      );
    } else {
      stack.push(...inside(command, doc));
    }
  }
  newline(0);
  return lines.join('\n');
}

/** The commands within one, last first. */
function inside({ depth, flat }: Command, doc: Concat | Indent): Command[] {
  return doc.kind === 'indent'
    ? [{ depth: depth + 1, flat, doc: doc.body }]
    : doc.parts.map((part) => ({ depth, flat, doc: part })).reverse();
}

/** Whether `next`, printed flat, and what follows up to the next possible break fit in `room` columns. */
function fits(next: Command, rest: readonly Command[], room: number): boolean {
  const stack = [next];
  let left = room;
  let behind = rest.length;
  while (left >= 0) {
    const command = stack.pop() ?? rest[--behind];
    if (command === undefined) {
      return true;
    }
    const { doc, flat } = command;
    if (typeof doc === 'string') {
      left -= doc.length;
    } else if (doc.kind === 'line') {
      if (!flat || doc.hard) {
        return true;
      }
      left -= doc.flat.length;
    } else if (doc.kind === 'group') {
      stack.push({ ...command, flat: flat && !doc.hard, doc: doc.body });
    } else if (doc.kind !== 'suffix') {
      stack.push(...inside(command, doc));
    }
  }
  return false;
}
