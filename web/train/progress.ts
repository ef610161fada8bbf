/** How far a run is and how fast it goes, from the times of its steps. */
import { fill, h } from '../ui/dom.ts';
import { bytes, count, milliseconds } from '../ui/numbers.ts';
import { shortNumber } from './curves.ts';

/** Steps that the speed is of. */
const recent = 20;

export interface Progress {
  readonly element: HTMLElement;
  begin(total: number, batch: number, step: number): void;
  step(step: number, loss: number, time: number, memory: number): void;
  /** Time that went into something else than steps. */
  aside(time: number): void;
}

export function makeProgress(): Progress {
  const bar = h('progress', { max: 1, value: 0, 'aria-label': 'Progress of the run' });
  const facts = h('dl', { class: 'facts' });
  let total = 0;
  let batch = 0;
  let times: number[] = [];
  let done = 0;
  let spent = 0;

  const fact = (name: string, value: string): HTMLElement =>
    h('div', {}, h('dt', {}, name), h('dd', {}, value));
  return {
    element: h('div', { class: 'progress' }, bar, facts),
    begin(all, pairs, step) {
      [total, batch, times, done, spent] = [all, pairs, [], 0, 0];
      bar.max = all;
      bar.value = step;
      fill(facts, fact('step', `${count(step)} of ${count(all)}`));
    },
    step(step, loss, time, memory) {
      // The first step compiles and is no measure of the others.
      if (done > 0) {
        times = [...times, time].slice(-recent);
        spent += time;
      }
      done++;
      bar.value = step + 1;
      const each = times.reduce((a, b) => a + b, 0) / times.length / 1000;
      const left = ((total - step - 1) * spent) / Math.max(1, done - 1);
      fill(
        facts,
        fact('step', `${count(step + 1)} of ${count(total)}`),
        fact('loss', shortNumber(loss)),
        fact('speed', times.length === 0 ? '…' : `${(1 / each).toPrecision(3)} steps/s`),
        fact('pairs', times.length === 0 ? '…' : `${count(Math.round(batch / each))} /s`),
        fact('left', step + 1 === total ? '–' : times.length === 0 ? '…' : milliseconds(left)),
        fact('device memory', bytes(memory)),
      );
    },
    aside(time) {
      spent += time;
    },
  };
}
