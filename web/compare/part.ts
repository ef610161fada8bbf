/** Compare: the same forward by another library, a check of the adapter, and both as a report. */
import { proxy } from 'comlink';
import { checkTable, sentence, type TextTable, verdict } from '../../zoo/selftest/report.ts';
import type { Context, Part } from '../app/context.ts';
import { type Child, field, fill, h } from '../ui/dom.ts';
import type { Compared } from '../worker/compare/comparing.ts';
import {
  adapterRows,
  type Cells,
  comparisonNotes,
  comparisonTable,
  comparisonTitle,
  type Findings,
  reportText,
} from './report.ts';

/** Cells that begin with a digit are numbers. */
function tableElement({ head, rows }: TextTable, caption: string): HTMLElement {
  const kind = (text: string): string | undefined => (/^[\d–]/.test(text) ? 'number' : undefined);
  const row = (cells: Cells): HTMLElement =>
    h(
      'tr',
      {},
      cells.map((text, i) =>
        i === 0 ? h('th', { scope: 'row' }, text) : h('td', { class: kind(text) }, text),
      ),
    );
  return h(
    'div',
    { class: 'wide', role: 'region', 'aria-label': caption, tabindex: 0 },
    h(
      'table',
      {},
      h(
        'thead',
        {},
        h(
          'tr',
          {},
          head.map((text) => h('th', { scope: 'col' }, text)),
        ),
      ),
      h('tbody', {}, rows.map(row)),
    ),
  );
}

export function makeCompare(context: Context): Part {
  let findings: Findings = { comparisons: [] };
  const results = h('div', {});
  const check = h('div', {});
  const device = h('div', {});
  const report = h('pre', { tabindex: 0, 'aria-label': 'Report' });
  const status = h('p', { role: 'status', class: 'hint' });
  const copied = h('span', { role: 'status', class: 'hint' });

  const add = (more: Partial<Findings>): void => {
    findings = { ...findings, ...more };
    report.textContent = reportText(findings);
    copied.textContent = '';
    fill(
      results,
      findings.comparisons.map((comparison): Child => {
        const title = comparisonTitle(comparison);
        return [
          h('h3', {}, title),
          tableElement(comparisonTable(comparison), title),
          comparisonNotes(comparison).map((note) => h('p', { class: 'hint' }, note)),
        ];
      }),
    );
    if (findings.checked !== undefined)
      fill(
        check,
        h('p', { role: 'status' }, sentence(verdict(findings.checked))),
        tableElement(checkTable(findings.checked), 'Check against double precision'),
      );
  };

  const kind = h(
    'select',
    { onchange: () => showKind() },
    h('option', { value: 'emoji' }, 'the emoji model of this page'),
    h('option', { value: 'text' }, 'the model of the text under Write'),
    h('option', { value: 'bundled' }, 'a bundled model'),
  );
  const bundled = h('select', {});
  const bundledField = field(
    'Bundled model',
    bundled,
    'Its weights are drawn, not fetched. ViT-B/32’s picture tower has 88 million parameters: 350 MB in each library and as much for the export, twice; a software adapter takes minutes.',
  );
  void context.language.bundled().then((names) => {
    bundled.replaceChildren(...names.map((name) => h('option', { value: name }, name)));
    bundled.value = 'ViT-B/32';
  });
  const batch = h('input', { type: 'number', min: 1, max: 256, step: 1, value: 1, required: true });
  const repeats = h('input', { type: 'number', min: 1, max: 1000, step: 1, value: 10, required: true });
  const showKind = (): void => {
    bundledField.hidden = kind.value !== 'bundled';
  };
  showKind();

  const compared = (): Compared => {
    const { text, model, settings } = context.program.state;
    if (kind.value === 'text') return { kind: 'text', text, model, settings };
    return kind.value === 'bundled' ? { kind: 'bundled', model: bundled.value } : { kind: 'emoji' };
  };
  /** Work that has the device for itself. */
  const work = async (doing: string, task: () => Promise<void>): Promise<void> => {
    for (const button of buttons) button.disabled = true;
    status.textContent = doing;
    let end = '';
    try {
      context.report(undefined);
      if (await context.device.training.isRunning())
        end =
          'A model is being trained in this page, which would disturb the times: pause it under Train first.';
      else await task();
    } catch (error) {
      context.report(error);
    } finally {
      status.textContent = end;
      for (const button of buttons) button.disabled = false;
    }
  };
  const compare = (): Promise<void> =>
    work('loading …', async () => {
      const request = { of: compared(), batch: batch.valueAsNumber, repeats: repeats.valueAsNumber };
      const tell = proxy((doing: string) => {
        status.textContent = `${doing} …`;
      });
      const comparison = await context.device.comparing.run(request, tell);
      add({ comparisons: [comparison, ...findings.comparisons] });
    });
  const checkAdapter = (): Promise<void> =>
    work('checking …', async () => {
      const tell = proxy((done: number, of: number, doing: string) => {
        status.textContent = `${done + 1} of ${of}: ${doing} …`;
      });
      add({ checked: await context.device.checking.run(!every.checked, tell) });
    });
  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(report.textContent ?? '');
      copied.textContent = 'Copied.';
    } catch {
      getSelection()?.selectAllChildren(report);
      copied.textContent = 'The browser does not let the page copy: it is selected now.';
    }
  };

  const every = h('input', { type: 'checkbox' });
  const buttons = [
    h('button', { type: 'submit', class: 'main' }, 'Compare'),
    h('button', { type: 'button', onclick: () => void checkAdapter() }, 'Check this adapter'),
  ] as const;
  const form = h(
    'form',
    {
      onsubmit(event) {
        event.preventDefault();
        void compare();
      },
    },
    field('Model', kind),
    bundledField,
    h('div', { class: 'numbers' }, field('Batch', batch), field('Repetitions', repeats)),
    buttons[0],
  );
  const showDevice = async (): Promise<void> => {
    try {
      const facts = await context.device.facts();
      const rows = adapterRows(facts);
      fill(device, tableElement({ head: ['what', 'value'], rows }, 'Adapter'));
      add({ device: facts });
    } catch (error) {
      context.report(error);
    }
  };
  const element = h(
    'section',
    { class: 'compare', 'aria-label': 'Compare' },
    h('h1', {}, 'Compare on this device'),
    h(
      'p',
      { class: 'lead' },
      'The picture tower of a model runs here in zooc and, as the ONNX that zooc exports, in jax-js, another library for WebGPU: first the numbers against each other, then the times in turns.',
    ),
    status,
    h(
      'div',
      { class: 'columns' },
      h('div', {}, h('h2', {}, 'Another library'), form, results),
      h(
        'div',
        {},
        h('h2', {}, 'This adapter'),
        h(
          'p',
          { class: 'hint' },
          'Every kind of kernel, a small model and some steps of training, with gradients, on the device against the same in double precision, and how fast it copies and multiplies. Errors are relative to the largest number of each tensor.',
        ),
        h(
          'label',
          { class: 'row' },
          every,
          'All models, and every schedule of the kernels (minutes on a software adapter)',
        ),
        buttons[1],
        check,
        h('details', {}, h('summary', {}, 'What the adapter says of itself'), device),
      ),
    ),
    h('h2', {}, 'Report'),
    h(
      'div',
      { class: 'row' },
      h('button', { type: 'button', onclick: () => void copy() }, 'Copy the report'),
      copied,
    ),
    report,
  );
  add({});
  return { element, shown: () => void showDevice() };
}
