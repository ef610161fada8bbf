/** What the model is that the text declares: its size, and what its entries take, give and cost. */
import type { EntryInfo } from '../../zoo/api/browser.ts';
import type { Context } from '../app/context.ts';
import { field, fill, h } from '../ui/dom.ts';
import { bytes, count, flops } from '../ui/numbers.ts';
import type { ProgramFacts } from '../worker/write/facts.ts';

export interface ModelPane {
  readonly element: HTMLElement;
  show(told: ProgramFacts): void;
  /** FLOPs of an entry of what was shown last. */
  cost(entry: string, value: number): void;
}

const shapes = (tensors: EntryInfo['outputs']): string =>
  tensors.map(({ name, shape }) => `${name} ${shape}`).join(', ');

export function makeModelPane(context: Context): ModelPane {
  const choice = h('select', {
    onchange: () => context.program.change({ model: choice.value, settings: {} }),
  });
  const chosen = field('Model', choice);
  const note = h('p', { class: 'hint', role: 'status' });
  const size = h('dl', { class: 'sizes' });
  const entries = h('dl', { class: 'entries' });
  const facts = h('div', {}, size, entries);
  const costs = new Map<string, HTMLElement>();

  const tile = (name: string, value: string, more?: string): HTMLElement =>
    h(
      'div',
      {},
      h('dt', {}, name),
      h('dd', {}, value, more === undefined ? undefined : h('span', { class: 'hint' }, ` ${more}`)),
    );

  const entryElements = ({ name, inputs, outputs }: EntryInfo): HTMLElement => {
    const cost = h('span', { class: 'cost' });
    costs.set(name, cost);
    return h(
      'div',
      {},
      h('dt', {}, h('code', {}, name), cost),
      h('dd', {}, h('code', {}, shapes(inputs)), ' → ', h('code', {}, shapes(outputs))),
    );
  };

  const noteOf = ({ models, plain, set }: ProgramFacts): string => {
    if (models.length === 0) return 'The text declares no model yet.';
    if (plain === undefined) return 'Mistakes in the text: below is what it was before.';
    return set === undefined ? 'The settings do not fit: below is what it was before.' : '';
  };

  return {
    element: h(
      'section',
      { class: 'model', 'aria-label': 'Model' },
      chosen,
      note,
      facts,
      h(
        'p',
        { class: 'row' },
        h('a', { href: '#explore' }, 'Explore it'),
        h('a', { href: '#train' }, 'Train it'),
      ),
    ),
    show(told) {
      const { models, name, plain, set } = told;
      fill(
        choice,
        models.map((each) => h('option', { value: each, selected: each === name }, each)),
      );
      choice.disabled = models.length < 2;
      note.textContent = noteOf(told);
      if (models.length === 0) {
        size.replaceChildren();
        entries.replaceChildren();
      }
      facts.classList.toggle('stale', set === undefined);
      if (plain === undefined || set === undefined) return;
      const before =
        set.parameters === plain.parameters ? undefined : `(in the text ${count(plain.parameters)})`;
      fill(
        size,
        tile('Parameters', count(set.parameters), before),
        tile('Weights', bytes(set.bytes), `in f32, ${bytes(set.bytes / 2)} in f16`),
      );
      costs.clear();
      fill(entries, set.entries.map(entryElements));
    },
    cost(entry, value) {
      const element = costs.get(entry);
      if (element !== undefined) element.textContent = flops(value);
    },
  };
}
