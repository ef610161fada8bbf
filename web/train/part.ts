/** Train: a small model on the emoji pictures of this page. */
import { proxy, transfer } from 'comlink';
import { DiagnosticError } from '../../grammar/diagnostics.ts';
import type { Context, Part } from '../app/context.ts';
import { type EmojiPictures, fetchEmoji } from '../app/emoji.ts';
import { fill, h } from '../ui/dom.ts';
import { diagnosticElement } from '../ui/failure.ts';
import { count, milliseconds, percent } from '../ui/numbers.ts';
import type { StartedRun, TrainingEvent } from '../worker/train/training.ts';
import { makeCurve } from './curves.ts';
import { makeExamples } from './examples.ts';
import { makeProgress } from './progress.ts';
import { makeSettings, type RunSettings } from './settings.ts';
import { makeTakeAlong } from './take-along.ts';

/** What the page shows of a run. */
type Shown = 'none' | 'preparing' | 'running' | 'pausing' | 'paused' | 'done' | 'stopped' | 'failed' | 'lost';

const words: Readonly<Record<Shown, string>> = {
  none: '',
  preparing: 'Compiling and making the first batch …',
  running: 'Training.',
  pausing: 'Waits for the step that is under way …',
  paused: 'Paused: nothing is given to the device.',
  done: 'Done.',
  stopped: 'Stopped.',
  failed: 'The run ended.',
  lost: 'The device was lost.',
};

/** All pictures of the page in one array. */
async function sendPictures(context: Context, pictures: EmojiPictures): Promise<readonly number[]> {
  const { side, emoji, pixelsOf } = pictures;
  const pixels = new Uint8Array(emoji.length * side * side * 4);
  for (const [i, one] of emoji.entries()) pixels.set(pixelsOf(one).data, i * side * side * 4);
  const captions = emoji.map(({ title, tags }) => ({ title, tags }));
  const given = transfer({ side, pixels, captions }, [pixels.buffer]);
  return (await context.device.training.take(given)).learnt;
}

