/** Which rates the lines of a recipe give to which weights. */
import { describe, expect, it } from 'vitest';
import { resolveRecipe } from '../../../compiler/model/index.ts';
import type { Recipe } from '../../../compiler/model/types.ts';
import { rateOf } from '../../../compiler/optimizers.ts';
import { lavapipeProfile } from '../../../compiler/profile.ts';
import { renderDiagnostics } from '../../../grammar/render.ts';
import { planTraining, traceLoss } from '../../../runtime/train/plan.ts';
import { settingsFor } from '../../../runtime/train/supported.ts';
import { memoryHost } from '../../errors/report.ts';

const models = `
import nn { Linear }
import clip { CLIP, VisionTransformer, TextTransformer }
import swin { Swin }

model "clip" = CLIP(
  vision = VisionTransformer(resolution = 16, patch = 8, width = 64, layers = 3, embed = 8),
  text = TextTransformer(context = 6, vocab = 32, width = 64, layers = 2, embed = 8))
model "swin" = CLIP(
  vision = Swin(
    resolution = 32, patch = 4, width = 8, depths = [1, 2, 1, 1], heads = [1, 1, 1, 1], window = 1, embed = 8),
  text = TextTransformer(context = 6, vocab = 32, width = 64, layers = 1, embed = 8))

block Eye(width: int) {
  stem: Linear(12, width)
  blocks[i in 0..2]: Linear(width, width)
  forward(x: [B, 4, 12]) -> [B, 4, width] = x |> stem |> blocks
}
block Read(width: int) {
  mix: Linear(width, width)
  forward(t: [B, T, width], seen: [B, P, width]) -> [B, T, width] = mix(t + mean(seen, axis = 1, keep = true))
}
block Voice(width: int) {
  param table: [32, width] = normal(1.0)
  blocks[i in 0..3]: Read(width)
  out: Linear(width, width)
  forward(tokens: i32[B, 6], seen: [B, 4, width]) -> [B, width] =
    embedding(table, tokens) |> blocks(seen) |> out |> mean(axis = 1)
}
block Reader(width: int) {
  param logit_scale: [] = ones
  eye: Eye(width)
  voice: Voice(width)
  forward(images: [B, 4, 12], tokens: i32[B, 6]) {
    let seen = eye(images)
    return { image = mean(seen, axis = 1), text = voice(tokens, seen), scale = exp(logit_scale) }
  }
}
model "reader" = Reader(8)

block Flat(width: int) {
  param logit_scale: [] = ones
  param table: [32, width] = normal(1.0)
  stem: Linear(12, width)
  blocks[i in 0..3]: Linear(width, width)
  forward(images: [B, 12], tokens: i32[B, 6]) {
    let text = mean(embedding(table, tokens), axis = 1)
    return { image = images |> stem |> blocks, text = text, scale = exp(logit_scale) }
  }
}
model "flat" = Flat(8)
`;

function recipe(model: string, lines: string): Recipe {
  const text = `${models}\ntrain "r" of "${model}" {\n  data = tensors("x")\n  batch = 4\n${lines}\n}`;
  const resolved = resolveRecipe(memoryHost({ 'main.zoo': text }), 'main.zoo#r');
  if (!resolved.ok) throw new Error(renderDiagnostics(resolved.diagnostics));
  return resolved.value;
}

/** Rates of the trained weights: what the optimizer's are multiplied by, and decay. */
function ratesOf(model: string, lines: string) {
  const of = recipe(model, lines);
  const { settings } = settingsFor(of, traceLoss(of));
  const trained = of.model.weights.filter((w) => settings.trainable.includes(w.name));
  return new Map(trained.map((w) => [w.name, rateOf(settings, w)]));
}

/** The factors of layer decay of the weights that do not have the full rate. */
function scales(model: string, lines: string): Record<string, number> {
  const below = [...ratesOf(model, lines)].filter(([, { scale }]) => scale !== 1);
  return Object.fromEntries(below.map(([name, { scale }]) => [name, scale]));
}

const ofBlock = (path: string, names: readonly string[], scale: number) =>
  Object.fromEntries(names.map((name) => [`${path}.${name}`, scale]));

const resblock = [
  'attn.in_proj_weight',
  'attn.in_proj_bias',
  'attn.out_proj.weight',
  'attn.out_proj.bias',
].concat(
  ['ln_1.weight', 'ln_1.bias', 'mlp.c_fc.weight', 'mlp.c_fc.bias', 'mlp.c_proj.weight', 'mlp.c_proj.bias'],
  ['ln_2.weight', 'ln_2.bias'],
);

