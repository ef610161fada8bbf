/**
 * Exports for transformers: configurations, names, cut and turned values and the tokenizer's files against
 * what its loaders expect.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { Tokenizer as FastTokenizer } from '@huggingface/tokenizers';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { DiagnosticError } from '../../../grammar/diagnostics.ts';
import { createTokenizer } from '../../../runtime/data/texts/tokenizer.ts';
import { readSafetensors } from '../../../zoo/weights/formats/safetensors.ts';
import { ExportFolder, shapesOf, tokenizerFiles } from '../../support/files/exports.ts';

const fixture = new ExportFolder();
const { json, load, make, path, text } = fixture;

const hfLayer = (prefix: string, width: number): [string, number[]][] => [
  ...['k', 'v', 'q', 'out'].flatMap((part): [string, number[]][] => [
    [`${prefix}.self_attn.${part}_proj.weight`, [width, width]],
    [`${prefix}.self_attn.${part}_proj.bias`, [width]],
  ]),
  [`${prefix}.layer_norm1.weight`, [width]],
  [`${prefix}.layer_norm1.bias`, [width]],
  [`${prefix}.mlp.fc1.weight`, [4 * width, width]],
  [`${prefix}.mlp.fc1.bias`, [4 * width]],
  [`${prefix}.mlp.fc2.weight`, [width, 4 * width]],
  [`${prefix}.mlp.fc2.bias`, [width]],
  [`${prefix}.layer_norm2.weight`, [width]],
  [`${prefix}.layer_norm2.bias`, [width]],
];

/** `CLIPModel.state_dict()` of transformers. */
const hfNames: [string, number[]][] = [
  ['logit_scale', []],
  ['text_model.embeddings.token_embedding.weight', [600, 128]],
  ['text_model.embeddings.position_embedding.weight', [6, 128]],
  ...hfLayer('text_model.encoder.layers.0', 128),
  ['text_model.final_layer_norm.weight', [128]],
  ['text_model.final_layer_norm.bias', [128]],
  ['vision_model.embeddings.class_embedding', [64]],
  ['vision_model.embeddings.patch_embedding.weight', [64, 3, 4, 4]],
  ['vision_model.embeddings.position_embedding.weight', [5, 64]],
  ['vision_model.pre_layrnorm.weight', [64]],
  ['vision_model.pre_layrnorm.bias', [64]],
  ...hfLayer('vision_model.encoder.layers.0', 64),
  ['vision_model.post_layernorm.weight', [64]],
  ['vision_model.post_layernorm.bias', [64]],
  ['visual_projection.weight', [5, 64]],
  ['text_projection.weight', [5, 128]],
];

