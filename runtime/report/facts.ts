/** The numbers that a reader wants first, of each run. */
import { formatDuration } from '../train/duration.ts';
import { count, digits, percent } from './format.ts';
import type { RunReport } from './types.ts';

export interface Fact {
  readonly name: string;
  /** What is small beside the value. */
  readonly note?: string;
  readonly value: string;
}

/** Steps that the run has rows of, and all that it was to have. */
export function stepsOf({ curves, summary }: RunReport): { readonly done: number; readonly end?: number } {
  const done = typeof curves.last?.step === 'number' ? curves.last.step + 1 : 0;
  const end = summary?.starts.at(-1)?.end;
  return { done, ...(end === undefined ? {} : { end }) };
}

export function factsOf(run: RunReport): Fact[] {
  const { summary, curves } = run;
  const { rows, secondsPerPair, waitMilliseconds, skipped } = curves.totals;
  const { done, end } = stepsOf(run);
  const facts: Fact[] = [
    { name: 'steps', value: count(done), ...(end === undefined ? {} : { note: `of ${count(end)}` }) },
  ];
  const loss = curves.curve('loss');
  if (loss !== undefined) {
    const best = Math.min(...loss.values);
    facts.push({ name: 'loss', value: digits(loss.values.at(-1)!), note: `lowest ${digits(best)}` });
  }
  if (summary !== undefined) {
    const { batch, parameters, trained } = summary;
    const seconds = secondsPerPair * batch;
    facts.push({ name: 'pairs seen', value: count(done * batch), note: `${count(batch)} a step` });
    facts.push({
      name: 'parameters',
      value: count(parameters),
      note: trained === parameters ? 'all trained' : `${count(trained)} trained`,
    });
    facts.push({ name: 'time in steps', value: formatDuration(seconds), note: 'without checkpoints' });
    if (seconds > 0)
      facts.push({ name: 'waited for data', value: percent(Math.min(1, waitMilliseconds / 1000 / seconds)) });
  }
  if (secondsPerPair > 0)
    facts.push({ name: 'pairs per second', value: digits(rows / secondsPerPair), note: 'mean' });
  if (skipped > 0) facts.push({ name: 'unreadable samples', value: count(skipped) });
  return facts;
}
