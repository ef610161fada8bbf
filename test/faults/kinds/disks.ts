/**
 * A disk that is full, has become read-only, or loses the run's folder: it ends in words, the last checkpoint is whole, and
 * with room again the run goes on to the same bits. What other verbs write is there whole or not at all.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import { words } from '../command.ts';
import { recipes } from '../laboratory.ts';
import { claimUncut, latestStep, remains } from '../run-folder.ts';
import { claim, type Trial } from '../trial.ts';
import { canMount, SmallDisk } from './small-disk.ts';

const options = ['--device', 'reference'];
const train = (trial: Trial, out: string) =>
  words(`train tiny.zoo#workers --out ${trial.name(out)} --device reference`);
const uncutOf = (trial: Trial) => trial.lab.uncut('workers', options);

/** What is said of a full disk, and of a file above the limit. */
const full = /no space left on the device|the file would be too large/;

/** Runs `body` with a folder `disk` of little room; `grow` gives it enough. */
async function withLittleRoom(
  trial: Trial,
  most: { readonly disk: number; readonly file: number },
  body: (fileLimit: number | undefined, grow: () => void) => Promise<string>,
): Promise<string> {
  const { draw } = trial;
  if (!canMount() || draw.chance(0.3)) {
    mkdirSync(trial.at('disk'));
    return `file limit, ${await body(1 + draw.below(most.file), () => {})}`;
  }
  const kib = 4 + draw.below(most.disk);
  trial.note(`disk of ${kib} KiB`);
  const disk = new SmallDisk(trial.at('disk'), kib);
  try {
    return `disk, ${await body(undefined, () => disk.grow())}`;
  } finally {
    disk.remove();
  }
}

function fullRun(trial: Trial): Promise<string> {
  // A run takes 2,100 KiB, its largest file 600.
  return withLittleRoom(trial, { disk: 2600, file: 700 }, async (fileLimit, grow) => {
    const uncut = await uncutOf(trial);
    const args = train(trial, 'disk/run');
    const first = await trial.run(args, { fileLimit });
    if (first.code === 0) {
      claimUncut(trial, 'disk/run', uncut, first);
      return 'trained, with room enough';
    }
    claim(full.test(first.stderr), 'a full disk is not named');
    const run = trial.at('disk/run');
    if (existsSync(run)) claim(remains(run).length === 0, `a full disk left ${remains(run).join(', ')}`);
    const step = latestStep(run);
    grow();
    const second = await trial.run([...args, '--resume']);
    claimUncut(trial, 'disk/run', uncut, second);
    const resumed = /resuming at step (\d+)/.exec(second.stderr)?.[1];
    claim(resumed === step?.toString(), `resumed at ${resumed}, the last checkpoint was of ${step}`);
    return step === undefined ? 'no room for a checkpoint' : 'resumed';
  });
}

/** What writes, by verb. */
const writers: Readonly<Record<string, (run: string, out: string) => string[]>> = {
  ...Object.fromEntries(
    ['zoo', 'open_clip', 'hf'].map((format) => [
      `export ${format}`,
      (run: string, out: string) =>
        words(`export ${run} --model tiny.zoo#tiny --format ${format} --out ${out}`),
    ]),
  ),
  run: (run, out) =>
    words(
      `run tiny.zoo#tiny --weights ${run} --entry loss --grad --inputs hash --batch 2 --out ${out} --device reference`,
    ),
  embed: (run, out) =>
    words(`embed tiny.zoo#tiny --weights ${run} --texts a --out ${out}.npy --device reference`),
  compile: (_, out) => words(`compile tiny.zoo#tiny --entry logits --batch 2 --out ${out}`),
  blend: (run, out) => words(`blend ${run} ${run} --alpha 0.5 --out ${out}`),
};

