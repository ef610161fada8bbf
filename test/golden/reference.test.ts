/**
 * The f64 reference against PyTorch: features, logits, loss and every gradient of the tiny models.
 *
 * The golden run is f32, so what is allowed here is its own noise (golden README: 1e-6 relative for ViTs, 3e-6 for
 * gradients and for batch statistics) with a factor of about 3, some thirty times tighter than what a GPU is asked for.
 */
import { describe, expect, test } from 'vitest';
import { differentiate } from '../../compiler/autodiff/differentiate.ts';
import { executeReference } from '../../compiler/graph/reference.ts';
import { verify } from '../../compiler/graph/verify.ts';
import { type ClipConfig, clipLossGraph } from '../support/clip-graph.ts';
import { type GoldenFile, goldenPath, readGolden, relL2, relMax } from '../support/golden.ts';

interface Tolerances {
  readonly features: number;
  readonly loss: number;
  readonly gradients: number;
}
const forViT: Tolerances = { features: 2e-6, loss: 1e-6, gradients: 4e-6 };
const forResNet: Tolerances = { features: 5e-6, loss: 5e-6, gradients: 8e-6 };

function clip(weights: GoldenFile, golden: GoldenFile, training: boolean) {
  const config = JSON.parse(weights.metadata.get('config')!) as ClipConfig;
  const shapes = new Map([...weights.tensors].map(([name, t]) => [name, t.shape]));
  const batch = golden.tensors.get('in.images')!.shape[0]!;
  const graph = verify(clipLossGraph(config, shapes, { batch, training }));
  const inputs = new Map(['images', 'tokens'].map((name) => [name, golden.tensors.get(`in.${name}`)!]));
  return { graph, feeds: { inputs, params: weights.tensors } };
}

const sets: readonly [set: string, tolerances: Tolerances][] = [
  ['tiny_vit', forViT],
  ['tiny_vit2', forViT],
  ['tiny_rn', forResNet],
];

for (const [set, tolerances] of sets) {
  if (goldenPath(`${set}.golden.safetensors`) === undefined) {
    console.warn(`${set}: no golden data on this machine`);
    continue;
  }
  const weights = readGolden(`${set}.weights.safetensors`);
  const golden = readGolden(`${set}.golden.safetensors`);

  describe(set, () => {
    test('features, logits and loss', () => {
      const { graph, feeds } = clip(weights, golden, false);
      const results = executeReference(graph, feeds);
      for (const name of ['image_features', 'text_features', 'logits_per_image']) {
        const wanted = golden.tensors.get(`eval.${name}`)!;
        expect(results.get(name)!.shape).toEqual(wanted.shape);
        expect(relMax(results.get(name)!.data, wanted.data), name).toBeLessThan(tolerances.features);
      }
      expect(relMax(results.get('loss')!.data, golden.tensors.get('eval.loss')!.data)).toBeLessThan(
        tolerances.loss,
      );
    });

    test('training loss and every gradient', () => {
      const { graph, feeds } = clip(weights, golden, true);
      const names = [...golden.tensors.keys()].filter((n) => n.startsWith('grad.')).map((n) => n.slice(5));
      const whole = verify(differentiate(graph, { loss: 'loss', wrt: names }));
      const results = executeReference(whole, feeds);
      expect(relMax(results.get('loss')!.data, golden.tensors.get('train.loss')!.data)).toBeLessThan(
        tolerances.loss,
      );
      for (const name of names) {
        const [found, wanted] = [results.get(`grad.${name}`)!, golden.tensors.get(`grad.${name}`)!];
        expect(found.shape, name).toEqual(wanted.shape);
        if (name === 'visual.attnpool.k_proj.bias') {
          // Zero in exact arithmetic: a key bias shifts every score of a query alike.
          expect(Math.max(...found.data.map(Math.abs)), name).toBeLessThan(1e-12);
        } else expect(relL2(found.data, wanted.data), name).toBeLessThan(tolerances.gradients);
      }
    });
  });
}
