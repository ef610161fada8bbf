/** Steps through the text and changes of it that do not come from typing. */
import { isolateHistory } from '@codemirror/commands';
import { EditorView } from '@codemirror/view';
import type { TextEdit } from '../../editor/service/types.ts';

/** Shows a place, selected. */
export function goTo(view: EditorView, start: number, end: number): void {
  const { length } = view.state.doc;
  const [anchor, head] = [Math.min(start, length), Math.min(end, length)];
  view.dispatch({
    selection: { anchor, head },
    effects: EditorView.scrollIntoView(anchor, { y: 'center' }),
    userEvent: 'select',
  });
  view.focus();
}

/** Edits of the text that the view has, as one step for undo. */
export function applyEdits(view: EditorView, edits: readonly TextEdit[], userEvent: string): void {
  if (edits.length === 0) return;
  const changes = edits.map(({ start, end, text }) => ({ from: start, to: end, insert: text }));
  view.dispatch({ changes, userEvent, annotations: isolateHistory.of('full') });
}
