/** Another model than the emoji one: an exported folder, a file of safetensors, an address. */
import type { Context } from '../app/context.ts';
import { field, h } from '../ui/dom.ts';
import { count, milliseconds } from '../ui/numbers.ts';
import type { ModelFacts } from '../worker/classifying.ts';
import type { ModelSource } from '../worker/sources.ts';
import { readFolder } from './folder.ts';

export interface ModelPicker {
  readonly element: HTMLElement;
  /** Takes note of a model that another part of the page has given. */
  refresh(): Promise<void>;
}

export function makeModelPicker(context: Context, changed: () => void): ModelPicker {
  let known: string | undefined;
  const told = h(
    'p',
    { class: 'hint', role: 'status' },
    'The emoji model of this page: 435,649 parameters, trained on 7,000 pictures.',
  );
  const tell = (facts: ModelFacts): void => {
    known = JSON.stringify(facts);
    const { name, parameters, remarks, milliseconds: time } = facts;
    told.textContent = [
      `${name}: ${count(parameters)} parameters, loaded in ${milliseconds(time)}.`,
      ...remarks,
    ].join(' ');
  };
  const refresh = async (): Promise<void> => {
    const facts = await context.device.classifying.facts();
    if (facts === undefined || JSON.stringify(facts) === known) return;
    tell(facts);
    changed();
  };
  const use = async (source: ModelSource | Promise<ModelSource>): Promise<void> => {
    told.textContent = 'loading …';
    try {
      tell(await context.device.classifying.use(await source));
      context.report(undefined);
      changed();
    } catch (error) {
      told.textContent = 'The model before stays.';
      context.report(error);
    }
  };

  const architecture = h('input', {
    type: 'text',
    value: 'ViT-B/32',
    list: 'bundled-models',
    spellcheck: 'false',
  });
  const names = h('datalist', { id: 'bundled-models' });
  void context.language.bundled().then((models) => {
    names.replaceChildren(...models.map((name) => h('option', { value: name })));
  });
  const folder = h('input', {
    type: 'file',
    webkitdirectory: true,
    multiple: true,
    onchange: () => void use(readFolder(folder.files)),
  });
  const file = h('input', {
    type: 'file',
    accept: '.safetensors',
    onchange() {
      const weights = file.files?.[0];
      if (weights !== undefined) void use({ kind: 'weights', model: architecture.value, weights });
    },
  });
  const url = h('input', {
    type: 'url',
    placeholder: 'https://… /weights.safetensors, or a folder with / at its end',
  });
  const form = h(
    'form',
    {
      onsubmit(event) {
        event.preventDefault();
        void use({ kind: 'address', url: url.value, model: architecture.value });
      },
    },
    field('Address', url, 'The other site must allow it (CORS).'),
    h('button', { type: 'submit' }, 'Load'),
  );
  const element = h(
    'details',
    { class: 'models' },
    h('summary', {}, 'Another model'),
    told,
    h('button', { type: 'button', onclick: () => void use({ kind: 'emoji' }) }, 'The emoji model'),
    field('A folder that zooc export wrote', folder),
    h(
      'fieldset',
      {},
      h('legend', {}, 'Weights of a bundled model'),
      field('Model', architecture, 'Weights under the names of OpenAI, open_clip or Hugging Face.'),
      names,
      field('A file of safetensors', file),
      form,
    ),
  );
  return { element, refresh };
}
