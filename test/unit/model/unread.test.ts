/**
 * Trainable weights that the loss does not read have a gradient of zero, and training leaves every bit of
 * them.
 */
import { describe, expect, it } from 'vitest';
import { reachedNames } from '../../../compiler/autodiff/differentiate.ts';
import { createBuilder } from '../../../compiler/graph/create-builder.ts';
import { Expressions } from '../../../compiler/ops/expressions.ts';
import { discreteProfile } from '../../../compiler/profile.ts';
import { planTraining, traceLoss } from '../../../runtime/train/plan.ts';
import { settingsFor, unreadWarning } from '../../../runtime/train/supported.ts';
import { compileEntry, compileTrainingStep, openEntry } from '../../../zoo/run/entry.ts';
import { openWeights } from '../../../zoo/weights/weights.ts';
import { batchValues } from '../../support/models/training-models.ts';
import { trainUnread, unreadNames, unreadRecipe } from '../../support/training/unread.ts';

describe('weights that the loss does not read', () => {
  it.each([{}, { chunk: 2 }])('stay as they are on the reference: %o', async (changes) => {
    const { before, after, notes } = await trainUnread('reference', changes);
    for (const name of unreadNames) expect(after.get(name), name).toEqual(before.get(name));
    expect(after.get('visual.proj')).not.toEqual(before.get('visual.proj'));
    const warnings = notes.filter((text) => text.includes('Z616'));
    expect(warnings).toHaveLength(1);
    for (const name of unreadNames) expect(warnings[0]).toContain(name);
  });

  it('have no place in plans of training, nor a clamp', () => {
    for (const recipe of [
      unreadRecipe(),
      unreadRecipe({ chunk: 2 }),
      unreadRecipe({ precision: { kind: 'mixed', lossScale: 'dynamic' } }),
      unreadRecipe({ objective: { name: 'contrastive' }, freeze: ['logit_scale'] }),
    ]) {
      const { plan, unread } = planTraining(recipe, { ...discreteProfile, features: ['shader-f16'] });
      const frozen = recipe.freeze.length > 0;
      expect(unread).toEqual(frozen ? ['spare', 'other'] : unreadNames);
      expect(plan.weights.filter((w) => unreadNames.includes(w.name) && !frozen)).toEqual([]);
      const update = plan.pipelines.filter((p) => p.label.startsWith('adamw'));
      expect(update.map((p) => p.wgsl.includes('clamp('))).toEqual([false]);
    }
    const { model } = unreadRecipe();
    expect(compileTrainingStep(model, 2, discreteProfile).weights.map((w) => w.name)).not.toContain('spare');
  });

  it('have gradients of zeros on the reference', async () => {
    const { model } = unreadRecipe();
    const weights = await openWeights(model, 'init:3');
    const request = { entry: 'loss', batch: 2, mode: 'train', gradients: true } as const;
    const entry = await openEntry(
      { kind: 'reference', name: 'reference', close: () => {} },
      model,
      weights,
      request,
    );
    expect(entry.unread).toEqual(['spare', 'other']);
    const results = await entry.run(new Map(Object.entries(batchesOf(2))));
    expect(results.get('grad.spare')).toEqual({ shape: [4, 4], data: new Float32Array(16) });
    expect(results.get('grad.logit_scale')!.data[0]).not.toBe(0);
    const plan = compileEntry(model, request, discreteProfile);
    expect(plan.outputs.find((o) => o.name === 'grad.other')!.shape).toEqual([4, 4]);
  });

  it('are told from weights that no gradient reaches, and from all others', () => {
    const b = createBuilder();
    const e = new Expressions(b);
    const weight = (name: string) => b.add('param', [], { name, shape: [3], role: 'param' });
    const [read, stepped] = [weight('read'), e.unary('step', weight('stepped'))];
    const graph = b.finish([{ name: 'loss', node: e.sum(e.mul(read, stepped), [0]) }]);
    expect([...reachedNames(graph, 'loss', ['read', 'stepped', 'absent'])]).toEqual(['read']);
  });

  it('are an error where nothing else is trained', () => {
    const { model } = unreadRecipe();
    const params = model.weights.filter((w) => w.kind === 'param' && !unreadNames.includes(w.name));
    const recipe = unreadRecipe({ freeze: params.map((w) => w.name) });
    expect(() => settingsFor(recipe, traceLoss(recipe))).toThrow(/Z608.*no weight that its loss reads/);
  });

  it('are listed in one warning, at most 40 of them', () => {
    const [warning, ...others] = unreadWarning(
      'm',
      Array.from({ length: 50 }, (_, i) => `w${i}`),
    );
    expect(others).toEqual([]);
    expect(warning!.notes!.at(-1)).toBe('10 more');
    expect(unreadWarning('m', [])).toEqual([]);
  });
});

function batchesOf(pairs: number) {
  const { inputs } = batchValues(unreadRecipe().model, pairs);
  const images = inputs.get('images') as Float32Array;
  const tokens = inputs.get('tokens') as Int32Array;
  return { images, tokens };
}
