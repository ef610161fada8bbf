/** What can be folded, as the worker tells it. */
import { codeFolding, foldGutter, foldKeymap, foldService } from '@codemirror/language';
import { type Extension, StateEffect, StateField } from '@codemirror/state';
import { type EditorView, keymap } from '@codemirror/view';
import type { FoldingRange } from '../../editor/service/types.ts';
import { h } from '../ui/dom.ts';

const setFolds = StateEffect.define<readonly FoldingRange[]>();

const folds = StateField.define<readonly FoldingRange[]>({
  create: () => [],
  update(before, { effects, docChanged, changes }) {
    const told = effects.find((effect) => effect.is(setFolds));
    if (told !== undefined) return told.value;
    if (!docChanged) return before;
    return before.map(({ start, end, kind }) => ({
      start: changes.mapPos(start, -1),
      end: changes.mapPos(end, 1),
      kind,
    }));
  },
});

export const folding: Extension = [
  folds,
  foldService.of((state, lineStart, lineEnd) => {
    const found = state
      .field(folds)
      .find(({ start, end }) => lineStart <= start && start <= lineEnd && end > lineEnd);
    return found === undefined ? null : { from: found.start, to: found.end };
  }),
  codeFolding(),
  foldGutter({
    foldingChanged: ({ startState, state }) => startState.field(folds) !== state.field(folds),
    markerDOM: (open) => h('span', { title: open ? 'Fold' : 'Unfold', class: 'fold' }, open ? '▾' : '▸'),
  }),
  keymap.of(foldKeymap),
];

export function showFolds(view: EditorView, told: readonly FoldingRange[]): void {
  view.dispatch({ effects: setFolds.of(told) });
}
