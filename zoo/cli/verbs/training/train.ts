/**
 * `zooc train`: a recipe into a run folder. The loop and its promises (exact resume,
 * signals) are `runtime/train`.
 */
import { fail } from '../../../../grammar/diagnostics.ts';
import type { Collective } from '../../../../runtime/dist/collective.ts';
import { Progress } from '../../../../runtime/train/node/progress.ts';
import type { ListeningSignal } from '../../../../runtime/train/node/signals.ts';
import type { DeviceChoice } from '../../../run/devices.ts';
import { followerStream, onRanks, startRanks } from '../../../run/ranks.ts';
import { trainFile } from '../../../run/train.ts';
import { report } from '../../failure.ts';
import { fetchedWeights, fetchStart } from '../../fetched.ts';
import { loadRecipe, parseCount, parseOverrides } from '../../models.ts';
import { note, print, printJson } from '../../output.ts';
import { type ProfileOption, startProfiling } from '../../profile-report.ts';

interface TrainOptions {
  readonly out: string;
  readonly weights?: string;
  readonly base?: string;
  readonly steps?: string;
  readonly resume?: boolean;
  readonly quiet?: boolean;
  readonly device: DeviceChoice;
  readonly tune?: boolean;
  readonly profile?: ProfileOption;
  readonly set: readonly string[];
  readonly json?: boolean;
  readonly ranks?: string;
}

export async function train(
  reference: string,
  options: TrainOptions,
  signal?: ListeningSignal,
): Promise<void> {
  if (options.ranks !== undefined) {
    const count = parseCount('--ranks', options.ranks);
    if (count > 1) {
      process.exitCode = await startRanks(count, signal);
      return;
    }
  }
  await onRanks({ note, report }, (group) => trainOn(group, reference, options, signal));
}

async function trainOn(
  group: Collective,
  reference: string,
  options: TrainOptions,
  signal?: ListeningSignal,
): Promise<void> {
  const recipe = loadRecipe(reference, options.set);
  if (options.device === 'null') {
    fail('Z703', '--device null computes nothing, so it cannot train', '--device webgpu or reference');
  }
  const { steps } = options;
  const [weights, base] = [await fetchedWeights(options.weights), await fetchedWeights(options.base)];
  if (weights === undefined) await fetchStart(recipe);
  // The others say the same as rank 0, or wait for it.
  const heard = group.rank === 0 ? {} : { stream: followerStream(group.rank) };
  const progress = new Progress({ quiet: options.quiet === true, ...heard });
  const profiling = startProfiling(options.profile);
  const result = await trainFile({
    recipe,
    out: options.out,
    device: options.device,
    tune: options.tune === true,
    ...(profiling === undefined ? {} : { profile: profiling.recorder }),
    resume: options.resume === true,
    group,
    ...(signal === undefined ? {} : { signal }),
    overrides: parseOverrides(options.set),
    ...(weights === undefined ? {} : { weights }),
    base,
    ...(steps === undefined ? {} : { steps: parseCount('--steps', steps) }),
    progress,
  });
  if (group.rank > 0) return;
  const profile = await profiling?.report();
  const seconds = result.seconds.toFixed(1);
  if (options.json === true) {
    const { steps, stopped, last, weights } = result;
    printJson({
      out: options.out,
      steps,
      stopped,
      seconds: result.seconds,
      loss: last?.loss ?? null,
      weights: weights ?? null,
      ...(profile === undefined ? {} : { profile }),
    });
  } else if (result.weights === undefined) {
    progress.note(`stopped after ${result.steps} steps (${seconds} s); --resume goes on`);
  } else {
    progress.note(`${result.steps} steps, ${seconds} s`);
    print(result.weights);
  }
}
