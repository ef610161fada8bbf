/**
 * A process of the fuzzer of readers, started by watch.ts: its parts one after the other, each failure as one line of
 * JSON, with the input made small.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { judge, keyOf, watchStrays } from './judge.ts';
import { inputsOf } from './mutate.ts';
import { noCounts, ProgressWriter, settingUp } from './progress.ts';
import type { Read, Reader } from './reader.ts';
import { shrink } from './shrink.ts';

/** Inputs `first` to `end - 1` of a reader, or the one given. */
export interface Part {
  readonly reader: string;
  readonly first: number;
  readonly end: number;
  /** In base64. */
  readonly input?: string;
}

export interface Share {
  readonly parts: readonly Part[];
  readonly seed: number;
  /** Different failures of a reader to be made small and told. */
  readonly most: number;
  /** The module that exports `readers`. */
  readonly table: string;
  /** The file that ProgressWriter writes. */
  readonly progress: string;
  /** Where inputs lie. */
  readonly folder: string;
}

export interface Failure {
  readonly reader: string;
  readonly number: number;
  readonly what: string;
  /** In base64. */
  readonly input: string;
}

const share = JSON.parse(readFileSync(process.argv[2]!, 'utf8')) as Share;
const { readers } = (await import(share.table)) as { readers: readonly Reader[] };
const progress = new ProgressWriter(share.progress);
watchStrays();

/** Seeds that are run before. */
const warming = 20;

/** Runs the first seeds once, so that what is loaded or made at the first use belongs to no input. */
async function warmUp(reader: Reader, folder: string, seeds: readonly Uint8Array[]): Promise<Read> {
  const read = await reader.open(folder);
  for (const seed of seeds.slice(0, warming))
    try {
      await read(seed);
    } catch {
      // Judged as the first inputs.
    }
  return read;
}

async function runPart({ reader: name, first, end, input }: Part, index: number): Promise<void> {
  const reader = readers.find((r) => r.name === name)!;
  progress.beat(index, settingUp);
  const folder = mkdtempSync(join(share.folder, 'reader-'));
  const seeds = await reader.seeds(mkdtempSync(join(share.folder, 'seeds-')));
  const read = await warmUp(reader, folder, seeds);
  const make = input === undefined ? inputsOf(reader, seeds, share.seed) : () => Buffer.from(input, 'base64');
  const counts = noCounts();
  const known = new Set<string>();
  for (let n = first; n < end; n++) {
    const beat = () => progress.beat(index, n);
    const bytes = make(n);
    const { accepted, ms, grown, failure } = await judge(reader, read, bytes, beat);
    counts.inputs++;
    counts.ms += ms;
    if (accepted) counts.accepted++;
    if (ms > counts.worstMs) [counts.worstMs, counts.slowest] = [ms, n];
    if (grown > counts.worstGrown) [counts.worstGrown, counts.largest] = [grown, n];
    if (failure !== undefined) {
      counts.failures++;
      const key = keyOf(failure);
      if (known.size < share.most && !known.has(key)) {
        known.add(key);
        const fails = async (smaller: Uint8Array) => {
          const { failure: found } = await judge(reader, read, smaller, beat);
          return found !== undefined && keyOf(found) === key;
        };
        const small = input === undefined ? await shrink(bytes, fails) : bytes;
        const what = (await judge(reader, read, small, beat)).failure ?? failure;
        const told: Failure = { reader: name, number: n, what, input: Buffer.from(small).toString('base64') };
        process.stdout.write(`${JSON.stringify(told)}\n`);
      }
    }
    progress.counts(index, counts);
  }
  rmSync(folder, { recursive: true });
}

try {
  for (const [index, part] of share.parts.entries()) await runPart(part, index);
} catch (error) {
  // Nobody else would say so: what nobody catches belongs to an input.
  console.error(error);
  process.exit(1);
}
process.stdout.write('done\n', () => process.exit(0));
