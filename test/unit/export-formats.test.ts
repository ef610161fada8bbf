/**
 * Exports for other projects' loaders: files, names, shapes, values and configurations against what those loaders expect,
 * written out by hand for a model of one layer a tower.
 */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { Tokenizer as FastTokenizer } from '@huggingface/tokenizers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { resolveModel } from '../../compiler/model/index.ts';
import type { Model } from '../../compiler/model/types.ts';
import { DiagnosticError } from '../../grammar/diagnostics.ts';
import { narrowF16 } from '../../runtime/data/half.ts';
import { createTokenizer } from '../../runtime/data/tokenizer.ts';
import { exportForeign, exportPackage, type ForeignFormat } from '../../zoo/export/index.ts';
import { mapTensor } from '../../zoo/export/map-tensor.ts';
import { pickleStateDict } from '../../zoo/formats/pickle-writer.ts';
import { readSafetensors, type Tensor, writeSafetensors } from '../../zoo/formats/safetensors.ts';
import { writeTorchArchive } from '../../zoo/formats/torch-archive.ts';
import { nodeHost } from '../../zoo/host.ts';
import { type FloatChoice, openWeights } from '../../zoo/weights.ts';
import { readTorch, readZip, unpickle } from '../support/torch-reader.ts';

const tiny = `import clip { CLIP, VisionTransformer, TextTransformer, ModifiedResNet }
import nn { Linear, gelu, silu }

block Pixels(resolution: int, embed: int) {
  out: Linear(3 * resolution * resolution, embed)

  forward(image: [B, 3, resolution, resolution]) -> [B, embed] = out(rearrange(image, [b, c, h, w] -> [b, (c h w)]))
}

fn quick_gelu(x: [...]) -> [...] = 2.0 * x

model "tiny" = CLIP(
  vision = VisionTransformer(resolution = 8, patch = 4, width = 64, layers = 1, embed = 5),
  text = TextTransformer(context = 6, vocab = 600, width = 128, layers = 1, embed = 5)
)
model "full" = "tiny" with text.vocab = 49408, text.width = 64, text.context = 77
model "few" = "tiny" with text.vocab = 40
model "thin" = "tiny" with vision.heads = 4
model "erf" = "tiny" with vision.act = gelu, text.act = gelu
model "deep" = "tiny" with vision.hidden = 150
model "mixed" = "tiny" with vision.act = gelu
model "swish" = "tiny" with vision.act = silu, text.act = relu
model "own" = "tiny" with vision.act = quick_gelu
model "custom" = CLIP(
  vision = Pixels(resolution = 8, embed = 5),
  text = TextTransformer(context = 6, vocab = 600, width = 64, layers = 1, embed = 5)
)
model "resnet" = CLIP(
  vision = ModifiedResNet(layers = [1, 1, 1, 1], width = 4, resolution = 32, embed = 5),
  text = TextTransformer(context = 6, vocab = 600, width = 64, layers = 1, embed = 5)
)
model "wide" = "resnet" with vision.width = 8, vision.heads = 8
`;

const host = nodeHost();
let folder: string;
let model: Model;
/** The tiny model's weights, half of them as F16, one as BF16: what a keeping export must keep. */
let mixed: Map<string, Tensor>;
const path = (name: string) => join(folder, name);

function load(name: string): Model {
  const result = resolveModel(host, `${path('tiny.zoo')}#${name}`);
  if (!result.ok) throw new Error(result.diagnostics.map((d) => d.message).join('\n'));
  return result.value;
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'zooc-formats-'));
  writeFileSync(path('tiny.zoo'), tiny);
  model = load('tiny');
  const source = await openWeights(model, 'init:5');
  mixed = new Map();
  for (const [i, weight] of model.weights.entries()) {
    const dtype = weight.name === 'ln_final.weight' ? 'BF16' : i % 2 === 0 ? 'F16' : 'F32';
    mixed.set(weight.name, { dtype, shape: weight.shape, data: await source.read(weight) });
  }
  await writeSafetensors(path('mixed.safetensors'), mixed);
  mixed = readSafetensors(readFileSync(path('mixed.safetensors'))).tensors;
});
afterAll(() => rmSync(folder, { recursive: true }));

function make(format: ForeignFormat, out: string, source: string, of = model, floats?: FloatChoice) {
  const request = { source, model: of, out: path(out), ...(floats === undefined ? {} : { floats }) };
  return exportForeign(request, format);
}

