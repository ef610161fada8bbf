/** The labels and the prompts that they are put into. */
import { field, h } from '../ui/dom.ts';

export interface LabelsValue {
  readonly names: readonly string[];
  readonly templates: readonly string[];
}

function lines(area: HTMLTextAreaElement): string[] {
  const found = area.value.split('\n').map((line) => line.trim());
  return [...new Set(found.filter((line) => line !== ''))];
}

const firstLabels = [
  'rocket',
  'red apple',
  'dog face',
  'soccer ball',
  'automobile',
  'red heart',
  'house',
  'pizza',
];
/** Those that the emoji model was trained with. */
const firstTemplates = ['{}', '{} emoji', 'icon of {}', 'picture of {}'];

export function makeLabels(changed: () => void): { readonly element: HTMLElement; value(): LabelsValue } {
  const names = h('textarea', { rows: 8, spellcheck: 'false', oninput: changed });
  names.value = firstLabels.join('\n');
  const templates = h('textarea', { rows: 4, spellcheck: 'false', oninput: changed });
  templates.value = firstTemplates.join('\n');
  const element = h(
    'div',
    {},
    field('Labels, one a line', names),
    h(
      'details',
      {},
      h('summary', {}, 'Templates'),
      field(
        'Prompts, one a line',
        templates,
        '{} stands for the label. Several prompts of a label are averaged.',
      ),
    ),
  );
  return {
    element,
    value() {
      const given = lines(templates);
      return { names: lines(names), templates: given.length === 0 ? ['{}'] : given };
    },
  };
}
