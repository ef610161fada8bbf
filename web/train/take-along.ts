/** What is left of a run: weights and text as files, or the model in use. */
import type { Context } from '../app/context.ts';
import { h } from '../ui/dom.ts';
import type { Curve } from './curves.ts';
import type { RunSettings } from './settings.ts';

function download(name: string, blob: Blob): void {
  const address = URL.createObjectURL(blob);
  const link = h('a', { href: address, download: name });
  link.click();
  // Browsers begin a download in a later task.
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}

function fileName(model: string): string {
  return model.replaceAll(/[^\w.-]+/g, '-');
}

/** The text with a head that says how the weights are used with it. */
function textWith({ model, settings, request }: RunSettings, weights: string, text: string): string {
  const set = Object.entries(settings).map(([path, value]) => ` --set ${path}=${value}`);
  return `# Its weights: ${weights}, trained in zooc's playground by the recipe "${request.recipe}" for ${request.steps} steps.
# zooc classify '${text}#${model}' --weights ${weights}${set.join('')} PICTURE --labels a,b

${request.text}`;
}

/** A line a step; what is known of some steps only is empty at the others. */
function table(curves: Readonly<Record<string, Curve>>): string {
  const columns = Object.values(curves).map(({ values }) => values);
  const steps = [...new Set(columns.flatMap((values) => [...values.keys()]))].sort((a, b) => a - b);
  const lines = steps.map((step) => [step, ...columns.map((values) => values.get(step) ?? '')].join());
  return `${['step', ...Object.keys(curves)].join()}\n${lines.join('\n')}\n`;
}

export interface TakeAlong {
  readonly element: HTMLElement;
  /** Whether there are weights, and of what. */
  offer(settings: RunSettings | undefined): void;
}

/** @param curves by the names of their columns in a table */
export function makeTakeAlong(context: Context, curves: Readonly<Record<string, Curve>>): TakeAlong {
  let offered: RunSettings | undefined;
  const weights = async (): Promise<Blob> =>
    new Blob([(await context.device.training.weights()) as Uint8Array<ArrayBuffer>]);
  const use = async (work: (settings: RunSettings) => Promise<void> | void): Promise<void> => {
    if (offered === undefined) return;
    try {
      await work(offered);
      context.report(undefined);
    } catch (error) {
      context.report(error);
    }
  };
  const buttons = [
    h(
      'button',
      {
        type: 'button',
        onclick: () =>
          void use(async ({ model }) => download(`${fileName(model)}.safetensors`, await weights())),
      },
      'Weights (safetensors)',
    ),
    h(
      'button',
      {
        type: 'button',
        onclick: () =>
          void use((settings) => {
            const name = fileName(settings.model);
            const text = textWith(settings, `${name}.safetensors`, `${name}.zoo`);
            download(`${name}.zoo`, new Blob([text], { type: 'text/plain' }));
          }),
      },
      'Text (.zoo)',
    ),
    h(
      'button',
      {
        type: 'button',
        onclick: () =>
          void use(({ model }) =>
            download(`${fileName(model)}.csv`, new Blob([table(curves)], { type: 'text/csv' })),
          ),
      },
      'Curves (.csv)',
    ),
    h(
      'button',
      {
        type: 'button',
        onclick: () =>
          void use(async ({ model, settings, request }) => {
            const given = { model: request.text, name: model, settings, weights: await weights() };
            await context.device.classifying.use({ kind: 'weights', ...given });
            context.show('try');
          }),
      },
      'Use in Try',
    ),
  ];
  const offer = (settings: RunSettings | undefined): void => {
    offered = settings;
    for (const button of buttons) button.disabled = settings === undefined;
  };
  offer(undefined);
  return {
    element: h('div', {}, h('h2', {}, 'Take the weights along'), h('div', { class: 'row' }, buttons)),
    offer,
  };
}
