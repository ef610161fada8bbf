/**
 * The f64 reference against PyTorch: features, logits, loss and every gradient of the tiny models, from
 * graphs written by hand and from the language.
 *
 * The golden run is f32, so what is allowed here is its own noise (golden README: 1e-6 relative for ViTs,
 * 3e-6 for gradients and for batch statistics) with a factor of about 3, some thirty times tighter than what
 * a GPU is asked for.
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
import { type GoldenSet, goldenSet, norm, relL2, relMax } from '../support/golden/golden.ts';
import { type ClipConfig, clipLossGraph } from '../support/ops/clip-graph.ts';

interface Tolerances {
  readonly features: number;
  readonly loss: number;
  readonly gradients: number;
}
const forViT: Tolerances = { features: 2e-6, loss: 1e-6, gradients: 4e-6 };
const forResNet: Tolerances = { features: 5e-6, loss: 5e-6, gradients: 8e-6 };

type Source = (golden: GoldenSet, batch: number, training: boolean) => Graph;

function configOf(golden: GoldenSet): ClipConfig {
  return JSON.parse(golden.metadata.get('config')!) as ClipConfig;
}

const byHand: Source = (golden, batch, training) => {
  const shapes = new Map([...golden.weights].map(([name, t]) => [name, t.shape]));
  return clipLossGraph(configOf(golden), shapes, { batch, training });
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
  return (golden, batch, training) => {
    const text = programOf(configOf(golden));
    const host: ModuleHost = { ...nodeHost(), read: (path) => (path === 'golden.zoo' ? text : undefined) };
    const model = unwrap(resolveModel(host, 'golden.zoo#golden'));
    return unwrap(traceEntry(model, 'loss', { batch, training, fuse }));
  };
}

function unwrap<T>(result: Result<T>): T {
  if (!result.ok) throw new DiagnosticError(result.diagnostics);
  return result.value;
}

function feedsOf(golden: GoldenSet) {
  const inputs = new Map(['images', 'tokens'].map((name) => [name, golden.tensors.get(`in.${name}`)!]));
  return { inputs, params: golden.weights };
}

const sources = {
  'written by hand': byHand,
  traced: traced(true),
  'traced, bodies instead of fused ops': traced(false),
} as const;

/**
 * @param cases golden sets by name (those that end in `_rn` are residual networks) and where their graphs
 * come from
 */
export function describeReference(
  cases: readonly (readonly [set: string, from: keyof typeof sources])[],
): void {
  for (const [set, from] of cases) describeCase(set, from);
}

function describeCase(set: string, from: keyof typeof sources): void {
  const source = sources[from];
  const tolerances = set.endsWith('_rn') ? forResNet : forViT;
  const golden = goldenSet(set, 'golden');
  const batch = golden.tensors.get('in.images')!.shape[0]!;
  const feeds = feedsOf(golden);

  describe(`${set} ${from}`, () => {
    test('features, logits and loss', () => {
      const results = executeReference(verify(source(golden, batch, false)), feeds);
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
      const whole = verify(differentiate(verify(source(golden, batch, true)), { loss: 'loss', wrt: names }));
      const results = executeReference(whole, feeds);
      expect(relMax(results.get('loss')!.data, golden.tensors.get('train.loss')!.data)).toBeLessThan(
        tolerances.loss,
      );
      for (const name of names) {
        const found = results.get(`grad.${name}`)!;
        expect(found.shape, name).toEqual(golden.weights.get(name)!.shape);
        if (name === 'visual.attnpool.k_proj.bias') {
          // Zero in exact arithmetic: a key bias shifts every score of a query alike.
          expect(Math.max(...found.data.map(Math.abs)), name).toBeLessThan(1e-12);
          continue;
        }
        const wanted = golden.tensors.get(`grad.${name}`)!.data;
        expect(relL2(golden.sample(`grad.${name}`, found.data), wanted), name).toBeLessThan(
          tolerances.gradients,
        );
        const wantedNorm = golden.tensors.get(`grad_norm.${name}`);
        if (wantedNorm)
          expect(relL2(Float64Array.of(norm(found.data)), wantedNorm.data), name).toBeLessThan(
            tolerances.gradients,
          );
      }
    });
  });
}
