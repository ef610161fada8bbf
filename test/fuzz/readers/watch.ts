/**
 * Runs inputs in processes that may hang or crash: one that no longer gets on is killed, the input it was at is named,
 * and another process goes on behind it.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { inputsOf } from './mutate.ts';
import { addCounts, type Counts, noCounts, readProgress, settingUp } from './progress.ts';
import { boundsOf, type Reader } from './reader.ts';
import { shrink } from './shrink.ts';
import type { Failure, Part, Share } from './worker.ts';

export interface Outcome {
  readonly counts: ReadonlyMap<string, Counts>;
  readonly failures: readonly Failure[];
}

export interface WatchOptions {
  readonly seed: number;
  /** The module that exports `readers`. */
  readonly table: URL;
  readonly most: number;
  /** Milliseconds beyond a reader's bound after which an input counts as a hang. */
  readonly grace?: number;
  /** Inputs that are tried, each in a process, to make one that hangs or crashes small. */
  readonly probes?: number;
}

/** A heap of this many mebibytes is above what all bounds allow, and ends a process before the machine suffers. */
const engine = ['--expose-gc', '--max-old-space-size=1024', '--import', 'tsx'];
const largestInput = 2 ** 18;
const looks = 200;
/** A process starts, loads the compiler, and makes seeds. */
const startup = 20_000;

interface Ended {
  /** How the process ended, if not by itself with all done. */
  readonly how?: string;
  readonly told: Failure[];
}

function watched(
  child: ChildProcess,
  progress: string,
  parts: readonly Part[],
  allowed: (part: number) => number,
): Promise<Ended> {
  let out = '';
  let complaints = '';
  child.stdout!.on('data', (text) => {
    out += text;
  });
  child.stderr!.on('data', (text) => {
    complaints = (complaints + text).slice(-2000);
  });
  return new Promise((resolve, reject) => {
    let last = -1;
    let since = Date.now();
    let hangs = false;
    const timer = setInterval(() => {
      const { beat, part, number } = readProgress(progress, parts.length).place;
      if (beat !== last) [last, since] = [beat, Date.now()];
      else if (Date.now() - since > allowed(part) + (beat === 0 || number === settingUp ? startup : 0)) {
        hangs = true;
        child.kill('SIGKILL');
      }
    }, looks);
    child.on('error', reject);
    child.on('close', (code, signal) => {
      clearInterval(timer);
      const lines = out.split('\n').filter((line) => line !== '');
      const done = lines.at(-1) === 'done' && code === 0;
      const told = lines.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line) as Failure);
      const reason = complaints.split('\n').find((line) => /Error|FATAL|fatal/.test(line)) ?? '';
      resolve({
        told,
        ...(done ? {} : { how: hangs ? 'hangs' : `ends the process (${signal ?? code}) ${reason.trim()}` }),
      });
    });
  });
}

/** Memory, where there is such a thing: a million files are written. */
function scratchFolder(): string {
  return mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'zooc-readers-'));
}

async function runProcess(parts: readonly Part[], known: readonly Reader[], options: WatchOptions) {
  const folder = scratchFolder();
  const progress = join(folder, 'progress');
  writeFileSync(progress, '');
  const share: Share = {
    parts,
    seed: options.seed,
    most: options.most,
    table: options.table.href,
    progress,
    folder,
  };
  const file = join(folder, 'share.json');
  writeFileSync(file, JSON.stringify(share));
  const worker = fileURLToPath(new URL('./worker.ts', import.meta.url));
  const child = spawn(process.execPath, [...engine, worker, file], { stdio: ['ignore', 'pipe', 'pipe'] });
  const allowed = (part: number) =>
    boundsOf(known.find((r) => r.name === parts[part]!.reader)!).ms(largestInput) + (options.grace ?? 10_000);
  try {
    const ended = await watched(child, progress, parts, allowed);
    return { ...ended, ...readProgress(progress, parts.length) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The input that a process was at when it ended, made small unless enough of its reader are known. */
async function lastInput(
  { reader: name, input }: Part,
  number: number,
  known: readonly Reader[],
  options: WatchOptions,
  few: boolean,
): Promise<Uint8Array> {
  if (input !== undefined) return Buffer.from(input, 'base64');
  const reader = known.find((r) => r.name === name)!;
  const folder = scratchFolder();
  const bytes = inputsOf(reader, await reader.seeds(folder), options.seed)(number);
  rmSync(folder, { recursive: true });
  const dies = async (smaller: Uint8Array) => {
    const part: Part = { reader: name, first: 0, end: 1, input: Buffer.from(smaller).toString('base64') };
    return (await runProcess([part], known, options)).how !== undefined;
  };
  return few ? shrink(bytes, dies, options.probes ?? 24) : bytes;
}

/** Runs all parts, however many processes it takes. */
export async function runParts(
  wanted: readonly Part[],
  known: readonly Reader[],
  options: WatchOptions,
): Promise<Outcome> {
  const counts = new Map(wanted.map(({ reader }): [string, Counts] => [reader, noCounts()]));
  const failures: Failure[] = [];
  for (let parts = wanted; parts.length > 0; ) {
    const { how, told, place, counts: found } = await runProcess(parts, known, options);
    failures.push(...told);
    for (const [i, part] of parts.entries()) addCounts(counts.get(part.reader)!, found[i]!);
    if (how === undefined) break;
    const part = parts[place.part]!;
    if (place.beat === 0 || place.number === settingUp)
      throw new Error(`${part.reader} cannot be set up: its process ${how}`);
    const { reader } = part;
    const own = counts.get(reader)!;
    own.inputs++;
    own.failures++;
    const few = failures.filter((f) => f.reader === reader).length < options.most;
    const input = Buffer.from(await lastInput(part, place.number, known, options, few)).toString('base64');
    failures.push({ reader, number: place.number, what: how, input });
    parts = [{ ...part, first: place.number + 1 }, ...parts.slice(place.part + 1)].filter(
      ({ first, end }) => first < end,
    );
  }
  return { counts, failures };
}
