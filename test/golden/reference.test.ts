/**
 * The f64 reference against PyTorch: features, logits, loss and every gradient of the tiny models, from graphs written
 * by hand and from the language.
 *
 * The golden run is f32, so what is allowed here is its own noise (golden README: 1e-6 relative for ViTs, 3e-6 for
 * gradients and for batch statistics) with a factor of about 3, some thirty times tighter than what a GPU is asked for.
 */
import { describe, expect, test } from 'vitest';
import { differentiate } from '../../compiler/autodiff/differentiate.ts';
import { executeReference } from '../../compiler/graph/reference.ts';
import type { Graph } from '../../compiler/graph/types.ts';
import { verify } from '../../compiler/graph/verify.ts';
import { resolveModel, traceEntry } from '../../compiler/model/index.ts';
import type { ModuleHost, Result } from '../../compiler/model/types.ts';
import { DiagnosticError } from '../../grammar/diagnostics.ts';
import { nodeHost } from '../../zoo/host.ts';
import { type ClipConfig, clipLossGraph } from '../support/clip-graph.ts';
import { type GoldenFile, goldenPath, readGolden, relL2, relMax } from '../support/golden.ts';

interface Tolerances {
  readonly features: number;
  readonly loss: number;
  readonly gradients: number;
}
const forViT: Tolerances = { features: 2e-6, loss: 1e-6, gradients: 4e-6 };
const forResNet: Tolerances = { features: 5e-6, loss: 5e-6, gradients: 8e-6 };

type Source = (weights: GoldenFile, batch: number, training: boolean) => Graph;

function configOf(weights: GoldenFile): ClipConfig {
  return JSON.parse(weights.metadata.get('config')!) as ClipConfig;
}

const byHand: Source = (weights, batch, training) => {
  const shapes = new Map([...weights.tensors].map(([name, t]) => [name, t.shape]));
  return clipLossGraph(configOf(weights), shapes, { batch, training });
};

/** The same model as a program that uses the bundled package. */
function programOf(c: ClipConfig): string {
  const embed = `embed = ${c.embed_dim}`;
  const size = `width = ${c.vision_width}, resolution = ${c.image_resolution}, ${embed}`;
  const vision =
    c.vision_patch_size === null
      ? `ModifiedResNet(layers = [${(c.vision_layers as readonly number[]).join(', ')}], ${size})`
      : `VisionTransformer(patch = ${c.vision_patch_size}, layers = ${c.vision_layers}, ${size})`;
  const text = `TextTransformer(context = ${c.context_length}, vocab = ${c.vocab_size}, width = ${c.transformer_width}, layers = ${c.transformer_layers}, ${embed})`;
  return `import clip { CLIP, VisionTransformer, ModifiedResNet, TextTransformer }
model "golden" = CLIP(vision = ${vision}, text = ${text})`;
}

function traced(fuse: boolean): Source {
  return (weights, batch, training) => {
    const text = programOf(configOf(weights));
    const host: ModuleHost = { ...nodeHost(), read: (path) => (path === 'golden.zoo' ? text : undefined) };
    const model = unwrap(resolveModel(host, 'golden.zoo#golden'));
    return unwrap(traceEntry(model, 'loss', { batch, training, fuse }));
  };
}

function unwrap<T>(result: Result<T>): T {
  if (!result.ok) throw new DiagnosticError(result.diagnostics);
  return result.value;
}

function feedsOf(weights: GoldenFile, golden: GoldenFile) {
  const inputs = new Map(['images', 'tokens'].map((name) => [name, golden.tensors.get(`in.${name}`)!]));
  return { inputs, params: weights.tensors };
}

const cases: readonly [set: string, from: string, source: Source, tolerances: Tolerances][] = [
  ['tiny_vit', 'written by hand', byHand, forViT],
  ['tiny_vit', 'traced', traced(true), forViT],
  ['tiny_vit', 'traced, bodies instead of fused ops', traced(false), forViT],
  ['tiny_vit2', 'traced', traced(true), forViT],
  ['tiny_rn', 'written by hand', byHand, forResNet],
  ['tiny_rn', 'traced', traced(true), forResNet],
];

for (const [set, from, source, tolerances] of cases) {
  if (goldenPath(`${set}.golden.safetensors`) === undefined) {
    console.warn(`${set}: no golden data on this machine`);
    continue;
  }
  const weights = readGolden(`${set}.weights.safetensors`);
  const golden = readGolden(`${set}.golden.safetensors`);

  const batch = golden.tensors.get('in.images')!.shape[0]!;
  const feeds = feedsOf(weights, golden);

  describe(`${set} ${from}`, () => {
    test('features, logits and loss', () => {
      const results = executeReference(verify(source(weights, batch, false)), feeds);
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
      const names = [...golden.tensors.keys()].filter((n) => n.startsWith('grad.')).map((n) => n.slice(5));
      const whole = verify(differentiate(verify(source(weights, batch, true)), { loss: 'loss', wrt: names }));
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
