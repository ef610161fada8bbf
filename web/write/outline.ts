/** The declarations of the text as a list that leads to them. */
import type { DocumentSymbol } from '../../editor/service/types.ts';
import { fill, h } from '../ui/dom.ts';

export interface Outline {
  readonly element: HTMLElement;
  show(symbols: readonly DocumentSymbol[]): void;
}

export function makeOutline(go: (start: number, end: number) => void): Outline {
  const list = h('div', {});
  const items = (symbols: readonly DocumentSymbol[]): HTMLElement =>
    h(
      'ul',
      { class: 'outline' },
      symbols.map(({ name, kind, selection, detail, children }) =>
        h(
          'li',
          {},
          h(
            'button',
            {
              type: 'button',
              class: 'plain place',
              title: detail,
              onclick: () => go(selection.start, selection.end),
            },
            h('span', { class: 'kind' }, kind),
            ` ${name}`,
          ),
          children.length === 0 ? undefined : items(children),
        ),
      ),
    );
  return {
    element: h('details', { class: 'outlines' }, h('summary', {}, 'Outline'), list),
    show(symbols) {
      if (symbols.length === 0) fill(list, h('p', { class: 'hint' }, 'Nothing is declared yet.'));
      else fill(list, items(symbols));
    },
  };
}
