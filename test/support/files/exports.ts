/**
 * Models of one layer a tower to export, a folder for what is written, and what the files of their exports
 * are to hold.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import { resolveModel } from '../../../compiler/model/index.ts';
import type { Model } from '../../../compiler/model/types.ts';
import { exportForeign, type ForeignFormat } from '../../../zoo/export/index.ts';
import { nodeHost } from '../../../zoo/host.ts';
import { readSafetensors, type Tensor, writeSafetensors } from '../../../zoo/weights/formats/safetensors.ts';
import { type FloatChoice, openWeights } from '../../../zoo/weights/weights.ts';

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

/**
 * A folder of its own for the exports of one test file, with the models in `tiny.zoo` and weights in
 * `mixed.safetensors`.
 */
export class ExportFolder {
  readonly folder = mkdtempSync(join(tmpdir(), 'zooc-formats-'));
  readonly model: Model;
  /** The tiny model's weights, half of them as F16, one as BF16: what a keeping export must keep. */
  mixed: ReadonlyMap<string, Tensor> = new Map();

  constructor() {
    writeFileSync(this.path('tiny.zoo'), tiny);
    this.model = this.load('tiny');
    beforeAll(() => this.#writeMixed());
    afterAll(() => rmSync(this.folder, { recursive: true }));
  }

  readonly path = (name: string) => join(this.folder, name);

  readonly load = (name: string): Model => {
    const result = resolveModel(nodeHost(), `${this.path('tiny.zoo')}#${name}`);
    if (!result.ok) throw new Error(result.diagnostics.map((d) => d.message).join('\n'));
    return result.value;
  };

  readonly make = (
    format: ForeignFormat,
    out: string,
    source: string,
    model = this.model,
    floats?: FloatChoice,
  ) =>
    exportForeign(
      { source, model, out: this.path(out), ...(floats === undefined ? {} : { floats }) },
      format,
    );

  readonly text = (name: string) => readFileSync(this.path(name), 'utf8');
  readonly json = (name: string) => JSON.parse(this.text(name));

  async #writeMixed(): Promise<void> {
    const source = await openWeights(this.model, 'init:5');
    const weights = new Map<string, Tensor>();
    for (const [i, weight] of this.model.weights.entries()) {
      const dtype = weight.name === 'ln_final.weight' ? 'BF16' : i % 2 === 0 ? 'F16' : 'F32';
      weights.set(weight.name, { dtype, shape: weight.shape, data: await source.read(weight) });
    }
    await writeSafetensors(this.path('mixed.safetensors'), weights);
    this.mixed = readSafetensors(readFileSync(this.path('mixed.safetensors'))).tensors;
  }
}

export const bytesOf = (data: Tensor['data']) => Buffer.from(data.buffer, data.byteOffset, data.byteLength);
export const shapesOf = (tensors: ReadonlyMap<string, { shape: readonly number[] }>) =>
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
export const openaiNames: [string, number[]][] = [
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

/** What every export brings whose tokenizer is not its loader's own. */
export const tokenizerFiles = [
  'merges.txt',
  'special_tokens_map.json',
  'tokenizer.json',
  'tokenizer_config.json',
  'vocab.json',
];
