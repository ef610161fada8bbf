/**
 * Mixed precision against PyTorch in f32: features, logits, loss and gradients.
 *
 * A stored half is off by at most u = 2^-11 = 4.9e-4 of itself. What a feature of these models (2 to 3
 * layers) depends on passes about 20 roundings whose errors are independent: √20 u = 2.2e-3 of a tensor's
 * norm. Logits are differences of such features times up to 14: 4e-3 of their norm. Gradients pass the way
 * twice, and through the loss: 1e-2. In training mode a residual network's gradients hang on which
 * activations are above zero, where u of a sum of 500 turns some over: only their direction is judged, by the
 * cosine over all weights. PyTorch's own autocast is as far from f32.
 */
import { describe, expect, test } from 'vitest';
import { relL2 } from '../support/golden/golden.ts';
import { runGolden } from './run-golden.ts';
import type { Way } from './ways.ts';

const backward = { mode: 'train', gradients: true, precision: 'mixed' } as const;

/** @param sets golden sets by name; those that end in `_rn` are residual networks */
export function describeMixed({ name: way, on }: Way, sets: readonly string[]): void {
  const residual = sets.filter((set) => set.endsWith('_rn'));
  const transformers = sets.filter((set) => !residual.includes(set));

  describe.skipIf(!on)(`a model in mixed precision ${way}`, () => {
    test.each(sets)('%s stays near PyTorch forward', async (set) => {
      const { found, want } = await runGolden(on!, {
        set,
        mode: 'eval',
        gradients: false,
        precision: 'mixed',
      });
      for (const name of ['image_features', 'text_features'])
        expect(relL2(found.get(name)!, want(`eval.${name}`)), name).toBeLessThan(2.2e-3);
      expect(relL2(found.get('logits_per_image')!, want('eval.logits_per_image'))).toBeLessThan(4e-3);
      expect(relL2(found.get('loss')!, want('eval.loss'))).toBeLessThan(4e-3);
    });

    test.each(transformers)('%s stays near PyTorch backward', async (set) => {
      const { found, trainable, want } = await runGolden(on!, { ...backward, set });
      for (const name of trainable)
        expect(relL2(found.get(`grad.${name}`)!, want(`grad.${name}`)), name).toBeLessThan(1e-2);
    });

    test.each(residual)('%s in training mode keeps the direction of PyTorch', async (set) => {
      const { found, trainable, stride, want } = await runGolden(on!, { ...backward, set });
      expect(relL2(found.get('loss')!, want('train.loss'))).toBeLessThan(4e-3);
      let [dot, own, other] = [0, 0, 0];
      for (const weight of trainable) {
        const name = `grad.${weight}`;
        // A sampled element stands for as many as lie between two samples.
        const share = stride(name);
        for (const [i, x] of found.get(name)!.entries()) {
          const y = want(name)[i]!;
          [dot, own, other] = [dot + share * x * y, own + share * x * x, other + share * y * y];
        }
      }
      expect(dot / Math.sqrt(own * other)).toBeGreaterThan(0.99);
    });
  });
}
