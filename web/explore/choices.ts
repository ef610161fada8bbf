/** What is explored: model, entry, batch, mode, precision, device. */
import type { DeviceProfile, ProfileKind } from '../../zoo/api/browser.ts';
import { fill, h, newId } from '../ui/dom.ts';
import type { Explored, ExploreRequest } from '../worker/explore/exploring.ts';

export type Choices = Pick<ExploreRequest, 'entry' | 'batch' | 'mode' | 'precision'> & {
  /** A bundled model; undefined for the visitor's text. */
  readonly bundled: string | undefined;
  /** Which model of the text. */
  readonly name: string | undefined;
  /** `own` is the visitor's device. */
  readonly device: ProfileKind | 'own';
};

const devices: Readonly<Record<ProfileKind, string>> = {
  gpu: 'any discrete GPU',
  nvidia: 'NVIDIA',
  amd: 'AMD',
  intel: 'Intel',
  apple: 'Apple',
  cpu: 'CPU (lavapipe)',
  swiftshader: 'CPU (SwiftShader)',
};
const modes: Readonly<Record<Choices['mode'], string>> = {
  eval: 'eval',
  train: 'train, forward',
  gradients: 'train with gradients',
};

export interface ChoicesBar {
  readonly element: HTMLElement;
  value(): Choices;
  /** Names of the models that are bundled, and that the text declares; the chosen one of these. */
  setModels(bundled: readonly string[], own: readonly string[], chosen: string | undefined): void;
  /** Says that the visitor's device can be chosen. */
  setDevice(profile: DeviceProfile | undefined): void;
  takeOwnDevice(): void;
  /** What the model has, and what was taken of it. */
  setExplored(explored: Explored): void;
}

function options(values: Readonly<Record<string, string>>): HTMLOptionElement[] {
  return Object.entries(values).map(([value, text]) => h('option', { value }, text));
}

/** @param changed where another model was chosen, it says so */
export function makeChoices(changed: (what: 'model' | 'rest') => void): ChoicesBar {
  let hasLoss = false;
  const rest = () => changed('rest');
  const model = h('select', { onchange: () => changed('model') });
  const entry = h('select', {
    onchange() {
      if (mode.value === 'gradients' && entry.value !== 'loss') mode.value = 'eval';
      rest();
    },
  });
  const batch = h('input', { type: 'number', min: 1, step: 1, value: 1, onchange: rest });
  const mode = h(
    'select',
    {
      onchange() {
        // Gradients are those of the loss.
        if (mode.value === 'gradients' && hasLoss) entry.value = 'loss';
        rest();
      },
    },
    options(modes),
  );
  const precision = h('select', { onchange: rest }, options({ f32: 'f32', mixed: 'mixed (f16)' }));
  const own = h('option', { value: 'own', disabled: true }, 'this device');
  const device = h('select', { onchange: rest }, own, options(devices));
  device.value = 'gpu';

  const labelled = (text: string, control: HTMLElement): HTMLElement => {
    control.id = newId('choice');
    return h('div', { class: 'choice' }, h('label', { for: control.id }, text), control);
  };
  return {
    element: h(
      'div',
      { class: 'choices' },
      labelled('Model', model),
      labelled('Entry', entry),
      labelled('Batch', batch),
      labelled('Mode', mode),
      labelled('Precision', precision),
      labelled('Compiled for', device),
    ),
    value() {
      const bundled = model.value.startsWith('bundled:') ? model.value.slice('bundled:'.length) : undefined;
      const named = model.value.startsWith('text:') ? model.value.slice('text:'.length) : '';
      return {
        bundled,
        name: named === '' ? undefined : named,
        entry: entry.value === '' ? undefined : entry.value,
        batch: batch.valueAsNumber,
        mode: mode.value as Choices['mode'],
        precision: precision.value as Choices['precision'],
        device: device.value as Choices['device'],
      };
    },
    setModels(bundled, names, chosen) {
      const before = model.value;
      const texts =
        names.length === 0
          ? { 'text:': 'no model yet' }
          : Object.fromEntries(names.map((n) => [`text:${n}`, n]));
      fill(
        model,
        h('optgroup', { label: 'Your text' }, options(texts)),
        h(
          'optgroup',
          { label: 'Bundled' },
          options(Object.fromEntries(bundled.map((n) => [`bundled:${n}`, n]))),
        ),
      );
      const wish = before.startsWith('bundled:') ? before : `text:${chosen ?? names[0] ?? ''}`;
      model.value = wish;
      if (model.selectedIndex < 0) model.selectedIndex = 0;
    },
    setDevice(profile) {
      own.disabled = profile === undefined;
      own.textContent = profile === undefined ? 'this device (none)' : `this device (${profile.name})`;
      if (profile === undefined && device.value === 'own') device.value = 'gpu';
    },
    takeOwnDevice() {
      device.value = 'own';
    },
    setExplored({ entries, entry: taken }) {
      hasLoss = entries.some(({ name }) => name === 'loss');
      fill(entry, options(Object.fromEntries(entries.map(({ name }) => [name, name]))));
      entry.value = taken;
      const gradients = [...mode.options].find(({ value }) => value === 'gradients')!;
      gradients.disabled = !hasLoss;
      if (mode.value === 'gradients' && taken !== 'loss') mode.value = 'eval';
    },
  };
}
