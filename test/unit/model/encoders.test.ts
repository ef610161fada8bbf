/**
 * The bundled models of open_clip: parameters against what open_clip publishes (docs/model_profile.csv, in
 * millions, by tower), weight paths and shapes against its checkpoints' names.
 */
import { describe, expect, it } from 'vitest';
import { formatShape } from '../../../compiler/graph/types.ts';
import { resolveModel } from '../../../compiler/model/index.ts';
import type { Model } from '../../../compiler/model/types.ts';
import { nodeHost } from '../../../zoo/host.ts';

function model(reference: string): Model {
  const result = resolveModel(nodeHost(), reference);
  if (!result.ok) throw new Error(result.diagnostics.map((d) => d.message).join('\n'));
  return result.value;
}

const elements = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);
const millions = (n: number): number => Math.round(n / 1e4) / 100;

/** Parameters under `visual.` and the others, scales and biases of the logits aside. */
function towers({ weights }: Model): [image: number, text: number] {
  const sums: [number, number] = [0, 0];
  for (const { name, shape } of weights)
    if (!name.startsWith('logit_')) sums[name.startsWith('visual.') ? 0 : 1] += elements(shape);
  return sums;
}

describe('models of open_clip', () => {
  it.each([
    // name, total, image, text in millions (open_clip docs/model_profile.csv), and exactly
    ['ViT-B/32-gelu', 151.28, 87.85, 63.43, 151277313],
    ['ViT-B/16-gelu', 149.62, 86.19, 63.43, 149620737],
    ['ViT-L/14-gelu', 427.62, 303.97, 123.65, 427616513],
    ['ViT-H/14', 986.11, 632.08, 354.03, 986109441],
    ['ViT-g/14', 1366.68, 1012.65, 354.03, 1366678273],
    ['ViT-bigG/14', 2539.57, 1844.91, 694.66, 2539567105],
    ['ViT-B/16-SigLIP', 203.16, 92.88, 110.27, 203155970],
    ['ViT-L/16-SigLIP-256', 652.15, 315.96, 336.19, 652150786],
    ['ViT-SO400M/14-SigLIP', 877.36, 427.68, 449.68, 877360306],
    ['ViT-M/16-gap', 102.04, 38.61, 63.43, 102038529],
    ['ConvNeXt-B', 151.52, 88.09, 63.43, 151518849],
    ['EVA02-B/16', 149.69, 86.26, 63.43, 149691137],
    ['EVA02-L/14', 427.76, 304.11, 123.65, 427755457],
    ['EVA02-L/14@336px', 428.08, 304.43, 123.65, 428083137],
  ])('%s has %s million parameters: %s and %s', (name, total, image, text, exact) => {
    const m = model(name);
    expect(m.parameters).toBe(exact);
    expect(millions(m.parameters)).toBe(total);
    expect(towers(m).map(millions)).toEqual([image, text]);
  });

  it('ViT-B/32-CBOW has the image tower of ViT-B/32, a table of words and a projection', () => {
    const m = model('ViT-B/32-CBOW');
    expect(towers(m)).toEqual([87849216, 49408 * 512 + 512 * 512]);
    expect(m.parameters).toBe(113408257);
  });

  it('do not share a name with those of OpenAI, whose activation differs', () => {
    expect(model('ViT-B/32').config.get('vision.act')).toBe('quick_gelu');
    for (const name of ['ViT-B/32-gelu', 'ViT-H/14', 'ViT-g/14', 'ViT-bigG/14', 'ViT-M/16-gap']) {
      const { config } = model(name);
      expect([config.get('vision.act'), config.get('text.act')], name).toEqual(['gelu', 'gelu']);
    }
  });

  it.each([
    ['ViT-H/14', 32, 1280, 80, 5120, 24, 1024, 16],
    ['ViT-g/14', 40, 1408, 88, 6144, 24, 1024, 16],
    ['ViT-bigG/14', 48, 1664, 104, 8192, 32, 1280, 20],
  ])(
    '%s has the sizes of its configuration',
    (name, layers, width, head, hidden, depth, textWidth, textHeads) => {
      const { config, weights } = model(name);
      const value = (path: string): number => Number(config.get(path));
      expect([value('vision.layers'), value('vision.width')]).toEqual([layers, width]);
      expect(value('vision.width') / value('vision.heads')).toBe(head);
      expect([value('text.layers'), value('text.width'), value('text.heads')]).toEqual([
        depth,
        textWidth,
        textHeads,
      ]);
      const shapeOf = (path: string) => weights.find((w) => w.name === path)!.shape;
      expect(shapeOf(`visual.transformer.resblocks.${layers - 1}.mlp.c_fc.weight`)).toEqual([hidden, width]);
      expect(shapeOf(`transformer.resblocks.${depth - 1}.mlp.c_fc.weight`)).toEqual([
        4 * textWidth,
        textWidth,
      ]);
    },
  );
});

