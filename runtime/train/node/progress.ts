/**
 * What a training run says on stderr, in one place: remarks, warnings, what it is busy with before the first step, and
 * then its progress. On a terminal the last line is written over; elsewhere there is a line now and then.
 */
import { clearLine, cursorTo } from 'node:readline';
import type { Diagnostic } from '../../../grammar/diagnostics.ts';
import { renderDiagnostics } from '../../../grammar/render.ts';
import { formatDuration } from '../duration.ts';
import type { MetricsRow } from '../types.ts';
import type { RunLog, Showing } from './log.ts';

/** What a run tells a person. */
export interface RunTeller {
  /** A remark, for people who read along. */
  note(text: string): void;
  /** Handed on as it is. */
  readonly warn: (warning: Diagnostic) => void;
  /** What is being done before the first step, and how far it is: `done` of `of` things. */
  doing(what: string, done?: number, of?: number): void;
}

export type ProgressStream = Pick<NodeJS.WriteStream, 'write'> &
  Partial<Pick<NodeJS.WriteStream, 'isTTY' | 'columns'>>;

interface ProgressOptions {
  /** Warnings alone. */
  readonly quiet?: boolean;
  readonly stream?: ProgressStream;
  /** Milliseconds of a steady clock. */
  readonly now?: () => number;
}

/** Milliseconds between lines, and between them once a run has taken long. */
const betweenLines = 10_000;
const long = 600_000;
const betweenLinesLater = 60_000;
/** Milliseconds between two states of the last line of a terminal. */
const betweenStates = 100;
/** Steps that a rate is the mean of. */
const recent = 16;
/** Characters of the bar, where there is room for it. */
const barLength = 20;
const roomForBar = 100;

/** `1,234`, `56.7` */
function formatRate(rate: number): string {
  return rate >= 100 ? Math.round(rate).toLocaleString('en-US') : rate.toPrecision(3);
}

/** Waits of a step by their columns: for its batch, and what else says so by its name. */
function waitOf(row: MetricsRow): number {
  return Object.entries(row).reduce(
    (sum, [name, value]) => (name.endsWith('_wait_ms') ? sum + Number(value) : sum),
    0,
  );
}

/** Speed of the last steps, and the time that the rest will take at the mean of all but the first. */
class Pace {
  readonly #end: number;
  readonly #now: () => number;
  #first: { readonly at: number; readonly step: number } | undefined;
  #rows: { readonly at: number; readonly row: MetricsRow }[] = [];

  constructor(end: number, now: () => number) {
    this.#end = end;
    this.#now = now;
  }

  add(row: MetricsRow): void {
    const at = this.#now();
    // The first step has the driver's compilation behind it.
    this.#first ??= { at, step: row.step };
    this.#rows = [...this.#rows.slice(-recent), { at, row }];
  }

  /** `step 45/640  loss 4.7348  479 pairs/s  2:42 left  waits 3 %` */
  describe(): string {
    const { at, row } = this.#rows.at(-1)!;
    const rows = this.#rows.slice(-recent).map((r) => r.row);
    const rate = rows.length / rows.reduce((sum, r) => sum + 1 / r.samples_per_second, 0);
    const { step } = row;
    const done = step - this.#first!.step;
    const left = ((at - this.#first!.at) / 1000 / done) * (this.#end - step - 1);
    const [before, ...since] = this.#rows;
    const waited = since.reduce((sum, r) => sum + waitOf(r.row), 0) / (at - before!.at);
    return [
      `step ${step + 1}/${this.#end}`,
      `loss ${row.loss.toFixed(4)}`,
      `${formatRate(rate)} pairs/s`,
      ...(done === 0
        ? []
        : [`${formatDuration(left)} left`, `waits ${Math.round(100 * Math.min(waited, 1))} %`]),
    ].join('  ');
  }

  get part(): number {
    return (this.#rows.at(-1)!.row.step + 1) / this.#end;
  }
}

function bar(part: number): string {
  const full = Math.round(part * barLength);
  return `${'█'.repeat(full)}${'░'.repeat(barLength - full)}  `;
}

export class Progress implements RunTeller {
  readonly #quiet: boolean;
  readonly #stream: ProgressStream;
  readonly #now: () => number;
  /** What stands on the last line of the terminal. */
  #state = '';
  #drawn = Number.NEGATIVE_INFINITY;
  #printed: number;
  readonly #began: number;

  constructor({
    quiet = false,
    stream = process.stderr,
    now = () => performance.now(),
  }: ProgressOptions = {}) {
    this.#quiet = quiet;
    this.#stream = stream;
    this.#now = now;
    this.#began = now();
    this.#printed = this.#began;
  }

  note(text: string): void {
    if (!this.#quiet) this.#line(text);
  }

  readonly warn = (warning: Diagnostic): void => this.#line(renderDiagnostics([warning]));

  doing(what: string, done?: number, of?: number): void {
    if (this.#quiet) return;
    const counted = done === undefined || of === undefined ? '' : ` ${done} of ${of}`;
    // Every new activity at once, since it may block; of one that counts, the end too.
    const isNew = !this.#state.startsWith(what);
    this.#show(`${what}${counted}`, isNew || done === of, false);
  }

  /** The steps of a run. */
  get showing(): Showing {
    return {
      name: 'the progress',
      open: async ({ end }) => this.#steps(end),
    };
  }

  #steps(end: number): RunLog {
    const pace = new Pace(end, this.#now);
    let fed = false;
    this.doing('waiting for the first batch');
    return {
      fed: () => {
        if (!fed) this.doing('running the first step');
        fed = true;
      },
      row: (row) => {
        pace.add(row);
        if (this.#quiet) return;
        const wide = this.#stream.isTTY === true && (this.#stream.columns ?? 80) >= roomForBar;
        const last = row.step + 1 === end;
        this.#show(`${wide ? bar(pace.part) : ''}${pace.describe()}`, last, last);
      },
      close: async () => this.end(),
    };
  }

  /**
   * @param now whether a terminal shows it at once, whatever it showed a moment ago
   * @param always whether there has to be a line of it elsewhere
   */
  #show(state: string, now: boolean, always: boolean): void {
    const at = this.#now();
    if (this.#stream.isTTY !== true) {
      const pause = at - this.#began > long ? betweenLinesLater : betweenLines;
      if (always || at - this.#printed >= pause) this.#line(state);
      return;
    }
    this.#state = state;
    if (!now && at - this.#drawn < betweenStates) return;
    this.#drawn = at;
    this.#draw();
  }

  /** A line that stays, above the one that is written over. */
  #line(text: string): void {
    this.#clear();
    this.#stream.write(text.endsWith('\n') ? text : `${text}\n`);
    this.#printed = this.#now();
    this.#draw();
  }

  #draw(): void {
    if (this.#state === '') return;
    this.#clear();
    // A line that wraps could not be written over.
    this.#stream.write(this.#state.slice(0, (this.#stream.columns ?? 80) - 1));
  }

  #clear(): void {
    if (this.#state === '') return;
    const stream = this.#stream as NodeJS.WriteStream;
    cursorTo(stream, 0);
    clearLine(stream, 0);
  }

  /** The last state stays as a line; safe to call twice. */
  end(): void {
    if (this.#state === '') return;
    this.#draw();
    this.#state = '';
    this.#stream.write('\n');
  }
}
