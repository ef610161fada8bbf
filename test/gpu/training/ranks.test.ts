/**
 * Ten steps of training on several ranks, by the text of kernels, against PyTorch's on one machine in f64: losses,
 * weights, and the same bits on every rank.
 */
import { describe, it } from 'vitest';
import type { Recipe } from '../../../compiler/model/types.ts';
import { dividedAmong } from '../../../runtime/dist/share.ts';
import { planTraining, traceLoss } from '../../../runtime/train/plan.ts';
import { settingsFor } from '../../../runtime/train/supported.ts';
import type { TrainSession } from '../../../runtime/train/types.ts';
import { ranksOn } from '../../support/training/ranks.ts';
import { checkSteps, stepRecipe, stepRuns } from '../../support/training/steps.ts';
import { discreteText, type Runner, softwareText } from '../../support/wgsl/text-device.ts';

/** As for one device (steps.test.ts): the order of sums differs, no more. */
const tolerances = { loss: 1e-6, moved: 1e-4, movedInProjBias: 1e-2 };

function open(on: Runner, recipe: Recipe, ranks: number): Promise<TrainSession> {
  const divided = dividedAmong(recipe, { size: ranks });
  return ranksOn(on, (share) => planTraining(divided, on.profile, { share }).plan, ranks);
}

describe('ranks', () => {
  it.each(stepRuns)('%s on two: the losses and weights of PyTorch', async (name) => {
    const recipe = stepRecipe(name);
    const session = await open(softwareText, recipe, 2);
    await checkSteps(recipe, settingsFor(recipe, traceLoss(recipe)).settings, session, tolerances);
    session.close();
  });

  it.each([
    { ranks: 4, chunk: undefined, on: softwareText },
    { ranks: 2, chunk: 1, on: softwareText },
    { ranks: 2, chunk: undefined, on: discreteText },
  ])(
    'coca on $ranks, in chunks of $chunk: the losses and weights of PyTorch',
    async ({ ranks, chunk, on }) => {
      const recipe = stepRecipe('coca', chunk);
      const session = await open(on, recipe, ranks);
      await checkSteps(recipe, settingsFor(recipe, traceLoss(recipe)).settings, session, tolerances);
      session.close();
    },
  );
});
