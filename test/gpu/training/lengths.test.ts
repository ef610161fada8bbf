/**
 * Steps by the length of texts: losses and weights are those of steps that compute every position, in double precision and by the
 * text of kernels, whole, in chunks, on two ranks, in mixed precision; runs that are cut go on with the same bits.
 */
import { afterAll, describe, expect, it } from 'vitest';
import { resolveRecipe } from '../../../compiler/model/index.ts';
import type { Recipe } from '../../../compiler/model/types.ts';
import { sectionsAt } from '../../../compiler/plan/types.ts';
import { discreteProfile, lavapipeProfile } from '../../../compiler/profile.ts';
import type { Batch } from '../../../runtime/data/types.ts';
import { dividedAmong } from '../../../runtime/dist/share.ts';
import { planTraining, traceLoss } from '../../../runtime/train/plan.ts';
import { scheduleOf } from '../../../runtime/train/schedule.ts';
import { settingsFor } from '../../../runtime/train/supported.ts';
import { hyperAt } from '../../../runtime/train/trainer.ts';
import type { Device } from '../../../runtime/types.ts';
import { nodeHost } from '../../../zoo/host.ts';
import { unwrap } from '../../support/models/families.ts';
import { noise, weightValues } from '../../support/models/training-models.ts';
import { pairs } from '../../support/training/batches.ts';
import { ranksOn } from '../../support/training/ranks.ts';
import { RecipeRuns } from '../../support/training/recipe-runs.ts';
import { softwareText, textDevice } from '../../support/wgsl/text-device.ts';

const runs = new RecipeRuns();
afterAll(() => runs.remove());

const rows = 8;
const context = 12;
const [start, end] = [38, 39];
const lengths = { lengths: '[4, 6, 9]' };

function recipeOf(name: string, settings: Readonly<Record<string, string>> = {}): Recipe {
  const overrides = Object.entries(settings).map(([path, value]) => ({ path, value }));
  return unwrap(resolveRecipe(nodeHost(), `test/fixtures/models/lengths.zoo#${name}`, overrides));
}

/** Ends go up to the step's own longest; words stand behind them as well. */
function batchOf(step: number): Batch {
  const longest = [3, 5, 11, 6, 8, 2, 9][step % 7]!;
  const images = noise(rows * 3 * 8 * 8, step + 1);
  const tokens = Int32Array.from(noise(rows * context, step + 99), (x) => Math.floor(19 * (x + 1)));
  for (let row = 0; row < rows; row++) {
    tokens[row * context] = start;
    tokens[row * context + Math.max(1, longest - (row % 4))] = end;
  }
  return pairs(images, tokens);
}

const steps = 12;
const computed = [4, 6, 12, 9, 9, 4, 12, 4, 6, 12, 9, 9];

async function trained(name: string, recipe: Recipe, on?: Device) {
  const out = `${name} ${on?.profile.name ?? 'reference'}`;
  await runs.train({ recipe, batchOf, out, end: steps, ...(on === undefined ? {} : { on }) });
  return { out, weights: runs.weightsOf(out) };
}

/** Largest difference of two files of weights, relative to the largest weight. */
function apart(a: Buffer, b: Buffer): number {
  const numbers = (file: Buffer) => {
    const from = 8 + Number(file.readBigUInt64LE(0));
    return new Float32Array(file.buffer.slice(file.byteOffset + from, file.byteOffset + file.length));
  };
  const [x, y] = [numbers(a), numbers(b)];
  const most = x.reduce((m, v) => Math.max(m, Math.abs(v)), 0);
  return x.reduce((m, v, i) => Math.max(m, Math.abs(v - y[i]!)), 0) / most;
}

const halves = textDevice({ ...lavapipeProfile, features: [...lavapipeProfile.features, 'shader-f16'] });

