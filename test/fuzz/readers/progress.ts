/**
 * Where a process of the fuzzer is, in a file that outlives it: a hang or a crash is known by its number, and what
 * was counted before is kept.
 */
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';

export interface Counts {
  inputs: number;
  accepted: number;
  /** Milliseconds, all together. */
  ms: number;
  worstMs: number;
  /** Number of the input that took them. */
  slowest: number;
  worstGrown: number;
  /** Number of the input that grew by them. */
  largest: number;
  failures: number;
}

/** The number of the input while a reader is being set up. */
export const settingUp = -1;

const fields = [
  'inputs',
  'accepted',
  'ms',
  'worstMs',
  'slowest',
  'worstGrown',
  'largest',
  'failures',
] as const;

export function noCounts(): Counts {
  return { inputs: 0, accepted: 0, ms: 0, worstMs: 0, slowest: 0, worstGrown: 0, largest: 0, failures: 0 };
}

export interface Place {
  /** Goes up with every attempt. */
  readonly beat: number;
  /** Which of the readers, and which input. */
  readonly part: number;
  readonly number: number;
}

const headBytes = 3 * 8;
const partBytes = fields.length * 8;

export class ProgressWriter {
  readonly #file: number;
  readonly #head = new Float64Array(3);

  constructor(path: string) {
    this.#file = openSync(path, 'r+');
  }

  beat(part: number, number: number): void {
    this.#head.set([this.#head[0]! + 1, part, number]);
    writeSync(this.#file, this.#head, 0, headBytes, 0);
  }

  counts(part: number, counts: Counts): void {
    const values = Float64Array.from(fields, (field) => counts[field]);
    writeSync(this.#file, values, 0, partBytes, headBytes + part * partBytes);
  }

  close(): void {
    closeSync(this.#file);
  }
}

export function readProgress(path: string, parts: number): { place: Place; counts: Counts[] } {
  const bytes = new Uint8Array(headBytes + parts * partBytes);
  bytes.set(readFileSync(path).subarray(0, bytes.length));
  const values = new Float64Array(bytes.buffer);
  const [beat = 0, part = 0, number = 0] = values;
  const counts = Array.from({ length: parts }, (_, i): Counts => {
    const own = values.subarray(3 + i * fields.length);
    return Object.fromEntries(fields.map((field, f) => [field, own[f]!])) as unknown as Counts;
  });
  return { place: { beat, part, number }, counts };
}

/** Of two runs of the same reader. */
export function addCounts(to: Counts, more: Counts): void {
  if (more.worstMs > to.worstMs) [to.worstMs, to.slowest] = [more.worstMs, more.slowest];
  if (more.worstGrown > to.worstGrown) [to.worstGrown, to.largest] = [more.worstGrown, more.largest];
  for (const field of ['inputs', 'accepted', 'ms', 'failures'] as const) to[field] += more[field];
}
