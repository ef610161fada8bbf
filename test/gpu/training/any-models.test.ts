/**
 * Recipes of models of any shape (labels, numbers, views, three towers, a frozen teacher, a table of prompts), from
 * first weights to last: in chunks the losses and terms of the reference, cut or not with the same bits.
 *
 * By the text of kernels, one kind of schedules each.
 */
import { readFileSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { resolveRecipe } from '../../../compiler/model/index.ts';
import type { Recipe } from '../../../compiler/model/types.ts';
import type { MetricsRow } from '../../../runtime/train/types.ts';
import { memoryHost } from '../../errors/report.ts';
import { type AnyCase, anyCases, batchOf } from '../../support/models/any-models.ts';
import { unwrap } from '../../support/models/families.ts';
import { RecipeRuns } from '../../support/training/recipe-runs.ts';
import { discreteText, softwareText } from '../../support/wgsl/text-device.ts';

const runs = new RecipeRuns();
afterAll(() => runs.remove());

const models = readFileSync('test/fixtures/models/any.zoo', 'utf8');
const steps = 5;

function recipeOf({ model, objective, frozen }: AnyCase): Recipe {
  const settings = Object.entries(objective.arguments ?? {}).map(([name, value]) => `${name} = ${value}`);
  const text = `${models}
train "t" of "${model.name}" {
  data = tensors("none")
  objective = ${objective.name}(${settings.join(', ')})
  batch = 4
  chunk = 2
  optimizer = adamw(lr = 1e-2, weight_decay = 0.1)
  schedule = constant(warmup = 2 steps)
  ${frozen === undefined ? '' : `freeze "${frozen.source.slice(1)}.**"`}
}
`;
  return unwrap(resolveRecipe(memoryHost({ 'main.zoo': text }), 'main.zoo#t'));
}

/** What steps measured, but for times. */
const measured = (row: MetricsRow) =>
  Object.entries(row).filter(([name]) => name !== 'samples_per_second' && name !== 'data_wait_ms');

describe.each(anyCases.map((test, i) => ({ test, i })))('$test.name', ({ test, i }) => {
  const on = i % 2 === 0 ? softwareText : discreteText;
  const settings = { recipe: recipeOf(test), batchOf: (number: number) => batchOf(test, 4, number) };
  const train = (out: string, end = steps) => runs.train({ ...settings, on, out: `${i}-${out}`, end });

  it('takes the steps of the reference in chunks, and the same bits after a cut', async () => {
    await train('whole');
    await runs.train({ ...settings, out: `${i}-exact`, end: steps });
    const columns = Object.keys(runs.rows(`${i}-exact`)[0]!).filter(
      (name) => !['step', 'epoch', 'skipped', 'samples_per_second', 'data_wait_ms'].includes(name),
    );
    expect(columns).toContain('loss');
    expect(Object.keys(runs.rows(`${i}-whole`)[0]!)).toEqual(Object.keys(runs.rows(`${i}-exact`)[0]!));
    // f32's noise, which AdamW's first steps magnify where gradients are small.
    for (const column of columns)
      expect(runs.apart(`${i}-whole`, `${i}-exact`, column), column).toBeLessThan(1e-4);
    await train('cut', 2);
    await train('cut');
    expect(runs.rows(`${i}-cut`).map(measured)).toEqual(runs.rows(`${i}-whole`).map(measured));
    expect(runs.weightsOf(`${i}-cut`)).toEqual(runs.weightsOf(`${i}-whole`));
  });
});
