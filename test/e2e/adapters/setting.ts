/** What the tests of adapters share: a workspace with models, a trained run and its adapter, and calls on them. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { expect } from 'vitest';
import { readSafetensors, type Tensor } from '../../../zoo/weights/formats/safetensors.ts';
import { fixedBatches, loraSettings, tinyZoo, Workspace } from '../harness.ts';

export const workspace = new Workspace();

const sizes = { resolution: 16, context: 8, vocab: 520 };

const source = `import adapters { LoRALinear }
import prompts { CoOp }
import clip { ModifiedResNet }
${tinyZoo}
model "lora" = "tiny" with "visual.**.mlp.c_fc" as LoRALinear(rank = 4)
model "both" = "lora" with "transformer.**.mlp.c_fc" as LoRALinear(rank = 2)
model "picture" = VisionTransformer(resolution = 16, patch = 8, width = 32, layers = 1, heads = 2, embed = 16)
model "resnet" = CLIP(
  vision = ModifiedResNet(layers = [1, 1, 1, 1], width = 4, resolution = 32, embed = 16),
  text = TextTransformer(context = 8, vocab = 520, width = 32, layers = 1, heads = 2, embed = 16)
)
model "prompted" = CoOp(
  vision = VisionTransformer(resolution = 16, patch = 8, width = 32, layers = 1, heads = 2, embed = 16),
  text = TextTransformer(context = 8, vocab = 520, width = 32, layers = 1, heads = 2, embed = 16),
  classes = 3,
  context = 8,
  width = 32,
  length = 2
)
train "t" of "lora" {${loraSettings}}
train "parts" of "lora" {${loraSettings}  from { "**" = "adapter" }
}
train "prompt" of "prompted" {
  data = tensors("classes.safetensors")
  objective = classify
  batch = 4
  optimizer = sgd(lr = 0.1)
  schedule = constant(warmup = 1 steps)
  init prompt_learner.ctx = normal(0.02)
  freeze "logit_scale", "positional_embedding", "text_projection", "token_embedding.**", "visual.**", "transformer.**", "ln_final.**"
}
`;

export const zooc = (...args: string[]) => workspace.succeed(args);

export async function refused(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await workspace.call(args);
  expect([code, stdout], stderr).toEqual([1, '']);
  return stderr;
}

export const bytesOf = (name: string) => readFileSync(workspace.path(name));
export const tensorsOf = (name: string) => readSafetensors(bytesOf(name)).tensors;
export const sha256 = (name: string) => createHash('sha256').update(bytesOf(name)).digest('hex');
export const manifestOf = (folder: string) => JSON.parse(bytesOf(`${folder}/model.json`).toString());

export const exportTo = (out: string, from: string, model: string, format: string, ...more: string[]) =>
  zooc('export', from, '--model', `lora.zoo#${model}`, '--format', format, '--out', out, ...more);

export const call = (model: string, weights: readonly string[], out: string, entry = 'logits') => [
  ...['run', model, ...weights, '--entry', entry, '--inputs', 'hash', '--batch', '2'],
  ...['--device', 'reference', '--out', out],
];

/** What an entry gives with these weights. */
export async function outputOf(weights: readonly string[], model = 'lora.zoo#lora', entry?: string) {
  const { stderr } = await zooc(...call(model, weights, 'out.safetensors', entry));
  return { output: bytesOf('out.safetensors'), stderr };
}

export const layer = 'visual.transformer.resblocks.0.mlp.c_fc';
export const added = [`${layer}.lora_A`, `${layer}.lora_B`];

export const changed = (name: string, other: string) => workspace.changed(name, other);

/**
 * Writes the programs and their data, then makes `base` (also `published`, for other projects), `other` of the same model, the run
 * `whole` that began with `base`, and its `adapter`.
 */
export async function prepare(): Promise<void> {
  const batches = fixedBatches(2, 4, sizes);
  workspace.writeTensors('batches.safetensors', batches);
  workspace.writeTensors(
    'classes.safetensors',
    new Map<string, Tensor>([
      ['images', batches.get('images')!],
      ['label', { dtype: 'I32', shape: [2, 4], data: Int32Array.of(0, 1, 2, 0, 1, 2, 0, 1) }],
      [
        'prompts',
        {
          dtype: 'I32',
          shape: [3, 8],
          data: Int32Array.from([7, 9, 11].flatMap((name) => [518, name, 5, 519, 0, 0, 0, 0])),
        },
      ],
    ]),
  );
  workspace.write('lora.zoo', source);
  await exportTo('base', 'init:3', 'tiny', 'zoo');
  await exportTo('published', 'init:3', 'tiny', 'hf');
  await exportTo('other', 'init:4', 'tiny', 'zoo');
  await zooc('train', 'lora.zoo#t', '--weights', 'base', '--out', 'whole', '--steps', '4');
  const { stderr } = await exportTo('adapter', 'whole', 'lora', 'adapter');
  expect(stderr).toContain('2 of 40 weights are not those of base: 2.5 KiB of 197.3 KiB\n');
}