describe('steps by the length of texts', () => {
  it.each([
    { name: 'all', settings: {} },
    { name: 'all', settings: { chunk: '2', ema: '0.9' } },
    { name: 'adapted', settings: {} },
  ])('$name with $settings: those of all positions in double precision', async ({ name, settings }) => {
    const own = `${name} ${Object.keys(settings).join()}`;
    const whole = await trained(own, recipeOf(name, settings));
    const cut = await trained(`${own} by length`, recipeOf(name, { ...settings, ...lengths }));
    // Sums in f64 in another order.
    for (const column of ['loss', 'grad_norm'])
      expect(runs.apart(cut.out, whole.out, column), column).toBeLessThan(1e-12);
    // Weights are written in f32.
    expect(apart(cut.weights, whole.weights)).toBeLessThan(1e-7);
  });

  // Sums of f32 in another order; AdamW divides what that leaves of small gradients by their own size. Halves of
  // activations are the same: what is before the end is computed alike.
  it.each([
    { name: 'all', settings: {}, on: softwareText, loss: 1e-6, weights: 1e-4 },
    { name: 'all', settings: { chunk: '2', ema: '0.9' }, on: softwareText, loss: 1e-6, weights: 1e-4 },
    { name: 'adapted', settings: {}, on: softwareText, loss: 1e-6, weights: 1e-6 },
    {
      name: 'all',
      settings: { precision: 'mixed(loss_scale = 256)' },
      on: halves,
      loss: 1e-6,
      weights: 1e-4,
    },
  ])(
    '$name with $settings: those of all positions as plans',
    async ({ name, settings, on, loss, weights }) => {
      const own = `${name} ${Object.keys(settings).join()}`;
      const whole = await trained(own, recipeOf(name, settings), on);
      const cut = await trained(`${own} by length`, recipeOf(name, { ...settings, ...lengths }), on);
      expect(runs.apart(cut.out, whole.out)).toBeLessThan(loss);
      expect(apart(cut.weights, whole.weights)).toBeLessThan(weights);
      expect(runs.rows(cut.out).map((row) => row.text_length)).toEqual(computed);
    },
  );

  it.each([{ on: softwareText }, { on: undefined }])(
    'goes on with the same bits: $on.profile.name',
    async ({ on }) => {
      const recipe = recipeOf('all', lengths);
      const name = `cut ${on?.profile.name}`;
      const run = { recipe, batchOf, ...(on === undefined ? {} : { on }) };
      await runs.train({ ...run, out: name, end: 5 });
      await runs.train({ ...run, out: name, end: steps });
      const { weights } = await trained('uncut', recipe, on);
      expect(runs.weightsOf(name).equals(weights)).toBe(true);
    },
  );

  it('goes on from a checkpoint of a run without them', async () => {
    const before = recipeOf('all');
    await runs.train({ recipe: before, batchOf, on: softwareText, out: 'before', end: 6 });
    await runs.train({
      recipe: recipeOf('all', lengths),
      batchOf,
      on: softwareText,
      out: 'before',
      end: steps,
    });
    const whole = await trained('without', before, softwareText);
    expect(runs.apart('before', whole.out)).toBeLessThan(1e-6);
    expect(runs.rows('before').map((row) => row.text_length)).toEqual([
      ...Array<undefined>(6),
      ...computed.slice(6),
    ]);
  });

  it.each<Record<string, string>>([{}, { chunk: '2', shard: 'optimizer' }])(
    'is the same on two ranks, whose own texts differ in length: %o',
    async (settings) => {
      const recipe = dividedAmong(recipeOf('all', { ...settings, ...lengths }), { size: 2 });
      const alone = await trained(
        `for ranks ${Object.keys(settings).join()}`,
        recipeOf('all', settings),
        softwareText,
      );
      const session = await ranksOn(
        softwareText,
        (share) => planTraining(recipe, softwareText.profile, { share }).plan,
        2,
      );
      for (const [name, values] of weightValues(recipe.model)) session.writeState(name, values);
      const { settings: updates } = settingsFor(recipe, traceLoss(recipe));
      const schedule = scheduleOf(recipe, steps, steps);
      for (const row of runs.rows(alone.out)) {
        const hyper = hyperAt({ schedule, settings: updates, gradClip: 1 }, row.step, recipe.seed);
        const { loss, textLength } = await session.step(batchOf(row.step), hyper);
        expect(Math.abs(loss / row.loss - 1)).toBeLessThan(1e-6);
        expect(textLength).toBe(computed[row.step]);
      }
      session.close();
    },
  );

  it("takes no memory but the longest texts', and is counted by them", () => {
    const profile = discreteProfile;
    const { plan: whole } = planTraining(recipeOf('all'), profile);
    const { plan } = planTraining(recipeOf('all', lengths), profile);
    expect(plan.memory).toEqual(whole.memory);
    expect(plan.flops).toBe(whole.flops);
    expect(plan.weights).toEqual(whole.weights);
    expect(plan.optimizer).toEqual(whole.optimizer);
    const flops = (length: number) =>
      sectionsAt(plan, length).reduce(
        (sum, { first, end }) => sum + plan.steps.slice(first, end).reduce((n, step) => n + step.flops, 0),
        0,
      );
    const all = [4, 6, 9, 12].map(flops);
    expect(all).toEqual([...all].sort((a, b) => a - b));
    expect(all.at(-1)).toBe(whole.flops);
  });
});