describe('the hf format', () => {
  const size = z.int().positive();
  const layers = {
    hidden_act: z.enum(['quick_gelu', 'gelu']),
    hidden_size: size,
    intermediate_size: size,
    layer_norm_eps: z.number(),
    num_attention_heads: size,
    num_hidden_layers: size,
    projection_dim: size,
  };
  /** Fields of `CLIPConfig`, `CLIPTextConfig` and `CLIPVisionConfig` that an export uses. */
  const schema = z.strictObject({
    architectures: z.tuple([z.literal('CLIPModel')]),
    logit_scale_init_value: z.number(),
    model_type: z.literal('clip'),
    projection_dim: size,
    torch_dtype: z.enum(['float32', 'float16', 'bfloat16']),
    text_config: z.strictObject({
      ...layers,
      model_type: z.literal('clip_text_model'),
      bos_token_id: size,
      eos_token_id: size,
      pad_token_id: size,
      max_position_embeddings: size,
      vocab_size: size,
    }),
    vision_config: z.strictObject({
      ...layers,
      model_type: z.literal('clip_vision_model'),
      image_size: size,
      num_channels: size,
      patch_size: size,
    }),
  });

  it('is what CLIPModel and CLIPProcessor load', async () => {
    await make('hf', 'hf', path('mixed.safetensors'));
    expect(readdirSync(path('hf')).sort()).toEqual(
      ['README.md', 'config.json', 'model.safetensors', 'preprocessor_config.json', ...tokenizerFiles].sort(),
    );
    const tower = { hidden_act: 'quick_gelu', layer_norm_eps: 1e-5, num_hidden_layers: 1, projection_dim: 5 };
    expect(schema.parse(json('hf/config.json'))).toEqual({
      architectures: ['CLIPModel'],
      logit_scale_init_value: 2.6592,
      model_type: 'clip',
      projection_dim: 5,
      torch_dtype: 'float32',
      text_config: {
        ...tower,
        model_type: 'clip_text_model',
        bos_token_id: 598,
        eos_token_id: 599,
        pad_token_id: 599,
        hidden_size: 128,
        intermediate_size: 512,
        num_attention_heads: 2,
        max_position_embeddings: 6,
        vocab_size: 600,
      },
      vision_config: {
        ...tower,
        model_type: 'clip_vision_model',
        hidden_size: 64,
        intermediate_size: 256,
        num_attention_heads: 1,
        image_size: 8,
        num_channels: 3,
        patch_size: 4,
      },
    });
    expect(json('hf/preprocessor_config.json')).toEqual({
      crop_size: { height: 8, width: 8 },
      do_center_crop: true,
      do_convert_rgb: true,
      do_normalize: true,
      do_rescale: true,
      do_resize: true,
      image_mean: [0.48145466, 0.4578275, 0.40821073],
      image_processor_type: 'CLIPImageProcessor',
      image_std: [0.26862954, 0.26130258, 0.27577711],
      processor_class: 'CLIPProcessor',
      resample: 3,
      rescale_factor: 0.00392156862745098,
      size: { shortest_edge: 8 },
    });
    const card = text('hf/README.md');
    expect(card).toContain('CLIPModel.from_pretrained(".")');
    // Its other processors resize as tensors.
    expect(card).toContain('CLIPProcessor.from_pretrained(".", backend="pil")');
    expect(card).toContain('pipeline("zero-shot-image-classification", ".")');
    expect(card).toContain('hypothesis_template="{}"');
  });

  it('has the names of transformers, cut and turned, every bit kept', () => {
    const { tensors, metadata } = readSafetensors(readFileSync(path('hf/model.safetensors')));
    expect(metadata.get('format')).toBe('pt');
    expect(shapesOf(tensors)).toEqual(Object.fromEntries(hfNames));
    const same = (theirs: string, ours: string, values: ArrayLike<number>) => {
      expect(tensors.get(theirs)!.dtype).toBe(fixture.mixed.get(ours)!.dtype);
      expect(Array.from(tensors.get(theirs)!.data as Float32Array)).toEqual(Array.from(values));
    };
    const ours = (name: string) => fixture.mixed.get(name)!.data as Float32Array;
    const attention = ours('transformer.resblocks.0.attn.in_proj_weight');
    const bias = ours('visual.transformer.resblocks.0.attn.in_proj_bias');
    for (const [i, part] of ['q', 'k', 'v'].entries()) {
      const at = `self_attn.${part}_proj`;
      const [inText, inVision] = ['text_model', 'vision_model'].map((m) => `${m}.encoder.layers.0.${at}`);
      const rows = attention.subarray(i * 128 * 128, (i + 1) * 128 * 128);
      same(`${inText}.weight`, 'transformer.resblocks.0.attn.in_proj_weight', rows);
      same(
        `${inVision}.bias`,
        'visual.transformer.resblocks.0.attn.in_proj_bias',
        bias.subarray(i * 64, (i + 1) * 64),
      );
    }
    const projection = ours('visual.proj');
    const turned = Array.from({ length: 5 * 64 }, (_, i) => projection[(i % 64) * 5 + Math.floor(i / 64)]!);
    same('visual_projection.weight', 'visual.proj', turned);
    same('logit_scale', 'logit_scale', ours('logit_scale'));
    same('text_model.final_layer_norm.weight', 'ln_final.weight', ours('ln_final.weight'));
    same('vision_model.pre_layrnorm.bias', 'visual.ln_pre.bias', ours('visual.ln_pre.bias'));
    same(
      'vision_model.embeddings.patch_embedding.weight',
      'visual.conv1.weight',
      ours('visual.conv1.weight'),
    );
    const fc2 = 'text_model.encoder.layers.0.mlp.fc2.weight';
    const name = 'transformer.resblocks.0.mlp.c_proj.weight';
    same(fc2, name, ours(name));
  });

  it('names the activation of each tower and its heads', async () => {
    await make('hf', 'hf-mixed', 'init:0', load('mixed'));
    const config = schema.parse(json('hf-mixed/config.json'));
    expect([config.vision_config.hidden_act, config.text_config.hidden_act]).toEqual(['gelu', 'quick_gelu']);
    await make('hf', 'hf-thin', 'init:0', load('thin'));
    expect(json('hf-thin/config.json').vision_config.num_attention_heads).toBe(4);
    await make('hf', 'hf-deep', 'init:0', load('deep'));
    const deep = json('hf-deep/config.json');
    expect(deep.vision_config.intermediate_size).toBe(150);
    expect(deep.text_config.intermediate_size).toBe(4 * 128);
  });

  it('leaves the tokenizer out where none fits, and says so', async () => {
    await make('hf', 'hf-few', 'init:0', load('few'));
    expect(readdirSync(path('hf-few')).sort()).toEqual([
      'README.md',
      'config.json',
      'model.safetensors',
      'preprocessor_config.json',
    ]);
    expect(text('hf-few/README.md')).toContain('none fits a vocabulary of 40');
    expect(text('hf-few/README.md')).toContain('CLIPImageProcessor.from_pretrained');
  });

  it('refuses ResNets, with a remedy', async () => {
    const error = await make('hf', 'refused', 'init:0', load('resnet')).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(DiagnosticError);
    const [diagnostic] = (error as DiagnosticError).diagnostics;
    expect(diagnostic).toMatchObject({
      code: 'Z432',
      message: 'resnet cannot be exported as hf: its CLIPModel has vision transformers only, no ResNets',
      help: "openai and open_clip take clip's ResNets, --format zoo takes every model",
    });
    expect(diagnostic!.notes![0]).toMatch(
      /^also: CLIPModel has no name for visual\.bn1\.weight, .* and \d+ more$/,
    );
  });
});

