/**
 * Recipes of every family of encoders from first weights to last, with what each draws in training: in chunks
 * with `remat` the losses of the reference, in mixed precision near them, and the same bits after a cut.
 *
 * By the text of kernels; that adapters give the same is tested family by family.
 */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { resolveRecipe } from '../../../compiler/model/index.ts';
import type { Recipe } from '../../../compiler/model/types.ts';
import type { MetricsRow } from '../../../runtime/train/types.ts';
import type { Device } from '../../../runtime/types.ts';
import { memoryHost } from '../../errors/report.ts';
import { unwrap } from '../../support/models/families.ts';
import { batchValues } from '../../support/models/training-models.ts';
import { RecipeRuns } from '../../support/training/recipe-runs.ts';
import { discreteText, softwareText } from '../../support/wgsl/text-device.ts';

const runs = new RecipeRuns();
afterAll(() => runs.remove());

interface Towers {
  readonly name: string;
  readonly objective: string;
  readonly remat: string;
  readonly on: Device;
}

const cases: readonly Towers[] = [
  { name: 'eva-llama', objective: 'contrastive', remat: '"visual.blocks.*", "layers.*"', on: softwareText },
  {
    name: 'dinov2-bert',
    objective: 'contrastive',
    remat: '"visual.blocks.*", "encoder.layer.*"',
    on: discreteText,
  },
  { name: 'swin-t5', objective: 'contrastive', remat: '"visual.layers.*", "blocks.*"', on: softwareText },
  { name: 'moe', objective: 'balanced', remat: '"visual.moe", "encoder.layer.*"', on: discreteText },
];

const models = readFileSync('test/fixtures/models/towers.zoo', 'utf8');
const steps = 4;

function recipeOf({ name, objective, remat }: Towers, setting = ''): Recipe {
  const text = `${models}
train "t" of "${name}" {
  data = tensors("none")
  objective = ${objective}
  batch = 4
  chunk = 2
  optimizer = adamw(lr = 1e-3, beta1 = 0.9, beta2 = 0.98, eps = 1e-6, weight_decay = 0.2)
  schedule = constant(warmup = 2 steps)
  remat ${remat}
  seed = 5
  ${setting}
}
`;
  return unwrap(resolveRecipe(memoryHost({ 'main.zoo': text }), 'main.zoo#t'));
}

const train = (recipe: Recipe, on: Device | undefined, out: string, end = steps) =>
  runs.train({
    recipe,
    ...(on === undefined ? {} : { on }),
    batchOf: (number) => batchValues(recipe.model, recipe.batch, number),
    out,
    end,
  });

describe.each(cases)('$name', (towers) => {
  const exact = `${towers.name}-f64`;
  const single = `${towers.name}-f32`;
  const half = `${towers.name}-f16`;
  const cut = `${towers.name}-cut`;
  beforeAll(() => train(recipeOf(towers), undefined, exact));

  it('trains in chunks with remat as on the reference', async () => {
    await train(recipeOf(towers), towers.on, single);
    // About ten times f32's noise here, which four steps pass on.
    expect(runs.apart(single, exact)).toBeLessThan(5e-6);
    expect(runs.apart(single, exact, 'grad_norm')).toBeLessThan(2e-5);
  });

  it('trains in mixed precision near it, cut or not with the same bits', async () => {
    const mixed = recipeOf(towers, 'precision = mixed(loss_scale = 64)');
    await train(mixed, softwareText, half);
    // A rounding of halves (2^-11) in each layer.
    expect(runs.apart(half, exact)).toBeLessThan(1e-2);
    expect(runs.apart(half, exact, 'grad_norm')).toBeLessThan(1e-2);
    await train(mixed, softwareText, cut, 2);
    await train(mixed, softwareText, cut);
    const bits = ({ step, loss, grad_norm }: MetricsRow) => [step, loss, grad_norm];
    expect(runs.rows(cut).map(bits)).toEqual(runs.rows(half).map(bits));
    expect(runs.weightsOf(cut)).toEqual(runs.weightsOf(half));
  });
});
