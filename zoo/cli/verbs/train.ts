/**
 * `zooc train`: a recipe into a run folder. The loop and its promises (exact resume,
 * signals) are `runtime/train`.
 */
import { fail } from '../../../grammar/diagnostics.ts';
import { Progress } from '../../../runtime/train/node/progress.ts';
import type { ListeningSignal } from '../../../runtime/train/node/signals.ts';
import type { DeviceChoice } from '../../run/devices.ts';
import { trainFile } from '../../run/train.ts';
import { loadRecipe, parseCount, parseOverrides } from '../models.ts';
import { print, printJson } from '../output.ts';
import { type ProfileOption, startProfiling } from '../profile-report.ts';

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
}

export async function train(
  reference: string,
  options: TrainOptions,
  signal?: ListeningSignal,
): Promise<void> {
  const recipe = loadRecipe(reference, options.set);
  if (options.device === 'null') {
    fail('Z703', '--device null computes nothing, so it cannot train', '--device webgpu or reference');
  }
  const { weights, base, steps } = options;
  const progress = new Progress({ quiet: options.quiet === true });
  const profiling = startProfiling(options.profile);
  const result = await trainFile({
    recipe,
    out: options.out,
    device: options.device,
    tune: options.tune === true,
    ...(profiling === undefined ? {} : { profile: profiling.recorder }),
    resume: options.resume === true,
    ...(signal === undefined ? {} : { signal }),
    overrides: parseOverrides(options.set),
    ...(weights === undefined ? {} : { weights }),
    base,
    ...(steps === undefined ? {} : { steps: parseCount('--steps', steps) }),
    progress,
  });
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