const json = (name: string) => JSON.parse(readFileSync(path(name), 'utf8'));
const text = (name: string) => readFileSync(path(name), 'utf8');
const bytesOf = (data: Tensor['data']) => Buffer.from(data.buffer, data.byteOffset, data.byteLength);
const shapesOf = (tensors: ReadonlyMap<string, { shape: readonly number[] }>) =>
  Object.fromEntries([...tensors].map(([name, { shape }]) => [name, shape]));

const resblock = (prefix: string, width: number): [string, number[]][] => [
  [`${prefix}.attn.in_proj_weight`, [3 * width, width]],
  [`${prefix}.attn.in_proj_bias`, [3 * width]],
  [`${prefix}.attn.out_proj.weight`, [width, width]],
  [`${prefix}.attn.out_proj.bias`, [width]],
  [`${prefix}.ln_1.weight`, [width]],
  [`${prefix}.ln_1.bias`, [width]],
  [`${prefix}.mlp.c_fc.weight`, [4 * width, width]],
  [`${prefix}.mlp.c_fc.bias`, [4 * width]],
  [`${prefix}.mlp.c_proj.weight`, [width, 4 * width]],
  [`${prefix}.mlp.c_proj.bias`, [width]],
  [`${prefix}.ln_2.weight`, [width]],
  [`${prefix}.ln_2.bias`, [width]],
];

/** The state_dict of OpenAI's CLIP, in its order. */
const openaiNames: [string, number[]][] = [
  ['positional_embedding', [6, 128]],
  ['text_projection', [128, 5]],
  ['logit_scale', []],
  ['input_resolution', []],
  ['context_length', []],
  ['vocab_size', []],
  ['visual.class_embedding', [64]],
  ['visual.positional_embedding', [5, 64]],
  ['visual.proj', [64, 5]],
  ['visual.conv1.weight', [64, 3, 4, 4]],
  ['visual.ln_pre.weight', [64]],
  ['visual.ln_pre.bias', [64]],
  ...resblock('visual.transformer.resblocks.0', 64),
  ['visual.ln_post.weight', [64]],
  ['visual.ln_post.bias', [64]],
  ...resblock('transformer.resblocks.0', 128),
  ['token_embedding.weight', [600, 128]],
  ['ln_final.weight', [128]],
  ['ln_final.bias', [128]],
];

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

const tokenizerFiles = [
  'merges.txt',
  'special_tokens_map.json',
  'tokenizer.json',
  'tokenizer_config.json',
  'vocab.json',
];