describe('rates by pattern', () => {
  it('are those of weights and of blocks that fit, the last line counts', () => {
    const rates = ratesOf(
      'clip',
      `  optimizer = adamw(lr = 1e-3, weight_decay = 0.1)
  lr "visual.**" = 1e-5   weight_decay "**.ln_*" = 0.02
  lr "visual.ln_*", "visual.proj" = 5e-3
  weight_decay "**.bias" = 0.3
  weight_decay "visual.transformer" = 0`,
    );
    expect(rates.get('visual.conv1.weight')).toEqual({ scale: 1e-5 / 1e-3, decay: 0.1 });
    expect(rates.get('visual.ln_pre.weight')).toEqual({ scale: 5, decay: 0.02 });
    expect(rates.get('visual.ln_pre.bias')).toEqual({ scale: 5, decay: 0.3 });
    expect(rates.get('visual.proj')).toEqual({ scale: 5, decay: 0.1 });
    expect(rates.get('visual.transformer.resblocks.1.ln_1.bias')).toEqual({ scale: 1e-5 / 1e-3, decay: 0 });
    expect(rates.get('transformer.resblocks.1.ln_1.weight')).toEqual({ scale: 1, decay: 0.02 });
    expect(rates.get('transformer.resblocks.1.mlp.c_fc.weight')).toEqual({ scale: 1, decay: 0.1 });
    // Neither line fits: two dimensions are needed to decay.
    expect(rates.get('ln_final.weight')).toEqual({ scale: 1, decay: 0 });
  });

  it('leave frozen weights frozen', () => {
    const rates = ratesOf(
      'clip',
      '  freeze "visual.**"\n  lr "**" = 1e-5\n  layer_decay "**.resblocks.*" = 0.5',
    );
    expect([...rates.keys()].filter((name) => name.startsWith('visual.'))).toEqual([]);
    expect(rates.get('transformer.resblocks.0.ln_1.bias')!.scale).toBeCloseTo(1e-5 / 5e-4 / 2, 15);
  });

  it('are what plans lay weights side by side by', () => {
    const lines = '  layer_decay "**.resblocks.*" = 0.5\n  lr "visual.proj" = 1e-5';
    const rates = ratesOf('clip', lines);
    for (const more of ['', '\n  chunk = 2\n  precision = mixed()']) {
      const { plan } = planTraining(recipe('clip', lines + more), lavapipeProfile);
      const placed = [...plan.weights].sort((a, b) => a.offset - b.offset);
      const keys = placed.map(({ name }) => Object.values(rates.get(name)!).join(' '));
      const changes = keys.filter((key, i) => key !== keys[i - 1]);
      expect(changes).toHaveLength(new Set(keys).size);
      expect(new Set(keys).size).toBe(7);
      expect(plan.steps.filter((s) => s.label === 'optimizer: adamw')).toHaveLength(1);
    }
  });
});

describe('layer decay', () => {
  it('is 1 in the last block; what lies in front counts to the first, what lies behind has the full rate', () => {
    expect(scales('clip', '  layer_decay "visual.transformer.resblocks.*" = 0.75')).toEqual({
      ...ofBlock('visual.transformer.resblocks.1', resblock, 0.75),
      ...ofBlock('visual.transformer.resblocks.0', resblock, 0.75 ** 2),
      ...ofBlock(
        'visual',
        ['class_embedding', 'positional_embedding', 'conv1.weight', 'ln_pre.weight', 'ln_pre.bias'],
        0.75 ** 2,
      ),
    });
  });

  it('counts in each tower by itself, multiplies base rates, and the last line counts', () => {
    const both = scales('clip', '  layer_decay "**.resblocks.*" = 0.5');
    expect(both['visual.conv1.weight']).toBe(0.25);
    expect(both['visual.transformer.resblocks.1.ln_1.bias']).toBe(0.5);
    expect(both['transformer.resblocks.0.ln_1.bias']).toBe(0.5);
    expect(both['token_embedding.weight']).toBe(0.5);
    expect(both.positional_embedding).toBe(0.5);
    expect(both.logit_scale).toBeUndefined();
    const lines = `  optimizer = sgd(0.1)\n  layer_decay "**.resblocks.*" = 0.5\n  lr "visual.conv1" = 0.4
  layer_decay "visual.transformer.resblocks.*" = 0.75`;
    const later = scales('clip', lines);
    expect(later['visual.conv1.weight']).toBeCloseTo(4 * 0.75 ** 2, 15);
    expect(later['transformer.resblocks.0.ln_1.bias']).toBe(0.5);
  });

  it('goes through the stages of a tower; what lies between counts to the block behind it', () => {
    const found = scales('swin', '  layer_decay "visual.layers.*.blocks.*" = 0.5');
    const of = (name: string) => found[name] ?? 1;
    expect(of('visual.layers.3.blocks.0.norm1.weight')).toBe(1);
    expect(of('visual.layers.2.blocks.0.norm1.weight')).toBe(0.5);
    expect(of('visual.layers.1.blocks.1.norm1.weight')).toBe(0.25);
    expect(of('visual.layers.1.blocks.0.norm1.weight')).toBe(0.125);
    expect(of('visual.layers.0.blocks.0.norm1.weight')).toBe(0.0625);
    expect(of('visual.patch_embed.proj.weight')).toBe(0.0625);
    expect(of('visual.layers.1.downsample.norm.weight')).toBe(0.125);
    expect(of('visual.layers.3.downsample.norm.weight')).toBe(1);
    expect(of('visual.norm.weight')).toBe(1);
  });

  it('leaves a tower alone that the blocks only read', () => {
    const found = scales('reader', '  layer_decay "voice.blocks.*" = 0.5');
    const linear = ['mix.weight', 'mix.bias'];
    expect(found).toEqual({
      'voice.table': 0.25,
      ...ofBlock('voice.blocks.0', linear, 0.25),
      ...ofBlock('voice.blocks.1', linear, 0.5),
    });
  });

  it('counts blocks of the model itself as one tower', () => {
    expect(scales('flat', '  layer_decay "blocks.*" = 0.5')).toEqual({
      ...ofBlock('stem', ['weight', 'bias'], 0.25),
      ...ofBlock('blocks.0', ['weight', 'bias'], 0.25),
      ...ofBlock('blocks.1', ['weight', 'bias'], 0.5),
    });
  });
});
