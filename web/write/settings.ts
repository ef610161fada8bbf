/** The model's static values under sliders: what `--set` changes on the command line. */
import type { Context } from '../app/context.ts';
import { fill, h, newId } from '../ui/dom.ts';
import { diagnosticElement } from '../ui/failure.ts';
import { count } from '../ui/numbers.ts';
import type { ProgramFacts } from '../worker/write/facts.ts';
import type { Knob } from '../worker/write/knobs.ts';
import { rangeOf } from './ranges.ts';

export interface SettingsPane {
  readonly element: HTMLElement;
  show(told: ProgramFacts): void;
}

interface Row {
  readonly element: HTMLElement;
  /** `set`: whether a setting gives the value. */
  show(value: string, set: boolean): void;
}

function makeRow({ path, kind, value, choices }: Knob, change: (value: string | undefined) => void): Row {
  const id = newId('setting');
  const inputs: (HTMLInputElement | HTMLSelectElement)[] = [];
  const name = path.slice(path.lastIndexOf('.') + 1);
  const give = (text: string) => change(text.trim() === '' ? undefined : text.trim());
  if (kind === 'choice') {
    const select = h(
      'select',
      { id, onchange: () => give(select.value) },
      choices.map((each) => h('option', { value: each }, each)),
    );
    inputs.push(select);
  } else if (kind === 'bool') {
    const box = h('input', { id, type: 'checkbox', onchange: () => give(String(box.checked)) });
    inputs.push(box);
  } else {
    const range = rangeOf(kind, Number(value));
    if (range !== undefined) {
      const slider = h('input', {
        type: 'range',
        ...range,
        'aria-label': `${path}, slider`,
        oninput: () => give(slider.value),
      });
      inputs.push(slider);
    }
    const box = h('input', {
      id,
      type: 'number',
      step: kind === 'int' ? 1 : 'any',
      oninput: () => give(box.value),
    });
    inputs.push(box);
  }
  const reset = h(
    'button',
    {
      type: 'button',
      class: 'plain',
      'aria-label': `Reset ${path}`,
      title: 'As the text has it',
      onclick() {
        change(undefined);
        // The button goes, and the focus with it.
        inputs.at(-1)!.focus();
      },
    },
    '↺',
  );
  return {
    element: h(
      'div',
      { class: 'setting', 'data-kind': kind },
      h('label', { for: id, title: path }, name),
      inputs,
      reset,
    ),
    show(text, set) {
      for (const input of inputs) {
        // What is being typed stays as it is typed.
        if (input === document.activeElement && input.type === 'number') continue;
        if (input.type === 'checkbox') (input as HTMLInputElement).checked = text === 'true';
        else input.value = text;
      }
      reset.disabled = !set;
    },
  };
}

function sizeText(plain: number, set: number): string {
  const more = set === plain ? '' : ` (in the text ${count(plain)})`;
  return `${count(set)} parameters${more}`;
}

export function makeSettings(context: Context, write: () => void): SettingsPane {
  const { program } = context;
  const size = h('p', { class: 'size', role: 'status' });
  const groups = h('div', { class: 'groups' });
  const wrong = h('div', { class: 'wrong', role: 'alert' });
  const reset = h('button', { type: 'button', onclick: () => program.change({ settings: {} }) }, 'Reset all');
  const written = h('button', { type: 'button', onclick: write }, 'Write into the text');
  const rows = new Map<string, Row>();
  let drawn = '';
  let model: string | undefined;

  /** Those of another model are none of this one. */
  const own = (): Readonly<Record<string, string>> => {
    const { model: of, settings } = program.state;
    return of === undefined || of === model ? settings : {};
  };
  const change = (path: string, value: string | undefined): void => {
    const { [path]: _, ...others } = own();
    program.change({ model, settings: value === undefined ? others : { ...others, [path]: value } });
  };
  const draw = (knobs: readonly Knob[]): void => {
    rows.clear();
    const partOf = ({ path }: Knob) => path.split('.').slice(0, -1).join('.');
    const parts = [...new Set(knobs.map(partOf))];
    fill(
      groups,
      parts.map((part) =>
        h(
          'fieldset',
          {},
          h('legend', {}, part === '' ? 'model' : part),
          knobs
            .filter((knob) => partOf(knob) === part)
            .map((knob) => {
              const row = makeRow(knob, (value) => change(knob.path, value));
              rows.set(knob.path, row);
              return row.element;
            }),
        ),
      ),
    );
  };

  return {
    element: h(
      'section',
      { class: 'settings', 'aria-labelledby': 'settings-title' },
      h('h2', { id: 'settings-title' }, 'Settings'),
      h(
        'p',
        { class: 'hint' },
        'As --set on the command line: the text stays as it is. Explore and Train use them, too.',
      ),
      size,
      wrong,
      groups,
      h('p', { class: 'row' }, reset, written),
    ),
    show({ name, plain, set, diagnostics }) {
      model = name;
      const settings = own();
      written.disabled = Object.keys(settings).length === 0 || set === undefined;
      fill(wrong, plain === undefined || set !== undefined ? [] : diagnostics.map(diagnosticElement));
      for (const group of groups.querySelectorAll('fieldset')) group.disabled = plain === undefined;
      if (plain === undefined) return;
      size.textContent = set === undefined ? '' : sizeText(plain.parameters, set.parameters);
      const key = JSON.stringify([name, plain.knobs]);
      if (key !== drawn) draw(plain.knobs);
      drawn = key;
      const now = new Map((set ?? plain).knobs.map(({ path, value }) => [path, String(value)]));
      for (const [path, row] of rows)
        row.show(settings[path] ?? now.get(path) ?? '', settings[path] !== undefined);
    },
  };
}
