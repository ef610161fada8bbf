/**
 * Colours of the text: at once by its tokens, which the page reads itself, and a moment later by what its names stand for,
 * which the worker knows.
 */
import { type Extension, StateEffect, StateField } from '@codemirror/state';
import { Decoration, type DecorationSet, EditorView, ViewPlugin, type ViewUpdate } from '@codemirror/view';
import { classifyText } from '../../editor/service/tokens.ts';
import type { SemanticToken, TokenKind } from '../../editor/service/types.ts';
import { h } from '../ui/dom.ts';

const marks = new Map<TokenKind, Decoration>();

function markOf(kind: TokenKind): Decoration {
  const known = marks.get(kind) ?? Decoration.mark({ class: `zoo-${kind}` });
  marks.set(kind, known);
  return known;
}

/** Kinds that the tokens alone do not have: those of names. */
const ofTokens: readonly TokenKind[] = ['comment', 'keyword', 'number', 'string', 'operator', 'punctuation'];

function decorations(tokens: readonly SemanticToken[]): DecorationSet {
  return Decoration.set(tokens.map(({ kind, start, end }) => markOf(kind).range(start, end)));
}

const byTokens = ViewPlugin.fromClass(
  class {
    #tokens: readonly SemanticToken[];
    decorations: DecorationSet;

    constructor(view: EditorView) {
      this.#tokens = classifyText(view.state.doc.toString());
      this.decorations = this.#visible(view);
    }

    update({ docChanged, viewportChanged, view }: ViewUpdate): void {
      if (docChanged) this.#tokens = classifyText(view.state.doc.toString());
      if (docChanged || viewportChanged) this.decorations = this.#visible(view);
    }

    #visible({ viewport: { from, to } }: EditorView): DecorationSet {
      return decorations(
        this.#tokens.filter(({ kind, start, end }) => kind !== 'name' && end > from && start < to),
      );
    }
  },
  { decorations: (plugin) => plugin.decorations },
);

const setNames = StateEffect.define<readonly SemanticToken[]>();

const byMeaning = StateField.define<DecorationSet>({
  create: () => Decoration.none,
  update(before, transaction) {
    const told = transaction.effects.find((effect) => effect.is(setNames));
    return told === undefined ? before.map(transaction.changes) : decorations(told.value);
  },
  provide: (field) => EditorView.decorations.from(field),
});

export const highlighting: Extension = [byTokens, byMeaning];

/** Draws names as what they stand for. */
export function showMeaning(view: EditorView, tokens: readonly SemanticToken[]): void {
  const names = tokens.filter(({ kind }) => kind !== 'name' && !ofTokens.includes(kind));
  view.dispatch({ effects: setNames.of(names) });
}

/** A piece of the language with its colours. */
export function coloured(text: string): HTMLElement {
  const code = h('code', {});
  let at = 0;
  for (const { start, end, kind } of classifyText(text)) {
    code.append(text.slice(at, start), h('span', { class: `zoo-${kind}` }, text.slice(start, end)));
    at = end;
  }
  code.append(text.slice(at));
  return code;
}
