/**
 * Exports for open_clip: configuration, names, values and tokenizer against what its loader expects.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { readSafetensors } from '../../../zoo/weights/formats/safetensors.ts';
import { bytesOf, ExportFolder, openaiNames, shapesOf, tokenizerFiles } from '../../support/files/exports.ts';

const fixture = new ExportFolder();
const { json, load, make, path, text } = fixture;

describe('the open_clip format', () => {
  const numbers = z.int().positive();
  /**
   * Fields of open_clip's `CLIP.__init__`, `CLIPVisionCfg`, `CLIPTextCfg` and `PreprocessCfg` that an export
   * uses.
   */
  const schema = z.strictObject({
    model_cfg: z.strictObject({
      embed_dim: numbers,
      quick_gelu: z.boolean().optional(),
      vision_cfg: z.strictObject({
        image_size: numbers,
        layers: z.union([numbers, z.array(numbers).length(4)]),
        width: numbers,
        head_width: numbers,
        patch_size: numbers.nullable(),
        mlp_ratio: z.number().optional(),
      }),
      text_cfg: z.strictObject({
        context_length: numbers,
        vocab_size: numbers,
        width: numbers,
        heads: numbers,
        layers: numbers,
        hf_tokenizer_name: z.string().optional(),
      }),
    }),
    preprocess_cfg: z.strictObject({
      mean: z.array(z.number()).length(3),
      std: z.array(z.number()).length(3),
      interpolation: z.enum(['bicubic', 'bilinear', 'random']),
      resize_mode: z.enum(['shortest', 'longest', 'squash']),
    }),
  });

  it('is a configuration, weights under our names, and a card', async () => {
    await make('open_clip', 'full', 'init:2', load('full'));
    expect(readdirSync(path('full')).sort()).toEqual([
      'README.md',
      'open_clip_config.json',
      'open_clip_model.safetensors',
    ]);
    expect(schema.parse(json('full/open_clip_config.json'))).toEqual({
      model_cfg: {
        embed_dim: 5,
        quick_gelu: true,
        vision_cfg: { image_size: 8, layers: 1, width: 64, head_width: 64, patch_size: 4 },
        text_cfg: { context_length: 77, vocab_size: 49408, width: 64, heads: 1, layers: 1 },
      },
      preprocess_cfg: {
        mean: [0.48145466, 0.4578275, 0.40821073],
        std: [0.26862954, 0.26130258, 0.27577711],
        interpolation: 'bicubic',
        resize_mode: 'shortest',
      },
    });
    expect(text('full/README.md')).toMatch(/^---\nlibrary_name: open_clip\npipeline_tag: zero-shot-image/);
    expect(text('full/README.md')).toContain('create_model_from_pretrained("local-dir:.")');
    expect(text('full/README.md')).toContain('logits.softmax(dim=-1)');
  });

  it('keeps every stored bit and brings a tokenizer for a vocabulary that is not its own', async () => {
    await make('open_clip', 'open_clip', path('mixed.safetensors'));
    expect(readdirSync(path('open_clip')).sort()).toEqual(
      ['README.md', 'open_clip_config.json', 'open_clip_model.safetensors', ...tokenizerFiles].sort(),
    );
    const { tensors, metadata } = readSafetensors(
      readFileSync(path('open_clip/open_clip_model.safetensors')),
    );
    expect(metadata.get('format')).toBe('pt');
    const names = openaiNames.filter(
      ([name]) => !/^(input_resolution|context_length|vocab_size)$/.test(name),
    );
    expect(shapesOf(tensors)).toEqual(Object.fromEntries(names));
    for (const [name, { dtype, data }] of fixture.mixed) {
      expect(tensors.get(name)!.dtype).toBe(dtype);
      expect(bytesOf(tensors.get(name)!.data).equals(bytesOf(data))).toBe(true);
    }
    expect(json('open_clip/open_clip_config.json').model_cfg.text_cfg.hf_tokenizer_name).toBe('.');
  });

  it('describes heads, activation and stages of other models', async () => {
    const config = async (name: string) => {
      await make('open_clip', `open_clip-${name}`, 'init:0', load(name));
      return schema.parse(json(`open_clip-${name}/open_clip_config.json`)).model_cfg;
    };
    expect((await config('thin')).vision_cfg.head_width).toBe(16);

    expect(Math.trunc(64 * (await config('deep')).vision_cfg.mlp_ratio!)).toBe(150);
    expect(await config('erf')).not.toHaveProperty('quick_gelu');
    const resnet = { image_size: 32, layers: [1, 1, 1, 1], head_width: 64, patch_size: null };
    expect((await config('resnet')).vision_cfg).toEqual({ ...resnet, width: 4 });
    expect((await config('wide')).vision_cfg).toEqual({ ...resnet, width: 8, head_width: 32 });
    const few = await config('few');
    expect(few.vision_cfg).not.toHaveProperty('mlp_ratio');
    expect(few.text_cfg).not.toHaveProperty('hf_tokenizer_name');
    expect(text('open_clip-few/README.md')).toContain('none fits a vocabulary of 40');
    expect(text('open_clip-few/README.md')).not.toContain('tokenizer(');
  });

  it('refuses towers with different activations', async () => {
    await expect(make('open_clip', 'refused', 'init:0', load('mixed'))).rejects.toThrow(
      'vision.act is gelu and text.act is quick_gelu; its configuration has one activation',
    );
  });
});