export function makeTrain(context: Context): Part {
  let shown: Shown = 'none';
  let current: RunSettings | undefined;
  let chance: number | undefined;
  let pictures: EmojiPictures | undefined;
  let learnt = 1;
  let loading: Promise<void> | undefined;

  const loss = makeCurve({ title: 'loss' });
  const accuracy = makeCurve({
    title: 'first among the captions',
    format: percent,
    level: { name: 'chance', value: () => chance },
    range: [0, 1],
  });
  const rate = makeCurve({ title: 'learning rate' });
  const curves = [loss, accuracy, rate];
  const progress = makeProgress();
  const examples = makeExamples();
  const takeAlong = makeTakeAlong(context, { loss, lr: rate, accuracy });
  const status = h('p', { role: 'status', class: 'state' });
  const details = h('div', {});
  const blind = h('div', {});

  const button = (text: string, work: () => void, main = false): HTMLButtonElement =>
    h('button', { type: 'button', ...(main ? { class: 'main' } : {}), onclick: work }, text);
  const start = h('button', { type: 'submit', class: 'main' }, 'Start');
  const pause = button('Pause', () => {
    show('pausing');
    void context.device.training.pause();
  });
  const goOn = button('Go on', () => void resume());
  const stop = button('Stop', () => void context.device.training.stop());
  const settings = makeSettings(
    context,
    () => learnt,
    () => show(shown),
  );

  const show = (next: Shown): void => {
    shown = next;
    status.textContent = words[next];
    const under = next === 'running' || next === 'pausing' || next === 'paused';
    start.textContent = under ? 'Start anew' : 'Start';
    start.disabled = next === 'preparing' || settings.value() === undefined;
    pause.disabled = next !== 'running';
    goOn.disabled = next !== 'paused' && next !== 'lost';
    stop.disabled = !under;
  };
  const started = (run: StartedRun, { request }: RunSettings): void => {
    progress.begin(run.total, request.batch, run.step);
    const text = `${run.model}: ${count(run.parameters)} parameters, ready in ${milliseconds(run.milliseconds)}.`;
    fill(details, h('p', { class: 'hint' }, text), run.warnings.map(diagnosticElement));
  };
  const hear = (event: TrainingEvent): void => {
    switch (event.kind) {
      case 'step':
        loss.add(event.step + 1, event.loss);
        rate.add(event.step + 1, event.lr);
        progress.step(event.step, event.loss, event.milliseconds, event.memory);
        if (event.step === 0) takeAlong.offer(current);
        break;
      case 'looked':
        chance = event.chance;
        accuracy.add(event.step, event.accuracy);
        progress.aside(event.milliseconds);
        if (pictures !== undefined) void examples.show(pictures, event.examples, event.step);
        break;
      case 'blind':
        fill(
          blind,
          h('p', {}, 'Held-out pictures cannot be looked at; training goes on.'),
          event.diagnostics.map(diagnosticElement),
        );
        break;
      case 'state':
        show(event.state);
        if (event.reason !== undefined) tellEnd(event.reason, event.kept);
    }
  };
  const tellEnd = (
    reason: NonNullable<Extract<TrainingEvent, { kind: 'state' }>['reason']>,
    kept: number | undefined,
  ): void => {
    context.report(typeof reason === 'string' ? new Error(reason) : new DiagnosticError(reason));
    if (kept === undefined) {
      takeAlong.offer(undefined);
      return;
    }
    const from =
      kept === 0
        ? 'No copy was kept yet: going on begins again, with the same seed.'
        : `Going on begins behind step ${kept}, from the copy that was kept of weights and optimizer.`;
    fill(details, h('p', {}, from));
    takeAlong.offer(kept === 0 ? undefined : current);
  };

  const load = (): Promise<void> => {
    loading ??= (async () => {
      pictures = await fetchEmoji();
      learnt = (await sendPictures(context, pictures)).length;
    })();
    loading.catch(() => {
      loading = undefined;
    });
    return loading;
  };
  const begin = async (wanted: RunSettings): Promise<void> => {
    const before = shown;
    show('preparing');
    try {
      await load();
      fill(blind);
      fill(details);
      for (const curve of curves) curve.cut(0);
      takeAlong.offer(undefined);
      current = wanted;
      context.report(undefined);
      started(await context.device.training.start(wanted.request, proxy(hear)), wanted);
    } catch (error) {
      show(before === 'preparing' ? 'none' : 'failed');
      context.report(error);
    }
  };
  const resume = async (): Promise<void> => {
    const before = shown;
    if (before === 'lost') show('preparing');
    try {
      context.report(undefined);
      const run = await context.device.training.goOn();
      if (run === undefined || current === undefined) return;
      for (const curve of curves) curve.cut(run.step + 1);
      started(run, current);
    } catch (error) {
      show(before);
      context.report(error);
    }
  };

  const logarithmic = h('input', {
    type: 'checkbox',
    onchange: () => loss.setLogarithmic(logarithmic.checked),
  });
  const form = h(
    'form',
    {
      onsubmit(event) {
        event.preventDefault();
        const wanted = settings.value();
        if (wanted !== undefined) void begin(wanted);
      },
    },
    settings.element,
    h('div', { class: 'row' }, start, pause, goOn, stop),
  );
  const element = h(
    'section',
    { class: 'train', 'aria-label': 'Train' },
    h('h1', {}, 'Train a small model in this page'),
    h(
      'p',
      { class: 'lead' },
      'Pictures with captions, on your device: 320 emoji in two styles, of which some pictures are held out. The model learns which caption belongs to which picture.',
    ),
    h(
      'div',
      { class: 'columns' },
      h('div', {}, form, status, details, blind, takeAlong.element),
      h(
        'div',
        {},
        progress.element,
        h('label', { class: 'check' }, logarithmic, ' logarithmic loss'),
        curves.map((curve) => curve.element),
      ),
    ),
    examples.element,
  );
  const redraw = (): void => {
    if (element.isConnected) for (const curve of curves) curve.refresh();
  };
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', redraw);
  new MutationObserver(redraw).observe(document.documentElement, { attributeFilter: ['data-theme'] });
  show('none');
  return {
    element,
    shown() {
      redraw();
      load().then(
        () => void settings.refresh(),
        (error: unknown) => context.report(error),
      );
    },
  };
}
