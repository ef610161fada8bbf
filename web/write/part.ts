/** Write: an editor for the program that all parts of the page share, with what follows from it beside it. */
import { EditorView, keymap } from '@codemirror/view';
import { DiagnosticError } from '../../grammar/diagnostics.ts';
import type { Context, Part } from '../app/context.ts';
import { h } from '../ui/dom.ts';
import { Asking, latest } from './asking.ts';
import { assistance } from './completing.ts';
import { makeEditor } from './editor.ts';
import { showFolds } from './folding.ts';
import { showMeaning } from './highlight.ts';
import { showHints } from './hints.ts';
import { makeModelPane } from './model.ts';
import { applyEdits, goTo } from './moves.ts';
import { makeOutline } from './outline.ts';
import { makeProblems } from './problems.ts';
import { makeSettings } from './settings.ts';
import { makeStarts } from './starts.ts';

/** Milliseconds without typing before mistakes are looked for, and before the model is built. */
const pauses = { mistakes: 100, facts: 400 } as const;

/** Marks an element while `work` is done that it waits for. */
async function busy(element: HTMLElement, work: () => Promise<void>): Promise<void> {
  element.setAttribute('aria-busy', 'true');
  try {
    await work();
  } finally {
    element.removeAttribute('aria-busy');
  }
}

/** Calls `run` when it was not asked to for a while. */
function after(milliseconds: number, run: () => void): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(run, milliseconds);
  };
}

export function makeWrite(context: Context): Part {
  const { program, language } = context;
  const asking = new Asking(context);
  const told = h('p', { class: 'hint told', role: 'status' });
  const problems = makeProblems();
  const outline = makeOutline((start, end) => goTo(view, start, end));
  const model = makeModelPane(context);
  const wantsHints = h('input', { type: 'checkbox', checked: true, onchange: () => check() });

  // ── of the text ──────────────────────────────────────────────────────────────────────────────────────────

  const checkNow = async (): Promise<void> => {
    const mistakes = await asking.ask(view, (editing) => editing.mistakes());
    if (mistakes !== undefined) problems.show(view, mistakes);
    const drawn = mistakes && (await asking.ask(view, (editing) => editing.drawn()));
    if (drawn === undefined) return;
    showMeaning(view, drawn.tokens);
    showFolds(view, drawn.folds);
    outline.show(drawn.symbols);
    const hints = wantsHints.checked ? await asking.ask(view, (editing) => editing.hints()) : [];
    if (hints !== undefined) showHints(view, hints);
  };
  const check = latest(() => busy(problems.element, checkNow));
  const checkSoon = after(pauses.mistakes, check);

  const format = async (): Promise<void> => {
    const edits = await asking.ask(view, (editing) => editing.format());
    if (edits === undefined) return;
    applyEdits(view, edits, 'input.format');
    told.textContent = edits.length === 0 ? 'Nothing to format, or mistakes of syntax.' : 'Formatted.';
  };
  const define = async (offset: number): Promise<void> => {
    const found = await asking.ask(view, (editing) => editing.definition(offset));
    if (found === undefined) told.textContent = 'No definition is known of what stands there.';
    else if (found.path.startsWith('zooc:'))
      told.textContent = `That is defined in the bundled package ${found.path.slice('zooc:'.length)}.`;
    else goTo(view, found.start, found.end);
  };

  const {
    element: editor,
    view,
    replace,
  } = makeEditor(program, [
    assistance(asking),
    EditorView.updateListener.of(({ docChanged }) => {
      if (!docChanged) return;
      told.textContent = '';
      checkSoon();
    }),
    keymap.of([
      {
        key: 'Shift-Alt-f',
        run() {
          void format();
          return true;
        },
      },
      {
        key: 'F12',
        run({ state }) {
          void define(state.selection.main.head);
          return true;
        },
      },
    ]),
    EditorView.domEventHandlers({
      mousedown(event) {
        const at = event.ctrlKey || event.metaKey ? view.posAtCoords(event) : null;
        if (at !== null) void define(at);
        return at !== null;
      },
    }),
  ]);

  const starts = makeStarts(context, (text, name) => {
    replace(text, { model: undefined, settings: {} });
    told.textContent = `Begun from ${name}. Ctrl+Z in the editor brings back the text before.`;
  });

  // ── of the model ─────────────────────────────────────────────────────────────────────────────────────────

  const writeSettings = async (): Promise<void> => {
    const { text, model: name, settings } = program.state;
    if (name === undefined) return;
    try {
      const changed = await language.editing.withSettings(text, name, settings);
      if (text !== view.state.doc.toString()) return;
      replace(changed, { model: name, settings: {} });
      view.focus();
    } catch (error) {
      context.report(error);
    }
  };
  const settings = makeSettings(context, () => void writeSettings());

  const tellNow = async (): Promise<void> => {
    const state = program.state;
    try {
      const facts = await language.editing.facts(state.text, state.model, state.settings);
      model.show(facts);
      settings.show(facts);
      for (const { name } of facts.set?.entries ?? []) {
        if (program.state !== state) return;
        const flops = await language.editing.flops(facts.generation, name);
        if (flops !== undefined) model.cost(name, flops);
      }
    } catch (error) {
      // An entry that one row does not fit has no cost.
      if (!(error instanceof DiagnosticError)) context.report(error);
    }
  };
  const tell = latest(() => busy(model.element, tellNow));
  const tellSoon = after(pauses.facts, tell);
  let textBefore = program.state.text;
  program.listen(({ text }) => {
    if (text === textBefore) tell();
    else tellSoon();
    textBefore = text;
  });

  check();
  tell();
  const element = h(
    'section',
    { class: 'write', 'aria-label': 'Write' },
    h('h1', {}, 'Write a model'),
    h(
      'div',
      { class: 'workbench' },
      h(
        'div',
        { class: 'text' },
        h(
          'div',
          { class: 'row' },
          starts,
          h('button', { type: 'button', title: 'Shift+Alt+F', onclick: () => void format() }, 'Format'),
          h('label', { class: 'check' }, wantsHints, ' shapes beside lets'),
        ),
        editor,
        told,
        h(
          'p',
          { class: 'hint' },
          'Ctrl+Space completes, F12 goes to a definition, Ctrl+. mends. Tab indents; Escape, then Tab leaves the editor.',
        ),
        problems.element,
        settings.element,
      ),
      h('div', { class: 'beside' }, model.element, outline.element),
    ),
  );
  return { element };
}
