/** Try: pictures against labels, by the emoji model or one of the visitor's own. */
import type { Context, Part } from '../app/context.ts';
import { fill, h } from '../ui/dom.ts';
import { bytes, milliseconds } from '../ui/numbers.ts';
import { bars } from './bars.ts';
import { makeLabels } from './labels.ts';
import { makeModelPicker } from './model-picker.ts';
import { makePicture } from './picture.ts';

/** Milliseconds without typing before labels are encoded. */
const pause = 400;

export function makeTry(context: Context): Part {
  const results = h('div', { class: 'results', 'aria-live': 'polite' });
  const timing = h('p', { class: 'hint' });
  let wanted = 0;
  let working: Promise<void> = Promise.resolve();
  let timer: ReturnType<typeof setTimeout> | undefined;

  /** Classifies what is there now; of several wishes that came meanwhile, the last one. */
  const classify = (): void => {
    wanted++;
    const mine = wanted;
    working = working.then(() => (mine === wanted ? classifyNow(mine) : undefined));
  };
  const classifyNow = async (mine: number): Promise<void> => {
    const { names, templates } = labels.value();
    const shown = picture.current();
    if (shown === undefined || names.length === 0) {
      fill(results, h('p', { class: 'hint' }, shown ? 'Type labels, one a line.' : 'Choose a picture.'));
      timing.textContent = '';
      return;
    }
    results.setAttribute('aria-busy', 'true');
    try {
      const { found, ...times } = await context.device.classifying.classify(shown, names, templates);
      if (mine !== wanted) return;
      context.report(undefined);
      fill(results, bars(found));
      const encoded = times.labels === undefined ? 'kept' : milliseconds(times.labels);
      timing.textContent = `picture ${milliseconds(times.picture)}, labels ${encoded}, device memory ${bytes(times.memory)}`;
    } catch (error) {
      if (mine === wanted) context.report(error);
    } finally {
      results.removeAttribute('aria-busy');
    }
  };
  const soon = (): void => {
    clearTimeout(timer);
    timer = setTimeout(classify, pause);
  };

  const picture = makePicture(context, classify);
  const labels = makeLabels(soon);
  const models = makeModelPicker(context, classify);
  const element = h(
    'section',
    { class: 'try', 'aria-label': 'Try' },
    h('h1', {}, 'Which words fit the picture?'),
    h(
      'p',
      { class: 'lead' },
      'A model that was trained on pictures with captions compares any picture with any words: zero-shot classification.',
    ),
    h('div', { class: 'columns' }, picture.element, h('div', {}, labels.element, results, timing)),
    models.element,
  );
  return {
    element,
    shown() {
      picture.start();
      void models.refresh();
    },
  };
}
