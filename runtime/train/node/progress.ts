/**
 * Progress on stderr: a bar on a terminal, elsewhere a line every ten seconds; loss, rate and time left.
 */
import { Presets, SingleBar } from 'cli-progress';
import type { MetricsRow } from '../types.ts';
import type { RunLog } from './log.ts';

interface Progress extends RunLog {
  row(row: MetricsRow): void;
}

const secondsBetweenLines = 10;

/** `75 s` -> `1:15`, `4000 s` -> `1:06:40`. */
export function formatDuration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const parts = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60), whole % 60];
  const shown = parts[0] === 0 ? parts.slice(1) : parts;
  return shown.map((n, i) => (i === 0 ? String(n) : String(n).padStart(2, '0'))).join(':');
}

/** Mean speed of the steps behind the first (which compiles shaders), and what it makes of the rest. */
class Pace {
  #first: { readonly at: number; readonly step: number } | undefined;
  readonly #total: number;

  constructor(total: number) {
    this.#total = total;
  }

  describe({ step, loss, samples_per_second: rate }: MetricsRow): {
    loss: string;
    rate: string;
    left: string;
  } {
    this.#first ??= { at: performance.now(), step };
    const perStep = (performance.now() - this.#first.at) / 1000 / (step - this.#first.step);
    return {
      loss: loss.toFixed(4),
      rate: `${rate.toPrecision(3)} pairs/s`,
      left: step === this.#first.step ? '-' : formatDuration(perStep * (this.#total - step - 1)),
    };
  }
}

/** @param start the first step of this process, of `total` in all */
export function showProgress(
  start: number,
  total: number,
  stream: NodeJS.WriteStream = process.stderr,
): Progress {
  const pace = new Pace(total);
  if (!stream.isTTY) {
    let printed = performance.now();
    return {
      row(row) {
        const { loss, rate, left } = pace.describe(row);
        const last = row.step + 1 === total;
        if (!last && performance.now() - printed < secondsBetweenLines * 1000) return;
        printed = performance.now();
        stream.write(`step ${row.step + 1}/${total}  loss ${loss}  ${rate}  ${left} left\n`);
      },
      async close() {},
    };
  }
  const format = ' {bar} {value}/{total}  loss {loss}  {rate}  {left} left';
  const bar = new SingleBar(
    { format, stream, hideCursor: true, clearOnComplete: false },
    Presets.shades_classic,
  );
  bar.start(total, start, { loss: '-', rate: '-', left: '-' });
  return {
    row: (row) => bar.update(row.step + 1, pace.describe(row)),
    close: async () => bar.stop(),
  };
}