/** `path [shape]`, of one block among the repeated ones. */
function paths({ weights }: Model): string[] {
  const repeated = /\.(blocks|resblocks)\.(?!0\.)\d+\./;
  return weights.flatMap((w) => (repeated.test(w.name) ? [] : [`${w.name} ${formatShape(w.shape)}`]));
}

describe('weight paths', () => {
  it('of SigLIP are those of its checkpoints', () => {
    expect(paths(model('ViT-B/16-SigLIP'))).toMatchInlineSnapshot(`
      [
        "logit_scale []",
        "logit_bias []",
        "visual.trunk.pos_embed [1, 196, 768]",
        "visual.trunk.patch_embed.proj.weight [768, 3, 16, 16]",
        "visual.trunk.patch_embed.proj.bias [768]",
        "visual.trunk.blocks.0.norm1.weight [768]",
        "visual.trunk.blocks.0.norm1.bias [768]",
        "visual.trunk.blocks.0.attn.qkv.weight [2304, 768]",
        "visual.trunk.blocks.0.attn.qkv.bias [2304]",
        "visual.trunk.blocks.0.attn.proj.weight [768, 768]",
        "visual.trunk.blocks.0.attn.proj.bias [768]",
        "visual.trunk.blocks.0.norm2.weight [768]",
        "visual.trunk.blocks.0.norm2.bias [768]",
        "visual.trunk.blocks.0.mlp.fc1.weight [3072, 768]",
        "visual.trunk.blocks.0.mlp.fc1.bias [3072]",
        "visual.trunk.blocks.0.mlp.fc2.weight [768, 3072]",
        "visual.trunk.blocks.0.mlp.fc2.bias [768]",
        "visual.trunk.norm.weight [768]",
        "visual.trunk.norm.bias [768]",
        "visual.trunk.attn_pool.latent [1, 1, 768]",
        "visual.trunk.attn_pool.q.weight [768, 768]",
        "visual.trunk.attn_pool.q.bias [768]",
        "visual.trunk.attn_pool.kv.weight [1536, 768]",
        "visual.trunk.attn_pool.kv.bias [1536]",
        "visual.trunk.attn_pool.proj.weight [768, 768]",
        "visual.trunk.attn_pool.proj.bias [768]",
        "visual.trunk.attn_pool.norm.weight [768]",
        "visual.trunk.attn_pool.norm.bias [768]",
        "visual.trunk.attn_pool.mlp.fc1.weight [3072, 768]",
        "visual.trunk.attn_pool.mlp.fc1.bias [3072]",
        "visual.trunk.attn_pool.mlp.fc2.weight [768, 3072]",
        "visual.trunk.attn_pool.mlp.fc2.bias [768]",
        "text.positional_embedding [64, 768]",
        "text.token_embedding.weight [32000, 768]",
        "text.transformer.resblocks.0.attn.in_proj_weight [2304, 768]",
        "text.transformer.resblocks.0.attn.in_proj_bias [2304]",
        "text.transformer.resblocks.0.attn.out_proj.weight [768, 768]",
        "text.transformer.resblocks.0.attn.out_proj.bias [768]",
        "text.transformer.resblocks.0.ln_1.weight [768]",
        "text.transformer.resblocks.0.ln_1.bias [768]",
        "text.transformer.resblocks.0.mlp.c_fc.weight [3072, 768]",
        "text.transformer.resblocks.0.mlp.c_fc.bias [3072]",
        "text.transformer.resblocks.0.mlp.c_proj.weight [768, 3072]",
        "text.transformer.resblocks.0.mlp.c_proj.bias [768]",
        "text.transformer.resblocks.0.ln_2.weight [768]",
        "text.transformer.resblocks.0.ln_2.bias [768]",
        "text.ln_final.weight [768]",
        "text.ln_final.bias [768]",
        "text.text_projection.weight [768, 768]",
        "text.text_projection.bias [768]",
      ]
    `);
  });

  it('of a mean-pooled ViT are those of its checkpoint', () => {
    expect(paths(model('ViT-M/16-gap')).filter((p) => p.startsWith('visual.'))).toMatchInlineSnapshot(`
      [
        "visual.trunk.pos_embed [1, 256, 512]",
        "visual.trunk.patch_embed.proj.weight [512, 3, 16, 16]",
        "visual.trunk.patch_embed.proj.bias [512]",
        "visual.trunk.blocks.0.norm1.weight [512]",
        "visual.trunk.blocks.0.norm1.bias [512]",
        "visual.trunk.blocks.0.attn.qkv.weight [1536, 512]",
        "visual.trunk.blocks.0.attn.proj.weight [512, 512]",
        "visual.trunk.blocks.0.attn.proj.bias [512]",
        "visual.trunk.blocks.0.ls1.gamma [512]",
        "visual.trunk.blocks.0.norm2.weight [512]",
        "visual.trunk.blocks.0.norm2.bias [512]",
        "visual.trunk.blocks.0.mlp.fc1.weight [2048, 512]",
        "visual.trunk.blocks.0.mlp.fc1.bias [2048]",
        "visual.trunk.blocks.0.mlp.fc2.weight [512, 2048]",
        "visual.trunk.blocks.0.mlp.fc2.bias [512]",
        "visual.trunk.blocks.0.ls2.gamma [512]",
        "visual.trunk.norm.weight [512]",
        "visual.trunk.norm.bias [512]",
        "visual.head.proj.weight [512, 512]",
      ]
    `);
  });

  it('of a ConvNeXt are those of its checkpoint', () => {
    const own = paths(model('ConvNeXt-B')).filter((p) => p.startsWith('visual.'));
    expect(own.filter((p) => !/stages\.[03]/.test(p))).toMatchInlineSnapshot(`
      [
        "visual.trunk.stem.0.weight [128, 3, 4, 4]",
        "visual.trunk.stem.0.bias [128]",
        "visual.trunk.stem.1.weight [128]",
        "visual.trunk.stem.1.bias [128]",
        "visual.trunk.stages.1.downsample.0.weight [128]",
        "visual.trunk.stages.1.downsample.0.bias [128]",
        "visual.trunk.stages.1.downsample.1.weight [256, 128, 2, 2]",
        "visual.trunk.stages.1.downsample.1.bias [256]",
        "visual.trunk.stages.1.blocks.0.gamma [256]",
        "visual.trunk.stages.1.blocks.0.conv_dw.weight [256, 1, 7, 7]",
        "visual.trunk.stages.1.blocks.0.conv_dw.bias [256]",
        "visual.trunk.stages.1.blocks.0.norm.weight [256]",
        "visual.trunk.stages.1.blocks.0.norm.bias [256]",
        "visual.trunk.stages.1.blocks.0.mlp.fc1.weight [1024, 256]",
        "visual.trunk.stages.1.blocks.0.mlp.fc1.bias [1024]",
        "visual.trunk.stages.1.blocks.0.mlp.fc2.weight [256, 1024]",
        "visual.trunk.stages.1.blocks.0.mlp.fc2.bias [256]",
        "visual.trunk.stages.2.downsample.0.weight [256]",
        "visual.trunk.stages.2.downsample.0.bias [256]",
        "visual.trunk.stages.2.downsample.1.weight [512, 256, 2, 2]",
        "visual.trunk.stages.2.downsample.1.bias [512]",
        "visual.trunk.stages.2.blocks.0.gamma [512]",
        "visual.trunk.stages.2.blocks.0.conv_dw.weight [512, 1, 7, 7]",
        "visual.trunk.stages.2.blocks.0.conv_dw.bias [512]",
        "visual.trunk.stages.2.blocks.0.norm.weight [512]",
        "visual.trunk.stages.2.blocks.0.norm.bias [512]",
        "visual.trunk.stages.2.blocks.0.mlp.fc1.weight [2048, 512]",
        "visual.trunk.stages.2.blocks.0.mlp.fc1.bias [2048]",
        "visual.trunk.stages.2.blocks.0.mlp.fc2.weight [512, 2048]",
        "visual.trunk.stages.2.blocks.0.mlp.fc2.bias [512]",
        "visual.trunk.head.norm.weight [1024]",
        "visual.trunk.head.norm.bias [1024]",
        "visual.head.proj.weight [512, 1024]",
      ]
    `);
  });

  it("of the others are OpenAI's", () => {
    const names = (name: string) => model(name).weights.map((w) => w.name);
    expect(names('ViT-L/14-gelu')).toEqual(names('ViT-L/14'));
    expect(names('ViT-H/14').filter((n) => !n.includes('resblocks'))).toEqual(
      names('ViT-L/14').filter((n) => !n.includes('resblocks')),
    );
  });
});
