/** Ten steps of training by objectives of the library on the reference, against PyTorch's in f64. */
import { describe, expect, it } from 'vitest';
import { wholeBatch } from '../../runtime/reference/computation.ts';
import { ReferenceTrainSession } from '../../runtime/reference/session.ts';
import { traceLoss } from '../../runtime/train/plan.ts';
import { settingsFor } from '../../runtime/train/supported.ts';
import { checkSteps, stepRecipe, stepRuns } from '../support/training/steps.ts';

describe('training in f64', () => {
  it.each(stepRuns)('%s: the losses and weights of PyTorch', async (name) => {
    const recipe = stepRecipe(name);
    const graph = traceLoss(recipe);
    const { settings } = settingsFor(recipe, graph);
    const { weights } = recipe.model;
    const trained = weights.filter((w) => settings.trainable.includes(w.name));
    const session = new ReferenceTrainSession(wholeBatch(graph, trained), weights, settings);
    expect(trained.length).toBeGreaterThan(3);
    // f64's roundings; noise of 1e-17 in a gradient of zero is 1e-11 of a step over AdamW's epsilon.
    await checkSteps(recipe, settings, session, { loss: 1e-14, moved: 1e-13, movedInProjBias: 1e-10 });
  });
});