function fullOutput(trial: Trial): Promise<string> {
  return withLittleRoom(trial, { disk: 260, file: 230 }, async (fileLimit) => {
    const { folder } = await uncutOf(trial);
    const verb = trial.draw.pick(Object.keys(writers));
    const { code, stderr } = await trial.run(writers[verb]!(folder, trial.name('disk/out')), { fileLimit });
    const there = readdirSync(trial.at('disk'));
    if (code === 0) {
      claim(there.length === 1, `success left ${there.join(', ')}`);
      return `${verb}, with room enough`;
    }
    claim(full.test(stderr), 'a full disk is not named');
    claim(there.length === 0, `a full disk left ${there.join(', ')}`);
    return `${verb}, refused`;
  });
}

/** A file that is rewritten in its place is the old one where there is no room for the new one. */
function fullPlace(trial: Trial): Promise<string> {
  return withLittleRoom(trial, { disk: 24, file: 24 }, async (fileLimit) => {
    const path = trial.at('disk/program.zoo');
    const text = readFileSync(trial.lab.path('tiny.zoo'), 'utf8');
    try {
      writeFileSync(path, text);
    } catch {
      return 'too small for the program';
    }
    const { code, stderr } = await trial.run(['fmt', trial.name('disk/program.zoo')], { fileLimit });
    const [there, now] = [readdirSync(trial.at('disk')), readFileSync(path, 'utf8')];
    claim(there.length === 1, `fmt left ${there.join(', ')}`);
    if (code === 0) return 'fmt, with room enough';
    claim(full.test(stderr), 'a full disk is not named');
    claim(now === text, 'fmt has changed a program that it could not write');
    return 'fmt, refused';
  });
}

/** A run whose disk has become read-only since. */
async function readOnly(trial: Trial): Promise<string> {
  if (!canMount()) return 'read-only, not here: nothing can be mounted';
  const uncut = await uncutOf(trial);
  const disk = new SmallDisk(trial.at('disk'), 16384);
  try {
    const args = train(trial, 'disk/run');
    const begun = await trial.run([...args, '--steps', `${1 + trial.draw.below(30)}`]);
    claim(begun.code === 0, 'the run does not begin');
    disk.setReadOnly(true);
    trial.note('the disk is read-only');
    const refused = await trial.run([...args, '--resume']);
    claim(
      refused.code === 1 && /the file system is read-only/.test(refused.stderr),
      'a read-only disk is not named',
    );
    disk.setReadOnly(false);
    claimUncut(trial, 'disk/run', uncut, await trial.run([...args, '--resume']));
    return 'read-only';
  } finally {
    disk.remove();
  }
}

/** The folder of a run goes, to another place or for good, while it trains. */
async function gone(trial: Trial): Promise<string> {
  const { draw, lab } = trial;
  const removed = draw.chance(0.3);
  const recipe = draw.pick(recipes);
  const uncut = await lab.uncut(recipe, []);
  const args = (out: string) => ['train', `tiny.zoo#${recipe}`, '--out', trial.name(out)];
  const call = trial.start(args('run'));
  while (!call.over() && !existsSync(trial.at('run/metrics.jsonl'))) await wait(2);
  const after = draw.unit() * 1000;
  await wait(after);
  if (removed) rmSync(trial.at('run'), { recursive: true, force: true, maxRetries: 10, retryDelay: 1 });
  else renameSync(trial.at('run'), trial.at('moved'));
  trial.note(`${removed ? 'removed' : 'moved'} ${after.toFixed(0)} ms behind the first row`);
  const { code } = await trial.end(call);
  claim(!existsSync(trial.at('run')), 'a folder that is gone was made again');
  const place = removed ? 'run' : 'moved';
  const again = removed ? args(place) : [...args(place), '--resume'];
  claimUncut(trial, place, uncut, await trial.run(again));
  return `${removed ? 'removed' : 'moved'} ${code === 0 ? 'behind the end' : 'in mid-run'}`;
}

export function disks(trial: Trial): Promise<string> {
  const kind = trial.draw.weighted([
    [4, fullRun],
    [4, fullOutput],
    [1, fullPlace],
    [1, readOnly],
    [2, gone],
  ] as const);
  return kind(trial);
}
