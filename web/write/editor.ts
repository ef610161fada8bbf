/** The editor of the page's program. */
import { acceptCompletion, closeBrackets, closeBracketsKeymap } from '@codemirror/autocomplete';
import {
  defaultKeymap,
  history,
  historyKeymap,
  indentWithTab,
  invertedEffects,
  isolateHistory,
} from '@codemirror/commands';
import { bracketMatching, indentService, indentUnit } from '@codemirror/language';
import { highlightSelectionMatches, searchKeymap } from '@codemirror/search';
import { EditorState, type Extension, StateEffect } from '@codemirror/state';
import {
  drawSelection,
  EditorView,
  highlightActiveLine,
  highlightActiveLineGutter,
  keymap,
  lineNumbers,
} from '@codemirror/view';
import type { Program, ProgramState } from '../app/program.ts';
import { h } from '../ui/dom.ts';
import { folding } from './folding.ts';
import { highlighting } from './highlight.ts';
import { hints } from './hints.ts';
import { problemMarks } from './problems.ts';
import { theme } from './theme.ts';

/** The model and settings that go with a text: undo brings them back with it. */
type Choice = Pick<ProgramState, 'model' | 'settings'>;

const setChoice = StateEffect.define<Choice>();

/** As the line before, one step in behind an opening bracket, one out where the line closes one. */
const indentation = indentService.of((context, at) => {
  const { doc } = context.state;
  const line = context.lineAt(at, -1);
  if (line.from === 0) return 0;
  const before = doc.lineAt(line.from - 1);
  const indent = before.text.length - before.text.trimStart().length;
  const opens = /[([{]\s*(#.*)?$/.test(before.text) ? context.unit : 0;
  const closes = /^\s*[)\]}]/.test(context.textAfterPos(at)) ? context.unit : 0;
  return Math.max(0, indent + opens - closes);
});

const aboutLanguage = EditorState.languageData.of(() => [
  { commentTokens: { line: '#' }, closeBrackets: { brackets: ['(', '[', '{', '"'] } },
]);

/**
 * Typing over a selection. Left to themselves, browsers write the looks of what was there into style attributes, which the
 * page's policy refuses with a line in the console.
 */
const typingOver = EditorView.domEventHandlers({
  beforeinput({ inputType, data, isComposing }, view) {
    const { from, to, empty } = view.state.selection.main;
    if (inputType !== 'insertText' || data === null || isComposing || empty) return false;
    const insert = () => view.state.update(view.state.replaceSelection(data), { userEvent: 'input.type' });
    if (!view.state.facet(EditorView.inputHandler).some((handle) => handle(view, from, to, data, insert)))
      view.dispatch(insert());
    return true;
  },
});

/** Keeps the program and the editor the same. */
function shared(program: Program): Extension {
  return [
    invertedEffects.of(({ effects }) => {
      const { model, settings } = program.state;
      return effects.some((effect) => effect.is(setChoice)) ? [setChoice.of({ model, settings })] : [];
    }),
    EditorView.updateListener.of(({ state, docChanged, transactions }) => {
      const chosen = transactions
        .flatMap(({ effects }) => effects)
        .findLast((effect) => effect.is(setChoice));
      if (!docChanged && chosen === undefined) return;
      const text = state.doc.toString();
      if (text !== program.state.text || chosen !== undefined)
        program.change({ text, ...(chosen?.value as Choice | undefined) });
    }),
  ];
}

export interface Editor {
  readonly element: HTMLElement;
  readonly view: EditorView;
  /** Another text; undo brings back the one before. */
  replace(text: string, choice: Choice): void;
}

export function makeEditor(program: Program, extensions: Extension): Editor {
  const element = h('div', { class: 'editor' });
  const root = element.attachShadow({ mode: 'open' });
  const view = new EditorView({
    root,
    parent: root,
    doc: program.state.text,
    extensions: [
      extensions,
      lineNumbers(),
      highlightActiveLine(),
      highlightActiveLineGutter(),
      highlightSelectionMatches(),
      history(),
      drawSelection(),
      bracketMatching(),
      closeBrackets(),
      indentUnit.of('  '),
      indentation,
      aboutLanguage,
      highlighting,
      hints,
      problemMarks,
      folding,
      typingOver,
      shared(program),
      theme,
      EditorView.contentAttributes.of({
        'aria-label': 'Program',
        spellcheck: 'false',
        tabindex: '0',
        autocapitalize: 'off',
      }),
      keymap.of([
        { key: 'Tab', run: acceptCompletion },
        ...closeBracketsKeymap,
        ...defaultKeymap,
        ...historyKeymap,
        ...searchKeymap,
        indentWithTab,
      ]),
    ],
  });
  const put = (text: string, ...effects: StateEffect<Choice>[]): void =>
    view.dispatch({
      changes: { from: 0, to: view.state.doc.length, insert: text },
      effects,
      // One step for undo, whatever was typed before it.
      annotations: isolateHistory.of('full'),
      scrollIntoView: true,
    });
  program.listen(({ text }) => {
    if (text !== view.state.doc.toString()) put(text);
  });
  return { element, view, replace: (text, choice) => put(text, setChoice.of(choice)) };
}
