/** Whole models of the self-test: small ones of each kind of tower, their entries with every gradient, and a recipe of training. */
import type { Precision } from '../../compiler/compile.ts';
import { resolveRecipe } from '../../compiler/model/index.ts';
import type { EntryName, ModuleHost, Recipe } from '../../compiler/model/types.ts';
import { DiagnosticError } from '../../grammar/diagnostics.ts';
import type { SelftestCase } from '../../runtime/selftest/cases.ts';
import { traceGraph, trainableVariables, weightsRead } from '../run/compiled.ts';
import { hashInput } from '../weights/hash-weights.ts';
import { ruledWeights } from '../weights/source.ts';

const path = 'selftest.zoo';
const text = `import clip { CLIP, VisionTransformer, ModifiedResNet, TextTransformer }
import losses { contrastive }

model "small ViT" = CLIP(
  vision = VisionTransformer(resolution = 32, patch = 8, width = 64, layers = 2, heads = 1, embed = 32),
  text = TextTransformer(context = 15, vocab = 520, width = 64, layers = 2, heads = 1, embed = 32)
)
model "small ResNet" = CLIP(
  vision = ModifiedResNet(layers = [1, 1, 1, 1], width = 8, resolution = 32, heads = 4, embed = 32),
  text = TextTransformer(context = 16, vocab = 520, width = 64, layers = 1, heads = 1, embed = 32)
)
train "small ViT" of "small ViT" {
  objective = contrastive
  data = tensors("given with each step")
  batch = 6
  optimizer = adamw(lr = 1e-3, weight_decay = 0.1)
  schedule = cosine(warmup = 1 steps)
  grad_clip = 1.0
  steps = 5
}
train "small ResNet" of "small ResNet" {
  objective = contrastive
  data = tensors("given with each step")
  batch = 4
  optimizer = adamw(lr = 1e-3)
  schedule = constant(warmup = 1 steps)
  steps = 1
}
`;

const names = ['small ViT', 'small ResNet'] as const;

/** One of the recipes. @param settings by path, as `--set` has them */
export function selftestRecipe(
  host: ModuleHost,
  name: (typeof names)[number],
  settings: Readonly<Record<string, string>> = {},
): Recipe {
  const reading = { ...host, read: (file: string) => (file === path ? text : host.read(file)) };
  const overrides = Object.entries(settings).map(([path, value]) => ({ path, value }));
  const { diagnostics, ...result } = resolveRecipe(reading, `${path}#${name}`, overrides);
  if (!result.ok) throw new DiagnosticError(diagnostics);
  return result.value;
}

/**
 * f32: sums in another order, through a few layers, and back again for gradients. Mixed: values near a tie are rounded to
 * different neighbours, 2^-11 apart, which layers pass on; in a residual network that also turns some activations on or off, and
 * with them whole terms of gradients. A wrong kernel is off by as much as there is.
 */
const tolerances = {
  f32: { results: 3e-5, gradients: 3e-4 },
  mixed: { results: 5e-3, gradients: 3e-2 },
} as const;
const residualGradients = 0.25;

const batch = 4;

export interface ModelCase {
  readonly what: string;
  make(): Promise<SelftestCase>;
}

/** @param quick the loss of the first alone */
export function modelCases(host: ModuleHost, precision: Precision, quick: boolean): ModelCase[] {
  const entries = ['encode_image', 'encode_text', 'loss'] as const;
  const all = names.flatMap((name) => entries.map((entry) => ({ name, entry })));
  const chosen = quick ? all.filter(({ name, entry }) => name === names[0] && entry === 'loss') : all;
  return chosen.map(({ name, entry }) => ({
    what: `${name}: ${entry === 'loss' ? 'loss with gradients' : entry}`,
    make: () => caseOf(host, name, entry, precision),
  }));
}

async function caseOf(
  host: ModuleHost,
  name: (typeof names)[number],
  entry: EntryName,
  precision: Precision,
): Promise<SelftestCase> {
  const { model } = selftestRecipe(host, name);
  const gradients = entry === 'loss';
  const mode = gradients ? 'train' : 'eval';
  const graph = traceGraph(model, { entry, batch, mode, gradients });
  const weights = ruledWeights(model, 'init:0')!;
  const feeds = new Map<string, ArrayLike<number>>();
  for (const weight of weightsRead(model, graph)) feeds.set(weight.name, await weights.read(weight));
  for (const input of model.inputs) feeds.set(input.name, hashInput(input, batch));
  return {
    graph,
    feeds,
    gradients: gradients ? trainableVariables(model) : [],
    leastOfGradients: 1e-3,
    tolerances:
      precision === 'mixed' && name === 'small ResNet'
        ? { ...tolerances.mixed, gradients: residualGradients }
        : tolerances[precision],
  };
}
