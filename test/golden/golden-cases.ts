/**
 * Features, logits, loss and every gradient against PyTorch, at the tolerances that are asked of a float32
 * device (20 to 50 times the noise between PyTorch's f32 and f64).
 */
import { describe, expect, test } from 'vitest';
import { relL2, relMax } from '../support/golden/golden.ts';
import { goldenTolerances } from './golden-tolerances.ts';
import { gradientsAtSides } from './relu-sides.ts';
import { runGolden } from './run-golden.ts';
import type { Way } from './ways.ts';

/** Its gradient is zero in exact arithmetic: a key bias shifts every score of a query alike. */
const keyBias = 'visual.attnpool.k_proj.bias';

/** @param sets golden sets by name; those that end in `_rn` are residual networks */
export function describeGolden({ name: way, on }: Way, sets: readonly string[]): void {
  const residual = (set: string) => set.endsWith('_rn');

  describe.skipIf(!on)(`a compiled model ${way}`, () => {
    test.each(sets)('%s meets PyTorch forward', async (set) => {
      const { found, want } = await runGolden(on!, { set, mode: 'eval', gradients: false });
      const { features, loss } = goldenTolerances(set);
      for (const name of ['image_features', 'text_features', 'logits_per_image']) {
        expect(relMax(found.get(name)!, want(`eval.${name}`)), name).toBeLessThan(features);
      }
      expect(relMax(found.get('loss')!, want('eval.loss'))).toBeLessThan(loss);
    });

    test.each(sets)('%s meets PyTorch backward, in training mode', async (set) => {
      const { found, trainable, want } = await runGolden(on!, { set, mode: 'train', gradients: true });
      expect(relMax(found.get('loss')!, want('train.loss'))).toBeLessThan(residual(set) ? 5e-5 : 1e-5);
      expect(relMax(found.get('logits_per_image')!, want('train.logits_per_image'))).toBeLessThan(1e-4);
      const tolerance = goldenTolerances(set).gradients;
      // A relu may be on the other side of zero by rounding; then right is what follows from that side.
      const far = (name: string) => relL2(found.get(name)!, want(name)) >= tolerance;
      const isFar = residual(set) && trainable.some((name) => name !== keyBias && far(`grad.${name}`));
      const right = isFar ? await gradientsAtSides(on!, set) : want;
      for (const name of trainable) {
        const gradient = found.get(`grad.${name}`)!;
        if (name === keyBias) {
          expect(Math.max(...gradient.map(Math.abs))).toBeLessThan(1e-6);
          continue;
        }
        expect(relL2(gradient, right(`grad.${name}`)), name).toBeLessThan(tolerance);
        const norm = found.get(`grad_norm.${name}`);
        if (norm) expect(relL2(norm, right(`grad_norm.${name}`)), name).toBeLessThan(tolerance);
      }
      const moved = [...found.keys()].filter((name) => name.startsWith('buffer.'));
      expect(moved.length).toBe(residual(set) ? 38 : 0);
      for (const name of moved)
        expect(relMax(found.get(name)!, want(name.replace('buffer.', 'stats.'))), name).toBeLessThan(1e-5);
    });
  });
}
