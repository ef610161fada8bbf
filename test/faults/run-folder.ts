/** What a run folder holds, and whether it is that of a run that nobody disturbed. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Outcome } from './command.ts';
import type { Uncut } from './laboratory.ts';
import { claim, type Trial } from './trial.ts';

/** The step of the newest checkpoint by name; undefined where none was finished. */
export function latestStep(run: string): number | undefined {
  const path = join(run, 'checkpoints', 'latest.json');
  return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')).step : undefined;
}

/** Rows of `metrics.jsonl` without what is a time. */
export function measuredRows(run: string): string[] {
  const lines = readFileSync(join(run, 'metrics.jsonl'), 'utf8').split('\n');
  return lines.filter(Boolean).map((line) => {
    const { samples_per_second: _, data_wait_ms: __, ...row } = JSON.parse(line);
    return JSON.stringify(row);
  });
}

/** Files that a run in words of its own should not leave: half-written ones, and its lock. */
export function remains(folder: string): string[] {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  return names.filter((name) => name.endsWith('.tmp') || name.endsWith('run.lock'));
}

/** A checkpoint of others, damaged checkpoints, lost rows, other settings: nothing that an honest resume meets. */
const surprises = /\[Z(612|618|619|620)\]/;

/** @throws Fault unless the run ended as the undisturbed one did, bit by bit */
export function claimUncut(trial: Trial, run: string, uncut: Uncut, { code, stderr }: Outcome): void {
  const [found, wanted] = [trial.at(run), trial.lab.path(uncut.folder)];
  claim(code === 0, `a run that nothing hinders ended with ${code}`);
  claim(!surprises.test(stderr), 'a resumed run warned');
  const weights = (folder: string) => readFileSync(join(folder, 'weights.safetensors'));
  claim(weights(found).equals(weights(wanted)), 'the weights are not those of the uncut run');
  const rows = [measuredRows(found), measuredRows(wanted)].map((list) => list.join('\n'));
  claim(rows[0] === rows[1], 'the rows are not those of the uncut run');
  const left = remains(found);
  claim(left.length === 0, `the run left ${left.join(', ')}`);
}