describe('the openai format', () => {
  it('is a checkpoint with the state_dict of OpenAI, its three integers and a card', async () => {
    const made = await make('openai', 'openai', path('mixed.safetensors'));
    expect(readdirSync(path('openai')).sort()).toEqual(['README.md', 'model.pt']);
    const file = readFileSync(path('openai/model.pt'));
    expect(made).toMatchObject({ format: 'openai', name: 'tiny', files: { 'model.pt': file.length } });
    const tensors = readTorch(file);
    expect([...tensors].map(([name, { shape }]) => [name, shape])).toEqual(openaiNames);
    const integer = (name: string) => [
      tensors.get(name)!.storage,
      tensors.get(name)!.bytes.readBigInt64LE().toString(),
    ];
    expect(integer('input_resolution')).toEqual(['torch.LongStorage', '8']);
    expect(integer('context_length')).toEqual(['torch.LongStorage', '6']);
    expect(integer('vocab_size')).toEqual(['torch.LongStorage', '600']);
    expect(tensors.get('visual.conv1.weight')!.stride).toEqual([48, 16, 4, 1]);
    expect(tensors.get('logit_scale')!.stride).toEqual([]);
  });

  it('keeps every stored bit, of F16 and BF16 too', () => {
    const tensors = readTorch(readFileSync(path('openai/model.pt')));
    const raw = readFileSync(path('mixed.safetensors'));
    const start = 8 + Number(raw.readBigUInt64LE());
    const header = JSON.parse(raw.toString('utf8', 8, start));
    const storages = { F32: 'torch.FloatStorage', F16: 'torch.HalfStorage', BF16: 'torch.BFloat16Storage' };
    let compared = 0;
    for (const [name, { dtype, data_offsets: at }] of Object.entries(header) as [
      string,
      { dtype: keyof typeof storages; data_offsets: [number, number] },
    ][]) {
      const { storage, bytes } = tensors.get(name)!;
      expect(storage).toBe(storages[dtype]);
      expect(bytes.equals(raw.subarray(start + at[0], start + at[1]))).toBe(true);
      compared++;
    }
    expect(compared).toBe(openaiNames.length - 3);
  });

  it('stores its entries uncompressed, with right checksums, in the order of torch.save', () => {
    const entries = readZip(readFileSync(path('openai/model.pt')));
    expect(entries.map((e) => e.name)).toEqual([
      'archive/data.pkl',
      'archive/byteorder',
      ...openaiNames.map((_, i) => `archive/data/${i}`),
      'archive/version',
    ]);
    for (const { method, crc, bytes } of entries) expect([method, crc]).toEqual([0, crc32(bytes)]);
    expect(entries[1]!.bytes.toString()).toBe('little');
    expect(entries.at(-1)!.bytes.toString()).toBe('3\n');
  });

  it('writes the same bytes again', async () => {
    await make('openai', 'openai-again', path('mixed.safetensors'));
    expect(readFileSync(path('openai-again/model.pt')).equals(readFileSync(path('openai/model.pt')))).toBe(
      true,
    );
  });

  it('tells in its card how the checkpoint is loaded and which tokens it takes', () => {
    expect(text('openai/README.md')).toContain('build_model(torch.load("model.pt", map_location="cpu"))');
    expect(text('openai/README.md')).toContain('does not fit this vocabulary of 600');
  });

  it('writes ResNets with the counters of their batch norms', async () => {
    await make('openai', 'openai-resnet', 'init:1', load('resnet'));
    const tensors = readTorch(readFileSync(path('openai-resnet/model.pt')));
    expect(tensors.get('visual.layer1.0.downsample.1.num_batches_tracked')).toMatchObject({
      storage: 'torch.LongStorage',
      shape: [],
    });
    expect(tensors.get('input_resolution')!.bytes.readBigInt64LE()).toBe(32n);
  });

  it.each([
    ['thin', 'vision.heads is 4 for 64 channels; its loader takes one head for every 64'],
    ['erf', 'vision.act is gelu; its code has quick_gelu only'],
    ['deep', 'vision.hidden is 150 for 64 channels; its loader takes 4 times the width'],
    ['wide', 'vision.heads is 8 for 256 channels; its loader takes one head for every 64'],
  ])('refuses %s, which its loader would rebuild as another model', async (name, message) => {
    await expect(make('openai', 'refused', 'init:0', load(name))).rejects.toThrow(
      `Z432: ${name} cannot be exported as openai: ${message}`,
    );
  });
});

describe('the open_clip format', () => {
  const numbers = z.int().positive();
  /** Fields of open_clip's `CLIP.__init__`, `CLIPVisionCfg`, `CLIPTextCfg` and `PreprocessCfg` that an export uses. */
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
    for (const [name, { dtype, data }] of mixed) {
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
  });

  it('refuses towers with different activations', async () => {
    await expect(make('open_clip', 'refused', 'init:0', load('mixed'))).rejects.toThrow(
      'vision.act is gelu and text.act is quick_gelu; its configuration has one activation',
    );
  });
});

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
    expect(text('hf/README.md')).toContain('CLIPModel.from_pretrained(".")');
  });

  it('has the names of transformers, cut and turned, every bit kept', () => {
    const { tensors, metadata } = readSafetensors(readFileSync(path('hf/model.safetensors')));
    expect(metadata.get('format')).toBe('pt');
    expect(shapesOf(tensors)).toEqual(Object.fromEntries(hfNames));
    const same = (theirs: string, ours: string, values: ArrayLike<number>) => {
      expect(tensors.get(theirs)!.dtype).toBe(mixed.get(ours)!.dtype);
      expect(Array.from(tensors.get(theirs)!.data as Float32Array)).toEqual(Array.from(values));
    };
    const ours = (name: string) => mixed.get(name)!.data as Float32Array;
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
      tokenizer_class: 'CLIPTokenizer',
      model_max_length: 6,
      do_lower_case: true,
    });
  });
});

