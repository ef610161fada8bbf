/**
 * Runs a reader on one input and says what is wrong: an error that is no answer in words, a promise that nobody
 * waits for, too much time, memory that the input does not account for, a descriptor left open. Hangs and ends of
 * the process are seen from outside (watch.ts).
 *
 * Time is the processor's: the machine may be busy. It, memory and descriptors also depend on what else goes on in the
 * process: what is above a bound is run again, after a collection of garbage, and counts only where that is above it
 * each time.
 */
import { readdirSync, writeFileSync } from 'node:fs';
import { setImmediate as turn } from 'node:timers/promises';
import { getHeapStatistics } from 'node:v8';
import { renderDiagnostics } from '../../../grammar/render.ts';
import { diagnosticsOf } from '../../../zoo/cli/failure.ts';
import { type Bounds, boundsOf, type Read, type Reader } from './reader.ts';

export interface Verdict {
  readonly accepted: boolean;
  /** Of the processor. */
  readonly ms: number;
  /** Bytes by which memory grew. */
  readonly grown: number;
  /** What is wrong; the same text, but for numbers, means the same mistake. */
  readonly failure?: string;
}

interface Attempt {
  readonly error?: unknown;
  readonly ms: number;
  readonly grown: number;
  /** More descriptors than before. */
  readonly left: number;
}

let stray: unknown[] = [];

/** From here on errors of promises that nobody waits for belong to the present input. */
export function watchStrays(): void {
  process.on('unhandledRejection', (error) => stray.push(error));
  process.on('uncaughtException', (error) => stray.push(error));
}

const descriptors = () => readdirSync('/proc/self/fd').length;

/** Bytes of JavaScript's heap, and of buffers beside it. */
function held(): number {
  const { used_heap_size: heap, external_memory: external } = getHeapStatistics();
  return heap + external;
}

const kibibyte = 1024;
/** The most memory that the process ever had, or since `forgetPeak`. */
const peak = () => process.resourceUsage().maxRSS * kibibyte;

/** Where the system lets nobody, growth above an earlier peak is seen once, and not again. */
function forgetPeak(): void {
  try {
    writeFileSync('/proc/self/clear_refs', '5');
  } catch {
    // A container may forbid it.
  }
}

/** How often descriptors are counted again: a stream closes its file some turns after its end. */
const patience = 200;

async function attempt(read: Read, bytes: Uint8Array): Promise<Attempt> {
  const [open, before, highest] = [descriptors(), held(), peak()];
  const began = process.cpuUsage();
  let error: unknown;
  try {
    await read(bytes);
  } catch (thrown) {
    error = thrown ?? new TypeError('nothing was thrown');
  }
  const { user, system } = process.cpuUsage(began);
  const ms = (user + system) / 1000;
  const grown = Math.max(0, held() - before, peak() - highest);
  await turn();
  let left = descriptors() - open;
  for (let i = 0; left > 0 && i < patience; i++) {
    await turn();
    left = descriptors() - open;
  }
  if (stray.length > 0) {
    error = new TypeError(`nobody waits for: ${stray[0] instanceof Error ? stray[0].stack : stray[0]}`);
    stray = [];
  }
  return { ms, grown, left, ...(error === undefined ? {} : { error }) };
}

/** What is wrong with an error; undefined for an answer. */
function mistake(error: unknown, { refuses }: Reader): string | undefined {
  if (refuses?.(error)) return undefined;
  const diagnostics = diagnosticsOf(error);
  if (diagnostics.length > 0) {
    // As the user would see it: that must not fail, too.
    renderDiagnostics(diagnostics);
    return undefined;
  }
  if (!(error instanceof Error)) return `throws ${String(error)}`;
  const [place = ''] = (error.stack ?? '').split('\n').filter((line) => /^ +at .*\/(?!node:)/.test(line));
  const { name, message } = error;
  return `throws ${name}: ${message.split('\n')[0]!.slice(0, 300)} ${place.trim()}`;
}

/** What an attempt went beyond. */
function excess({ ms, grown, left }: Attempt, bytes: Uint8Array, bounds: Bounds): string | undefined {
  if (left > 0) return 'leaves descriptors open';
  if (ms > bounds.ms(bytes.length)) return `takes too long: ${ms.toFixed(0)} ms for ${bytes.length} bytes`;
  if (grown > bounds.memory(bytes.length))
    return `takes too much memory: ${Math.round(grown / 2 ** 20)} MiB for ${bytes.length} bytes`;
  return undefined;
}

/** Buffers are freed beside JavaScript, some time after it lets go of them. */
async function collect(): Promise<void> {
  for (let i = 0; i < 3; i++) {
    globalThis.gc?.();
    await turn();
  }
}

const confirmations = 3;

/** @param beat called before each attempt, for who watches from outside */
export async function judge(
  reader: Reader,
  read: Read,
  bytes: Uint8Array,
  beat: () => void = () => {},
): Promise<Verdict> {
  const bounds = boundsOf(reader);
  beat();
  const first = await attempt(read, bytes);
  const verdict = (found: Attempt, failure: string | undefined): Verdict => ({
    accepted: first.error === undefined,
    ms: found.ms,
    grown: found.grown,
    ...(failure === undefined ? {} : { failure }),
  });
  let found: string | undefined;
  try {
    found = first.error === undefined ? undefined : mistake(first.error, reader);
  } catch (error) {
    found = `cannot be rendered: ${error}`;
  }
  if (found !== undefined) return verdict(first, found);
  let beyond = excess(first, bytes, bounds);
  if (beyond === undefined) return verdict(first, undefined);
  let least = first;
  for (let i = 0; i < confirmations; i++) {
    beat();
    await collect();
    forgetPeak();
    least = await attempt(read, bytes);
    const again = excess(least, bytes, bounds);
    if (again === undefined || keyOf(again) !== keyOf(beyond)) return verdict(least, undefined);
    beyond = again;
  }
  return verdict(least, beyond);
}

/** Failures of one kind have one key. */
export function keyOf(failure: string): string {
  return failure
    .replace(/"(\\.|[^"\\])*"/g, '""')
    .replace(/\d+/g, '0')
    .slice(0, 400);
}