describe('the tokenizer files', () => {
  const texts = ['a photo of a cat.', "It's  3 o'CLOCK, isn't it?", 'naïve café — 日本語 😀', '', '...!!!'];

  it.each([
    [600, 'hf'],
    [49408, 'hf-full'],
  ])('give the ids of our tokenizer for a vocabulary of %i', async (vocab, out) => {
    if (vocab === 49408) await make('hf', out, 'init:0', load('full'));
    const fast = new FastTokenizer(json(`${out}/tokenizer.json`), json(`${out}/tokenizer_config.json`));
    const own = await createTokenizer({ vocab, context: 77 });
    for (const line of texts) expect(fast.encode(line).ids).toEqual(own.encode(line));
  });

  it('list words by id and merges by rank', () => {
    const vocab = json('hf/vocab.json');
    expect(Object.keys(vocab).length).toBe(600);
    expect([vocab['!'], vocab['!</w>'], vocab.in, vocab['<|startoftext|>'], vocab['<|endoftext|>']]).toEqual([
      0, 256, 512, 598, 599,
    ]);
    const merges = text('hf/merges.txt').split('\n');
    expect(merges.slice(0, 3)).toEqual(['#version: 0.2', 'i n', 't h']);
    expect(merges.length).toBe(1 + 86 + 1);
    expect(json('hf-full/vocab.json')['cat</w>']).toBe(2368);
    expect(json('hf/special_tokens_map.json')).toEqual({
      bos_token: '<|startoftext|>',
      eos_token: '<|endoftext|>',
      pad_token: '<|endoftext|>',
      unk_token: '<|endoftext|>',
    });
    expect(json('hf/tokenizer_config.json')).toMatchObject({
      tokenizer_class: 'PreTrainedTokenizerFast',
      model_input_names: ['input_ids', 'attention_mask'],
      model_max_length: 6,
      do_lower_case: true,
    });
  });
});
