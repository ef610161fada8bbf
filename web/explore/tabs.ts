/** Views in one place, of which one is seen: the ARIA pattern of tabs. */
import { h, newId } from '../ui/dom.ts';

interface View {
  readonly title: string;
  readonly element: HTMLElement;
  /** Whenever it comes into view. */
  shown(): void;
}

export function makeTabs(label: string, views: readonly View[]): HTMLElement {
  const tabs = views.map(({ title, element }) => {
    const id = newId('tab');
    element.id = `${id}-view`;
    element.setAttribute('role', 'tabpanel');
    element.setAttribute('aria-labelledby', id);
    return h('button', { type: 'button', role: 'tab', id, 'aria-controls': element.id }, title);
  });
  const choose = (chosen: number): void => {
    for (const [i, tab] of tabs.entries()) {
      tab.setAttribute('aria-selected', String(i === chosen));
      tab.tabIndex = i === chosen ? 0 : -1;
      views[i]!.element.hidden = i !== chosen;
    }
  };
  for (const [i, tab] of tabs.entries()) {
    tab.addEventListener('click', () => {
      choose(i);
      views[i]!.shown();
    });
    tab.addEventListener('keydown', ({ key }) => {
      const by = { ArrowRight: 1, ArrowLeft: tabs.length - 1 }[key];
      if (by === undefined) return;
      const next = (i + by) % tabs.length;
      tabs[next]!.click();
      tabs[next]!.focus();
    });
  }
  choose(0);
  const list = h('div', { class: 'tabs', role: 'tablist', 'aria-label': label }, tabs);
  return h(
    'div',
    { class: 'pane views' },
    list,
    views.map(({ element }) => element),
  );
}
