/**
 * Ten steps of training by objectives of the library as plans, against PyTorch's in f64: on the adapter at hand, with
 * the schedules for GPUs, and in chunks.
 */
import { describe, it } from 'vitest';
import { planTraining, traceLoss } from '../../../runtime/train/plan.ts';
import { DeviceTrainSession } from '../../../runtime/train/session.ts';
import { settingsFor } from '../../../runtime/train/supported.ts';
import { checkSteps, stepRecipe, stepRuns } from '../../support/training/steps.ts';
import { discreteText, type Runner, softwareText } from '../../support/wgsl/text-device.ts';
import { deviceForTests } from '../support/device.ts';

const device = deviceForTests();

describe.each<{ name: string; on: () => Runner; chunk?: number }>([
  { name: 'the adapter', on: device },
  { name: 'schedules for GPUs, by the text of kernels', on: () => discreteText },
  { name: 'chunks of 2, by the text of kernels', on: () => softwareText, chunk: 2 },
])('$name', ({ on, chunk }) => {
  it.each(stepRuns)('%s: the losses and weights of PyTorch', async (name) => {
    const recipe = stepRecipe(name, chunk);
    const { settings } = settingsFor(recipe, traceLoss(recipe));
    const { plan } = planTraining(recipe, on().profile);
    const session = new DeviceTrainSession(await on().open(plan));
    // Losses: roundings of f32. Weights: AdamW divides a gradient by its own size, so the noise of small elements, 1e-4 of
    // them, is as much of their steps; where the gradient is zero it is 1e-8, a hundredth of a step over the epsilon.
    await checkSteps(recipe, settings, session, { loss: 1e-6, moved: 1e-4, movedInProjBias: 1e-2 });
    session.close();
  });
});
