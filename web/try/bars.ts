/** Probabilities as bars, best first. */
import type { Classification } from '../../zoo/api/types.ts';
import { h } from '../ui/dom.ts';
import { percent } from '../ui/numbers.ts';

export function bars(found: readonly Classification[]): HTMLElement {
  const rows = found.map(({ label, score }) =>
    h(
      'li',
      {},
      h('span', { class: 'label' }, label),
      h('meter', { min: 0, max: 1, value: score, 'aria-label': label }),
      h('span', { class: 'number' }, percent(score)),
    ),
  );
  return h('ol', { class: 'bars' }, rows);
}
