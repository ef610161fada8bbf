/** Training with workers to its end: exit code 0, whatever is still being decoded. */
import { existsSync } from 'node:fs';
import { measuredRows, remains } from '../run-folder.ts';
import { claim, type Trial } from '../trial.ts';

export async function ends(trial: Trial): Promise<string> {
  const { draw } = trial;
  const count = 1 + draw.below(8);
  const device = draw.weighted([
    [3, 'reference'],
    [1, 'webgpu'],
  ]);
  const out = ['--out', trial.name('run'), '--steps', `${count}`, '--device', device];
  const { code } = await trial.run(['train', 'tiny.zoo#workers', ...out]);
  claim(code === 0, `a run to its end gave ${code}`);
  claim(existsSync(trial.at('run/weights.safetensors')), 'a run to its end has no weights');
  claim(measuredRows(trial.at('run')).length === count, 'a run to its end has other rows than steps');
  claim(remains(trial.at('run')).length === 0, 'a run to its end left something');
  return device;
}
