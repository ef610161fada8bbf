/**
 * Training killed at a random moment, once or twice, then resumed: weights and rows have to be those of an uncut run.
 *
 * Most moments of a short run fall before its first checkpoint, so every other case waits for that one.
 */
import { existsSync, rmSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import { recipes, type Uncut } from '../laboratory.ts';
import { claimUncut, latestStep } from '../run-folder.ts';
import { claim, type Trial } from '../trial.ts';

/** Kills a call after a share of the milliseconds that a whole run takes; whether it was still running. */
async function killed(
  trial: Trial,
  args: readonly string[],
  behind: boolean,
  after: number,
): Promise<boolean> {
  const call = trial.start(args);
  if (behind) while (!call.over() && latestStep(trial.at('run')) === undefined) await wait(2);
  await Promise.race([wait(after), call.ended]);
  call.child.kill('SIGKILL');
  const { signal } = await trial.end(call);
  trial.note(`killed ${after.toFixed(0)} ms ${behind ? 'behind the first checkpoint' : 'from the start'}`);
  return signal === 'SIGKILL';
}

/** How far the run had come, for the count. */
function stood(run: string): string {
  if (!existsSync(run)) return 'before the folder';
  return latestStep(run) === undefined ? 'before the first checkpoint' : 'behind a checkpoint';
}

function moments({ milliseconds }: Uncut, behind: boolean): number {
  // Half of a short run is its start.
  return behind ? milliseconds / 2 : milliseconds;
}

export async function kills(trial: Trial): Promise<string> {
  const { draw, lab, number } = trial;
  const recipe = draw.pick(recipes);
  const behind = number % 2 === 1;
  const uncut = await lab.uncut(recipe, []);
  const args = ['train', `tiny.zoo#${recipe}`, '--out', trial.name('run')];
  let after = draw.unit() * moments(uncut, behind);
  const again = draw.chance(0.25) ? draw.unit() * moments(uncut, false) : undefined;
  while (!(await killed(trial, args, behind, after))) {
    claim(after > 1, 'a run ends before it can be killed');
    rmSync(trial.at('run'), { recursive: true });
    after *= 0.7;
  }
  const place = stood(trial.at('run'));
  const resume = [...args, '--resume'];
  if (again !== undefined) await killed(trial, resume, false, again);
  claimUncut(trial, 'run', uncut, await trial.run(resume));
  return `${recipe}, ${place}${again === undefined ? '' : ', and again'}`;
}
