/** What training says on stderr: on a terminal one line that is written over, elsewhere lines now and then. */
import { describe, expect, it } from 'vitest';
import { formatDuration } from '../../../runtime/train/duration.ts';
import type { RunLog, RunStart } from '../../../runtime/train/node/log.ts';
import { Progress } from '../../../runtime/train/node/progress.ts';
import type { MetricsRow } from '../../../runtime/train/types.ts';

/** The cursor to the first column; the line cleared. */
const [lineStart, lineClear] = ['\u001b[1G', '\u001b[2K'];
const controls = new RegExp(`(\n|${[lineStart, lineClear].map((c) => c.replace('[', '\\[')).join('|')})`);

/** A clock, a stream, and what a person sees: lines of a terminal, the last of which may still change. */
class Screen {
  time = 0;
  readonly stream;
  /** Every state that the last line had. */
  readonly states: string[] = [];
  #lines = [''];

  constructor(isTTY: boolean, columns = 80) {
    const write = (text: string): boolean => {
      for (const part of text.split(controls)) this.#take(part);
      this.states.push(this.#lines.at(-1)!);
      return true;
    };
    this.stream = { isTTY, columns, write };
  }

  #take(part: string): void {
    if (part === '\n') this.#lines.push('');
    else if (part === lineStart || part === lineClear) this.#lines[this.#lines.length - 1] = '';
    else this.#lines[this.#lines.length - 1] += part;
  }

  get lines(): string[] {
    return this.#lines.at(-1) === '' ? this.#lines.slice(0, -1) : this.#lines;
  }

  progress(quiet = false): Progress {
    return new Progress({ quiet, stream: this.stream, now: () => this.time });
  }
}

const row = (step: number, more: Partial<MetricsRow> = {}): MetricsRow => ({
  ...{ step, loss: 2, lr: 1, grad_norm: 1, samples_per_second: 100, data_wait_ms: 0, skipped: 0, epoch: 0 },
  ...more,
});

const steps = (progress: Progress, end: number): Promise<RunLog> =>
  progress.showing.open({ start: 0, end } as RunStart);

const warning = { code: 'Z429', severity: 'warning', message: 'equal texts' } as const;

describe('progress where there is no terminal', () => {
  it('is a line every ten seconds, every minute after ten, and at the end', async () => {
    const screen = new Screen(false);
    const log = await steps(screen.progress(), 1001);
    for (let step = 0; step <= 1000; step++) {
      screen.time = step * 1000;
      log.row!(row(step));
    }
    await log.close();
    const shown = screen.lines.map((line) => Number(/^step (\d+)\/1001 /.exec(line)![1]) - 1);
    const early = Array.from({ length: 60 }, (_, i) => 10 * (i + 1));
    expect(shown).toEqual([...early, 660, 720, 780, 840, 900, 960, 1000]);
  });

  it('has the mean rate of the last steps, the time left and the part that was waited', async () => {
    const screen = new Screen(false);
    const log = await steps(screen.progress(), 100);
    log.row!(row(0, { loss: 7 }));
    // Half of the steps take 1 s, half 3 s, for 100 pairs.
    for (let step = 1; step < 50; step++) {
      screen.time += step % 2 === 0 ? 1000 : 3000;
      log.row!(
        row(step, {
          samples_per_second: step % 2 === 0 ? 100 : 100 / 3,
          data_wait_ms: 400,
          sync_wait_ms: 100,
        }),
      );
    }
    await log.close();
    // Of the last 16 steps half are of each kind: 0.5 s of 2 s are waits. 47 steps took 95 s, 52 are left.
    expect(screen.lines.at(-1)).toBe('step 48/100  loss 2.0000  50.0 pairs/s  1:45 left  waits 25 %');
  });

  it('says how far the kernels are once they take long', () => {
    const screen = new Screen(false);
    const progress = screen.progress();
    for (let done = 1; done <= 30; done++) {
      screen.time += 1000;
      progress.doing('compiling kernels', done, 30);
    }
    expect(screen.lines).toEqual([
      'compiling kernels 10 of 30',
      'compiling kernels 20 of 30',
      'compiling kernels 30 of 30',
    ]);
  });
});

describe('progress on a terminal', () => {
  it('is one line that is written over, under remarks and warnings', async () => {
    const screen = new Screen(true);
    const progress = screen.progress();
    progress.doing('planning the training step');
    progress.note('device memory: 1 MiB');
    progress.doing('compiling kernels', 1, 3);
    screen.time += 200;
    progress.doing('compiling kernels', 2, 3);
    const log = await steps(progress, 2);
    log.fed!(0, { inputs: new Map(), skipped: 0 });
    screen.time += 200;
    log.row!(row(0));
    progress.warn(warning);
    screen.time += 200;
    log.row!(row(1));
    await log.close();
    expect(screen.lines).toEqual([
      'device memory: 1 MiB',
      'warning[Z429]: equal texts',
      'step 2/2  loss 2.0000  100 pairs/s  0:00 left  waits 0 %',
    ]);
    for (const state of [
      'planning the training step',
      'compiling kernels 1 of 3',
      'compiling kernels 2 of 3',
      'waiting for the first batch',
      'running the first step',
      'step 1/2  loss 2.0000  100 pairs/s',
    ])
      expect(screen.states).toContain(state);
  });

  it('is drawn no more than ten times a second, but for the last step', async () => {
    const screen = new Screen(true);
    const log = await steps(screen.progress(), 1000);
    for (let step = 0; step < 1000; step++) {
      screen.time += 1;
      log.row!(row(step));
    }
    await log.close();
    const drawn = new Set(screen.states.filter((state) => state.startsWith('step')));
    expect(drawn.size).toBeLessThanOrEqual(11);
    expect(screen.lines.at(-1)).toMatch(/^step 1000\/1000 /);
  });

  it('never wraps, and has a bar where there is room', async () => {
    for (const [columns, shown] of [
      [30, 'step 1/2  loss 2.0000  100 pa'],
      [120, '██████████░░░░░░░░░░  step 1/2  loss 2.0000  100 pairs/s'],
    ] as const) {
      const screen = new Screen(true, columns);
      const log = await steps(screen.progress(), 2);
      screen.time += 200;
      log.row!(row(0));
      await log.close();
      expect(screen.lines).toEqual([shown]);
    }
  });

  it('leaves the cursor on a line of its own when a run fails', () => {
    const screen = new Screen(true);
    const progress = screen.progress();
    progress.doing('planning the training step');
    progress.end();
    progress.end();
    screen.stream.write('error[Z605]');
    expect(screen.lines).toEqual(['planning the training step', 'error[Z605]']);
  });
});

describe('quiet progress', () => {
  it.each([true, false])('is warnings alone (terminal: %s)', async (isTTY) => {
    const screen = new Screen(isTTY);
    const progress = screen.progress(true);
    progress.doing('planning the training step');
    progress.note('device memory: 1 MiB');
    const log = await steps(progress, 1);
    screen.time += 20_000;
    log.row!(row(0));
    progress.warn(warning);
    await log.close();
    expect(screen.lines).toEqual(['warning[Z429]: equal texts']);
  });
});

describe('durations', () => {
  it.each([
    [0, '0:00'],
    [75, '1:15'],
    [4000, '1:06:40'],
  ])('shows %i s as %s', (seconds, text) => {
    expect(formatDuration(seconds)).toBe(text);
  });
});
