/**
 * Rows of a run as curves of a bounded number of points, whatever the number of rows: of every stretch of steps the
 * smallest and the largest value, so that no spike is lost. Rows come one at a time, nothing else is kept of them.
 */

/** Points of a curve at most. */
export const mostPoints = 2000;
/** Stretches: two points each, beside the first and the last of all. */
const mostStretches = (mostPoints - 2) / 2;

interface Point {
  readonly step: number;
  readonly value: number;
}

interface Stretch {
  readonly min: Point;
  readonly max: Point;
}

interface Column {
  readonly first: Point;
  last: Point;
  /** By the number of the stretch; it may have holes. */
  stretches: (Stretch | undefined)[];
}

/** Steps and values of one curve, as long as each other. */
export interface Curve {
  readonly steps: readonly number[];
  readonly values: readonly number[];
}

/** Sums over all rows, each of which counts once. */
export interface Totals {
  readonly rows: number;
  /** Seconds of one pair, summed over rows: of a batch of n pairs n times that. */
  readonly secondsPerPair: number;
  readonly waitMilliseconds: number;
  readonly skipped: number;
}

/** Steps that a point of a rate is the mean of: numbers of several steps often arrive together. */
const rateWindow = 8;

export type Row = Readonly<Record<string, unknown>>;

function joined(a: Stretch | undefined, b: Stretch | undefined): Stretch | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return {
    min: b.min.value < a.min.value ? b.min : a.min,
    max: b.max.value > a.max.value ? b.max : a.max,
  };
}

/** Values keep six digits. */
function short(value: number): number {
  return Number(value.toPrecision(6));
}

export class Curves {
  readonly #columns = new Map<string, Column>();
  /** Steps in a stretch. */
  #width = 1;
  #last: Row | undefined;
  /** Of the newest rows, the seconds of a pair. */
  #recent: number[] = [];
  #totals: Totals = { rows: 0, secondsPerPair: 0, waitMilliseconds: 0, skipped: 0 };

  /** Takes what is a number in a row; steps ascend. */
  add(row: Row): void {
    const { step } = row;
    if (typeof step !== 'number') return;
    const seconds = 1 / Number(row.samples_per_second);
    if (Number.isFinite(seconds)) this.#recent = [...this.#recent, seconds].slice(-rateWindow);
    while (Math.floor(step / this.#width) >= mostStretches) this.#widen();
    let wait = 0;
    for (const [name, value] of Object.entries(row)) {
      const number = Number(value);
      if (value === null || name === 'step' || !Number.isFinite(number)) continue;
      const isRate = name === 'samples_per_second' && this.#recent.length > 0;
      this.#addPoint(name, { step, value: isRate ? this.#meanRate() : number });
      if (name.endsWith('_wait_ms')) wait += number;
    }
    const { rows, secondsPerPair, waitMilliseconds, skipped } = this.#totals;
    this.#totals = {
      rows: rows + 1,
      secondsPerPair: secondsPerPair + (Number.isFinite(seconds) ? seconds : 0),
      waitMilliseconds: waitMilliseconds + wait,
      skipped: skipped + (Number(row.skipped) || 0),
    };
    this.#last = row;
  }

  get totals(): Totals {
    return this.#totals;
  }

  /** The newest row. */
  get last(): Row | undefined {
    return this.#last;
  }

  get columns(): string[] {
    return [...this.#columns.keys()];
  }

  /** At most `mostPoints` points in order; undefined where no row has such a number. */
  curve(name: string): Curve | undefined {
    const column = this.#columns.get(name);
    if (column === undefined) return undefined;
    const points = new Map<number, number>([[column.first.step, column.first.value]]);
    for (const stretch of column.stretches) {
      if (stretch === undefined) continue;
      const pair = [stretch.min, stretch.max].sort((a, b) => a.step - b.step);
      for (const { step, value } of pair) points.set(step, value);
    }
    points.set(column.last.step, column.last.value);
    return { steps: [...points.keys()], values: [...points.values()].map(short) };
  }

  #meanRate(): number {
    return this.#recent.length / this.#recent.reduce((sum, seconds) => sum + seconds, 0);
  }

  #addPoint(name: string, point: Point): void {
    let column = this.#columns.get(name);
    if (column === undefined) {
      column = { first: point, last: point, stretches: [] };
      this.#columns.set(name, column);
    }
    column.last = point;
    const at = Math.floor(point.step / this.#width);
    column.stretches[at] = joined(column.stretches[at], { min: point, max: point });
  }

  #widen(): void {
    this.#width *= 2;
    for (const column of this.#columns.values())
      column.stretches = Array.from({ length: Math.ceil(column.stretches.length / 2) }, (_, i) =>
        joined(column.stretches[2 * i], column.stretches[2 * i + 1]),
      );
  }
}
