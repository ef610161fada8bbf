/** Mistakes: squiggles and marks in the editor, a list below it, and their fixes. */
import { type Diagnostic, lintGutter, lintKeymap, setDiagnostics } from '@codemirror/lint';
import { type Extension, StateEffect, StateField } from '@codemirror/state';
import { type EditorView, keymap } from '@codemirror/view';
import { fill, h } from '../ui/dom.ts';
import type { Mistake } from '../worker/editing.ts';
import { programPath } from '../worker/write/program.ts';
import { inline } from './markdown.ts';
import { applyEdits, goTo } from './moves.ts';

/** Mistakes of the text as it was, with their places in the text as it is. */
const setMistakes = StateEffect.define<readonly Mistake[]>();

const mistakesField = StateField.define<readonly Mistake[]>({
  create: () => [],
  update(before, { effects, docChanged, changes }) {
    const told = effects.find((effect) => effect.is(setMistakes));
    if (told !== undefined) return told.value;
    if (!docChanged) return before;
    return before.map(({ fix, ...mistake }) => ({
      ...mistake,
      start: changes.mapPos(mistake.start, -1),
      end: changes.mapPos(mistake.end, 1),
      // A fix is of the text that it was found in.
    }));
  },
});

function mend(view: EditorView, { fix }: Mistake): boolean {
  if (fix === undefined) return false;
  applyEdits(view, [fix], 'input.fix');
  return true;
}

/** Of the mistakes at the cursor, or else in its line, the first that has a fix. */
function mendHere(view: EditorView): boolean {
  const { head } = view.state.selection.main;
  const line = view.state.doc.lineAt(head);
  const fixable = view.state.field(mistakesField).filter(({ fix }) => fix !== undefined);
  const within = (from: number, to: number) => fixable.find(({ start, end }) => start <= to && end >= from);
  const found = within(head, head) ?? within(line.from, line.to);
  return found !== undefined && mend(view, found);
}

export const problemMarks: Extension = [
  mistakesField,
  lintGutter(),
  keymap.of([{ key: 'Mod-.', run: mendHere }, ...lintKeymap.filter(({ key }) => key === 'F8')]),
];

function messageOf({ code, severity, message, help }: Mistake): HTMLElement {
  return h(
    'div',
    { class: 'message' },
    h('p', {}, h('code', { class: severity }, code), ' ', inline(message)),
    help === undefined ? undefined : h('p', { class: 'hint' }, inline(help)),
  );
}

function marked(mistake: Mistake): Diagnostic {
  const { start, end, severity, message, fixTitle } = mistake;
  return {
    from: start,
    to: end,
    severity,
    message,
    renderMessage: () => messageOf(mistake),
    ...(fixTitle === undefined
      ? {}
      : {
          actions: [
            {
              name: fixTitle,
              apply(view) {
                // By its place now: the text may have moved.
                const now = view.state.field(mistakesField).find((m) => m.fixTitle === fixTitle && m.fix);
                if (now !== undefined) mend(view, now);
              },
            },
          ],
        }),
  };
}

/** `12:5`, counted from one. */
function placeOf(view: EditorView, offset: number): string {
  const line = view.state.doc.lineAt(Math.min(offset, view.state.doc.length));
  return `${line.number}:${offset - line.from + 1}`;
}

export interface Problems {
  readonly element: HTMLElement;
  /** Mistakes of the text that the view has. */
  show(view: EditorView, mistakes: readonly Mistake[]): void;
}

export function makeProblems(): Problems {
  const told = h('p', { class: 'hint', role: 'status' }, 'checking …');
  const list = h('ul', { class: 'problems' });

  const item = (view: EditorView, mistake: Mistake): HTMLElement => {
    const { start, end, code, severity, message, help, notes, labels, fixTitle } = mistake;
    const own = labels.filter(({ path }) => path === programPath);
    return h(
      'li',
      {},
      h(
        'button',
        { type: 'button', class: 'plain place', onclick: () => goTo(view, start, end) },
        h('code', { class: severity }, code),
        ' ',
        inline(message),
        ' ',
        h('span', { class: 'where' }, placeOf(view, start)),
      ),
      [help, ...notes].map((line) =>
        line === undefined ? undefined : h('p', { class: 'hint' }, inline(line)),
      ),
      own.map((label) =>
        h(
          'button',
          { type: 'button', class: 'plain place hint', onclick: () => goTo(view, label.start, label.end) },
          `${label.text} `,
          h('span', { class: 'where' }, placeOf(view, label.start)),
        ),
      ),
      fixTitle === undefined
        ? undefined
        : h(
            'button',
            {
              type: 'button',
              onclick() {
                if (mend(view, mistake)) view.focus();
              },
            },
            'Fix: ',
            inline(fixTitle),
          ),
    );
  };

  return {
    element: h('section', { class: 'mistakes', 'aria-label': 'Mistakes' }, told, list),
    show(view, mistakes) {
      view.dispatch(setDiagnostics(view.state, mistakes.map(marked)), {
        effects: setMistakes.of(mistakes),
      });
      const errors = mistakes.filter(({ severity }) => severity === 'error').length;
      const warnings = mistakes.length - errors;
      const words = [
        ...(errors > 0 ? [`${errors} ${errors === 1 ? 'mistake' : 'mistakes'}`] : []),
        ...(warnings > 0 ? [`${warnings} ${warnings === 1 ? 'warning' : 'warnings'}`] : []),
      ];
      told.textContent = words.length === 0 ? 'Nothing is wrong with it.' : words.join(', ');
      told.dataset.state = errors > 0 ? 'wrong' : warnings > 0 ? 'warn' : 'right';
      fill(
        list,
        mistakes.map((mistake) => item(view, mistake)),
      );
    },
  };
}