describe('the element type of an export', () => {
  it('is changed where asked, in every format', async () => {
    await make('hf', 'hf16', 'init:5', model, 'F16');
    const { tensors } = readSafetensors(readFileSync(path('hf16/model.safetensors')));
    expect(new Set([...tensors.values()].map((t) => t.dtype))).toEqual(new Set(['F16']));
    expect(json('hf16/config.json').torch_dtype).toBe('float16');

    await make('openai', 'openai16', 'init:5', model, 'F16');
    const exact = await (await openWeights(model, 'init:5')).read(
      model.weights.find((w) => w.name === 'visual.proj')!,
    );
    const half = readTorch(readFileSync(path('openai16/model.pt'))).get('visual.proj')!;
    expect([half.storage, half.bytes.equals(bytesOf(narrowF16(exact)))]).toEqual(['torch.HalfStorage', true]);

    await make('open_clip', 'open_clip32', path('mixed.safetensors'), model, 'F32');
    const wide = readSafetensors(readFileSync(path('open_clip32/open_clip_model.safetensors'))).tensors;
    for (const [name, { data }] of mixed) {
      expect(wide.get(name)!.dtype).toBe('F32');
      expect(bytesOf(wide.get(name)!.data).equals(bytesOf(data))).toBe(true);
    }

    await exportPackage({ source: path('mixed.safetensors'), model, out: path('zoo16'), floats: 'F16' });
    const packed = readSafetensors(readFileSync(path('zoo16/weights.safetensors'))).tensors;
    expect(packed.get('visual.proj')!.dtype).toBe('F16');
  });

  it('comes back bit for bit: F16, then f32, then f16', async () => {
    await make('open_clip', 'again16', path('open_clip32/open_clip_model.safetensors'), model, 'F16');
    const again = readSafetensors(readFileSync(path('again16/open_clip_model.safetensors'))).tensors;
    let halves = 0;
    for (const [name, { dtype, data }] of mixed) {
      if (dtype !== 'F16') continue;
      expect(bytesOf(again.get(name)!.data).equals(bytesOf(data))).toBe(true);
      halves++;
    }
    expect(halves).toBeGreaterThan(10);
  });

  it.each([
    ['openai', 'openai'],
    ['open_clip', 'openai'],
    ['hf', 'hf'],
  ] as const)('survives the way out and in again: %s', async (format, naming) => {
    const weights = await openWeights(model, path(format), { format });
    expect(weights.naming).toBe(naming);
    for (const weight of model.weights) {
      const { dtype, data } = mixed.get(weight.name)!;
      expect(weights.storedDtype(weight)).toBe(dtype);
      expect(bytesOf(await weights.read(weight)).equals(bytesOf(data))).toBe(true);
    }
    await weights.close();
  });

  it('is refused where f16 would make a number infinite; nothing is left behind', async () => {
    const large = new Map(mixed);
    const scale = { dtype: 'F32' as const, shape: [], data: Float32Array.of(70000) };
    await writeSafetensors(path('large.safetensors'), large.set('logit_scale', scale));
    const before = readdirSync(folder);
    for (const format of ['openai', 'open_clip', 'hf'] as const)
      await expect(make(format, 'new/large', path('large.safetensors'), model, 'F16')).rejects.toThrow(
        'Z433: logit_scale holds 70000, which f16 cannot: its largest number is 65504',
      );
    expect(readdirSync(folder)).toEqual(before);
  });
});

describe('what no format can express', () => {
  it.each(['openai', 'open_clip', 'hf'] as const)('is listed, and %s writes nothing', async (format) => {
    const before = readdirSync(folder);
    const refusal = async (name: string) => {
      const error = await make(format, 'refused', 'init:0', load(name)).catch((e: unknown) => e);
      expect(error).toBeInstanceOf(DiagnosticError);
      const [{ code, message, notes = [] }] = (error as DiagnosticError).diagnostics as [
        DiagnosticError['diagnostics'][number],
      ];
      expect(code).toBe('Z432');
      return [message, ...notes];
    };
    const file = path('tiny.zoo');
    const noName = 'only quick_gelu and gelu have a name there';
    expect((await refusal('custom'))[0]).toBe(
      `custom cannot be exported as ${format}: the image tower is Pixels of ${file}, not clip's VisionTransformer or ModifiedResNet`,
    );
    expect(await refusal('swish')).toEqual([
      `swish cannot be exported as ${format}: vision.act is silu of package nn; ${noName}`,
      `also: text.act is the built-in relu; ${noName}`,
    ]);
    // A function of the user's own, called like the library's.
    expect((await refusal('own'))[0]).toContain(`vision.act is quick_gelu of ${file}; ${noName}`);
    expect(readdirSync(folder)).toEqual(before);
  });

  it('names the weights that no rule maps', async () => {
    const error = await make('hf', 'refused', 'init:0', load('custom')).catch((e: unknown) => e);
    expect((error as DiagnosticError).diagnostics[0]!.notes).toEqual([
      'also: CLIPModel has no name for visual.out.weight, visual.out.bias',
    ]);
  });
});

