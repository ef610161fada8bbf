/**
 * Training told to stop while pictures are being decoded: exit code 0, rows and checkpoint up to the step that it says,
 * and the same bits after `--resume`. A second signal ends it at once.
 */
import { existsSync } from 'node:fs';
import { constants } from 'node:os';
import { setTimeout as wait } from 'node:timers/promises';
import { claimUncut, latestStep, measuredRows, remains } from '../run-folder.ts';
import { claim, type Trial } from '../trial.ts';

/** Long enough for a moment to be drawn from. */
const options = ['--device', 'reference', '--set', 'schedule.total=100 steps'];

export async function stops(trial: Trial): Promise<string> {
  const { draw, lab } = trial;
  const signal = draw.pick(['SIGINT', 'SIGTERM', 'SIGHUP'] as const);
  const [early, twice] = [draw.chance(0.2), draw.chance(0.2)];
  const after = draw.unit() * (early ? 1500 : 800);
  const args = ['train', 'tiny.zoo#workers', '--out', trial.name('run'), ...options];
  const run = trial.at('run');
  const call = trial.start(args);
  if (!early) while (!call.over() && !existsSync(`${run}/metrics.jsonl`)) await wait(2);
  await wait(after);
  call.child.kill(signal);
  trial.note(`${signal} ${after.toFixed(0)} ms ${early ? 'from the start' : 'behind the first row'}`);
  if (twice) {
    // Above what counts as an echo of the first.
    await wait(300);
    call.child.kill(signal);
    trial.note('and again');
  }
  await call.ended;
  // Before a process listens, and when its work is done, a signal does what it always does.
  const deaf = !existsSync(run) || existsSync(`${run}/weights.safetensors`);
  const { code, stderr } = await trial.end(call, {
    codes: twice ? [128 + constants.signals[signal]] : [],
    signals: twice || deaf ? [signal] : [],
  });
  const stopped = /stopped after (\d+) steps/.exec(stderr)?.[1];
  if (stopped !== undefined) {
    const at = Number(stopped);
    if (at > 0)
      claim(latestStep(run) === at, `stopped after ${at} steps, the checkpoint is of ${latestStep(run)}`);
    claim(measuredRows(run).length === at, `stopped after ${at} steps with other rows`);
  }
  if (code === 0 && existsSync(run))
    claim(remains(run).length === 0, `a stopped run left ${remains(run).join(', ')}`);
  const began = existsSync(run);
  if (code === null || draw.chance(0.25)) {
    const uncut = await lab.uncut('workers', options);
    claimUncut(trial, 'run', uncut, await trial.run([...args, '--resume']));
  }
  if (code === null) return `as signals do, ${began ? 'behind' : 'before'} the work`;
  return stopped !== undefined ? 'stopped' : code === 0 ? 'done first' : 'at once, by the second';
}
