/** The button that measures steps on the visitor's device, and what it says where that cannot be. */
import { DiagnosticError } from '../../grammar/diagnostics.ts';
import type { Context } from '../app/context.ts';
import { h } from '../ui/dom.ts';
import { shortTime } from '../ui/numbers.ts';
import type { TimingRequest } from '../worker/explore/timing.ts';

export interface Measuring {
  readonly element: HTMLElement;
  /** Forgets what was measured; with a reason, nothing can be. */
  reset(reason?: string): void;
}

/**
 * @param ready compiles for this device what is explored, unless it is, and says what is to be timed; undefined where that changed meanwhile
 * @param measured gets seconds by step
 */
export function makeMeasuring(
  context: Context,
  ready: () => Promise<TimingRequest | undefined>,
  measured: (seconds: readonly number[]) => void,
): Measuring {
  let generation = 0;
  const told = h('span', { class: 'hint', role: 'status' });
  const button = h('button', { type: 'button', onclick: () => void measure() }, 'Measure on this device');
  const measure = async (): Promise<void> => {
    const request = await ready();
    if (request === undefined) return;
    const mine = generation;
    button.disabled = true;
    told.textContent = 'making weights and measuring …';
    try {
      const seconds = await context.device.timing.time(request);
      if (mine !== generation) return;
      const all = seconds.reduce((a, b) => a + b, 0);
      told.textContent = `${shortTime(all)} in all steps, medians of 5 runs`;
      measured(seconds);
    } catch (error) {
      if (mine !== generation) return;
      const known = error instanceof DiagnosticError;
      told.textContent = known ? error.diagnostics.map(({ message }) => message).join('; ') : '';
      if (!known) context.report(error);
    } finally {
      if (mine === generation) button.disabled = false;
    }
  };
  return {
    element: h('div', { class: 'row' }, button, told),
    reset(reason = '') {
      generation++;
      button.disabled = reason !== '';
      told.textContent = reason;
    },
  };
}