describe('the folder of an export', () => {
  it('is never one that holds something', async () => {
    mkdirSync(path('taken'));
    writeFileSync(path('taken/mine.txt'), 'mine');
    for (const format of ['openai', 'open_clip', 'hf'] as const)
      await expect(make(format, 'taken', 'init:0')).rejects.toThrow('Z431');
    expect(readdirSync(path('taken'))).toEqual(['mine.txt']);
  });

  it('is not made when weights are missing or a parent is a file', async () => {
    const before = readdirSync(folder);
    await expect(make('openai', 'new/deep', path('none.safetensors'))).rejects.toThrow('Z410');
    await expect(make('hf', 'tiny.zoo/new', 'init:0')).rejects.toThrow('Z413');
    await expect(make('hf', 'new', path('mixed.safetensors'), load('full'))).rejects.toThrow('Z401');
    expect(readdirSync(folder)).toEqual(before);
  });

  it('is made with its parents', async () => {
    await make('openai', 'a/b/c', 'init:0');
    expect(existsSync(path('a/b/c/model.pt'))).toBe(true);
  });
});

describe('transforms of a name map', () => {
  const tensor = (shape: number[]) => ({
    name: 'w',
    dtype: 'F32' as const,
    shape,
    data: async () => Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => i),
  });
  const apply = async (
    shape: number[],
    theirs: string[],
    transforms: Parameters<typeof mapTensor>[1]['transforms'],
  ) =>
    Promise.all(
      mapTensor(tensor(shape), { ours: 'w', theirs, transforms }).map(async (t) => [
        t.shape,
        Array.from((await t.data()) as Float32Array),
      ]),
    );

  it('cut along any axis and turn matrices, in the order written', async () => {
    expect(await apply([2, 4], ['a', 'b'], [{ kind: 'split', axis: 1 }])).toEqual([
      [
        [2, 2],
        [0, 1, 4, 5],
      ],
      [
        [2, 2],
        [2, 3, 6, 7],
      ],
    ]);
    expect(await apply([4, 2], ['a', 'b'], [{ kind: 'transpose' }, { kind: 'split', axis: 0 }])).toEqual([
      [
        [1, 4],
        [0, 2, 4, 6],
      ],
      [
        [1, 4],
        [1, 3, 5, 7],
      ],
    ]);
  });

  it('read a tensor once for all of its parts', async () => {
    let reads = 0;
    const counted = { ...tensor([6]), data: async () => Float32Array.of(0, 1, 2, 3, 4, ++reads) };
    const parts = mapTensor(counted, {
      ours: 'w',
      theirs: ['a', 'b', 'c'],
      transforms: [{ kind: 'split', axis: 0 }],
    });
    for (const part of parts) await part.data();
    expect(reads).toBe(1);
  });
});

describe('PyTorch archives', () => {
  it('write sizes of every width', () => {
    const sizes = [255, 256, 65535, 65536, 2 ** 31 - 1, 2 ** 31, 2 ** 40];
    const code = pickleStateDict(sizes.map((n) => ({ name: `t${n}`, dtype: 'F32' as const, shape: [n] })));
    const elements = [...unpickle(code)].map(([, { args }]) => [args[0].persistent[4], args[2][0]]);
    expect(elements).toEqual(sizes.map((n) => [n, n]));
  });

  it('appear whole or not at all', async () => {
    const tensors = [0, 1].map((i) => ({
      name: `t${i}`,
      dtype: 'F32' as const,
      shape: [2],
      data: async () => {
        if (i === 1)
          throw new DiagnosticError([{ code: 'Z410', severity: 'error', message: 'the disk is gone' }]);
        return Float32Array.of(1, 2);
      },
    }));
    const before = readdirSync(folder);
    await expect(writeTorchArchive(path('broken.pt'), tensors)).rejects.toThrow('Z410: the disk is gone');
    expect(readdirSync(folder)).toEqual(before);
  });
});
