/**
 * One row: a fresh process, or page, per contestant, opened one after the other, then run in turns.
 *
 * A round runs every contestant once, starting with another one each time, so that a machine that gets slower
 * does so for all of them. Ratios are taken within a round.
 */
import type { ContestantName } from './contestants/contestant.ts';
import type { Adapter, Closed, Opened, Ran, Request } from './job.ts';
import { type Row, tolerance } from './rows.ts';

export interface Cell {
  readonly contestant: ContestantName;
  /** Why there are no numbers. */
  readonly problem?: string;
  /** Seconds of each round. */
  readonly seconds: readonly number[];
  /** Of the processor, in each round. */
  readonly processorSeconds?: readonly number[];
  readonly firstSeconds: number;
  readonly dispatches: number;
  readonly submits: number;
  readonly deviceBytes: number;
  readonly residentBytes: number;
  readonly peakResidentBytes: number;
  /** Largest difference from zooc's results over their largest value; absent for zooc and without it. */
  readonly difference?: number;
}

/** A contestant's process or page from outside. */
export interface Contender {
  /** @throws Error that says in words what went wrong */
  ask<T>(request: Request): Promise<T>;
  end(): void;
}

export interface MeasureOptions {
  readonly contender: () => Contender;
  readonly contestants: readonly ContestantName[];
  readonly rounds: number;
  readonly adapter: Adapter;
  readonly note: (text: string) => void;
}

/** What is known of a contestant while its row runs. */
interface Entry {
  readonly name: ContestantName;
  readonly contender: Contender;
  readonly rounds: Ran[];
  readonly results: Float32Array[];
  firstSeconds: number;
  problem?: string;
  closed?: Closed;
}

async function attempt(entry: Entry, what: () => Promise<void>): Promise<void> {
  if (entry.problem !== undefined) return;
  try {
    await what();
  } catch (error) {
    entry.problem = (error as Error).message;
    entry.contender.end();
  }
}

async function open(row: Row, name: ContestantName, options: MeasureOptions): Promise<Entry> {
  const entry: Entry = {
    name,
    contender: options.contender(),
    rounds: [],
    results: [],
    firstSeconds: 0,
  };
  await attempt(entry, async () => {
    const opened = await entry.contender.ask<Opened>({
      kind: 'open',
      contestant: name,
      row: row.name,
      adapter: options.adapter,
    });
    if (opened.refused !== undefined) throw new Error(opened.refused);
    entry.firstSeconds = opened.firstSeconds;
    entry.results.push(opened.result);
  });
  const outcome = entry.problem ?? `first result after ${entry.firstSeconds.toFixed(1)} s`;
  options.note(`  ${name}: ${outcome}`);
  return entry;
}

/** Largest difference over the largest value. */
function differenceOf(found: Float32Array, wanted: Float32Array): number {
  if (found.length !== wanted.length) return Number.POSITIVE_INFINITY;
  let [difference, largest] = [0, 0];
  for (let i = 0; i < wanted.length; i++) {
    // A comparison with NaN is false, so NaN is told apart first.
    if (!Number.isFinite(found[i]!)) return Number.POSITIVE_INFINITY;
    difference = Math.max(difference, Math.abs(found[i]! - wanted[i]!));
    largest = Math.max(largest, Math.abs(wanted[i]!));
  }
  return difference / largest;
}

/** The worst over all calls; in training each call's loss depends on the update before it. */
function worstDifference(entry: Entry, reference: Entry): number {
  const count = Math.min(entry.results.length, reference.results.length);
  const differences = Array.from({ length: count }, (_, i) =>
    differenceOf(entry.results[i]!, reference.results[i]!),
  );
  return Math.max(...differences);
}

function cellOf(entry: Entry, reference: Entry | undefined): Cell {
  const last = entry.rounds.at(-1);
  const processor = entry.rounds.flatMap((r) => r.processorSeconds ?? []);
  const compared = reference !== undefined && reference !== entry && reference.problem === undefined;
  return {
    contestant: entry.name,
    ...(entry.problem === undefined ? {} : { problem: entry.problem }),
    seconds: entry.rounds.map((r) => r.seconds),
    ...(processor.length === 0 ? {} : { processorSeconds: processor }),
    firstSeconds: entry.firstSeconds,
    dispatches: last?.dispatches ?? 0,
    submits: last?.submits ?? 0,
    deviceBytes: entry.closed?.deviceBytes ?? 0,
    residentBytes: entry.closed?.residentBytes ?? 0,
    peakResidentBytes: entry.closed?.peakResidentBytes ?? 0,
    ...(compared && entry.problem === undefined ? { difference: worstDifference(entry, reference) } : {}),
  };
}

export function isWrong({ difference }: Cell): boolean {
  return difference !== undefined && !(difference <= tolerance);
}

export async function measureRow(row: Row, options: MeasureOptions): Promise<Cell[]> {
  options.note(`${row.name} ...`);
  const entries: Entry[] = [];
  for (const name of options.contestants) entries.push(await open(row, name, options));
  for (let round = 0; round < options.rounds; round++) {
    for (let turn = 0; turn < entries.length; turn++) {
      const entry = entries[(round + turn) % entries.length]!;
      await attempt(entry, async () => {
        const ran = await entry.contender.ask<Ran>({ kind: 'run' });
        entry.rounds.push(ran);
        entry.results.push(ran.result);
      });
    }
  }
  for (const entry of entries) {
    await attempt(entry, async () => {
      entry.closed = await entry.contender.ask<Closed>({ kind: 'close' });
    });
    entry.contender.end();
  }
  const reference = entries.find((e) => e.name === 'zooc');
  return entries.map((entry) => cellOf(entry, reference));
}
