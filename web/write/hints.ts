/** Shapes and values behind the names of `let`s. */
import { type Extension, StateEffect, StateField } from '@codemirror/state';
import { Decoration, type DecorationSet, EditorView, WidgetType } from '@codemirror/view';
import type { InlayHint } from '../../editor/service/types.ts';
import { h } from '../ui/dom.ts';

class Hint extends WidgetType {
  readonly #label: string;

  constructor(label: string) {
    super();
    this.#label = label;
  }

  override eq(other: Hint): boolean {
    return other.#label === this.#label;
  }

  override toDOM(): HTMLElement {
    return h('span', { class: 'inlay' }, this.#label);
  }
}

const setHints = StateEffect.define<readonly InlayHint[]>();

const shown = StateField.define<DecorationSet>({
  create: () => Decoration.none,
  update(before, transaction) {
    const told = transaction.effects.find((effect) => effect.is(setHints));
    if (told === undefined) return before.map(transaction.changes);
    const widgets = told.value.map(({ offset, label }) =>
      Decoration.widget({ widget: new Hint(label), side: 1 }).range(offset),
    );
    return Decoration.set(widgets, true);
  },
  provide: (field) => EditorView.decorations.from(field),
});

export const hints: Extension = shown;

export function showHints(view: EditorView, told: readonly InlayHint[]): void {
  view.dispatch({ effects: setHints.of(told) });
}
