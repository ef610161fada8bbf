/**
 * ONNX for onnxruntime and transformers.js: `onnx/model.onnx` for texts with pictures, `text_model.onnx` and
 * `vision_model.onnx` for one kind alone, beside the files by which transformers.js prepares both.
 *
 * Graphs come from the entries of the model, whatever blocks it is made of. Source of names and suffixes:
 * github.com/huggingface/transformers.js, src/models/session.js, src/utils/dtypes.js.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { vocabularyOf } from '../../../compiler/model/index.ts';
import type { Model } from '../../../compiler/model/types.ts';
import { hasTokenizer } from '../../../runtime/data/texts/tokenizer.ts';
import type { LazyTensor } from '../../weights/formats/tensor-file.ts';
import type { FloatChoice } from '../../weights/weights.ts';
import type { OnnxModel } from '../onnx/onnx-graph.ts';
import { pairModel, pictureModel, type Towers, textModel, tracedTowers } from '../onnx/towers.ts';
import { protobufLimit, weightBytes, writeOnnx } from '../onnx/write-onnx.ts';
import { preprocessorConfig } from './hf.ts';
import { hubTags, jsonText, type Layout } from './layout.ts';
import { tokenizerFiles, tokenizerLimits } from './tokenizer-files.ts';

/** The classes of transformers.js: with a bias, logits are of single pairs, as SigLIP's. */
type Family = 'clip' | 'siglip';

/** What its classes of one tower give, the one that they are documented with first. */
const outputNames = {
  clip: { pictures: ['image_embeds'], texts: ['text_embeds'] },
  siglip: { pictures: ['pooler_output', 'image_embeds'], texts: ['pooler_output', 'text_embeds'] },
} as const satisfies Record<Family, Record<keyof Towers, readonly string[]>>;

function modelsOf(model: Model, { pictures, texts }: Towers, family: Family, half: boolean) {
  const names = outputNames[family];
  const models = new Map<string, OnnxModel>();
  if (pictures !== undefined && texts !== undefined)
    models.set('model', pairModel(model, { pictures, texts }, half));
  if (texts !== undefined) models.set('text_model', textModel(texts, names.texts, half));
  if (pictures !== undefined) models.set('vision_model', pictureModel(pictures, names.pictures, half));
  return models;
}

/** What transformers.js is told; without a type of elements it would look for quantised files in browsers. */
function configOf(family: Family, half: boolean, large: readonly string[]): Record<string, unknown> {
  return {
    model_type: family,
    'transformers.js_config': {
      dtype: half ? 'fp16' : 'fp32',
      ...(large.length === 0
        ? {}
        : { use_external_data_format: Object.fromEntries(large.map((name) => [name, 1])) }),
    },
  };
}

function javascript({ pictures, texts }: Towers, family: Family, tokenizer: boolean): string {
  const names = outputNames[family];
  const [Text, Vision] =
    family === 'clip'
      ? ['CLIPTextModelWithProjection', 'CLIPVisionModelWithProjection']
      : ['SiglipTextModel', 'SiglipVisionModel'];
  const withTexts = texts !== undefined && tokenizer;
  const lines = ["env.localModelPath = './'; // in this folder", 'env.allowRemoteModels = false;'];
  const imported = ['env'];
  if (pictures !== undefined && withTexts) {
    imported.push('pipeline');
    lines.push(
      "const classify = await pipeline('zero-shot-image-classification', '.');",
      "console.log(await classify('picture.jpg', ['a cat', 'a dog']));",
    );
  }
  if (withTexts) {
    imported.push('AutoTokenizer', Text!);
    lines.push(
      "const tokenizer = await AutoTokenizer.from_pretrained('.');",
      `const texts = await ${Text}.from_pretrained('.');`,
      "const ids = tokenizer(['a cat', 'a dog'], { padding: 'max_length', truncation: true });",
      `console.log((await texts(ids)).${names.texts[0]}.dims);`,
    );
  }
  if (pictures !== undefined) {
    imported.push('AutoProcessor', Vision!, 'RawImage');
    lines.push(
      "const processor = await AutoProcessor.from_pretrained('.');",
      `const pictures = await ${Vision}.from_pretrained('.');`,
      "const pixels = await processor(await RawImage.read('picture.jpg'));",
      `console.log((await pictures(pixels)).${names.pictures[0]}.dims);`,
    );
  }
  return `import { ${imported.join(', ')} } from '@huggingface/transformers';\n\n${lines.join('\n')}`;
}

function python({ pictures, texts }: Towers, file: (name: string) => string): string {
  const feeds: string[] = [];
  if (texts !== undefined) feeds.push(`"input_ids": np.zeros((2, ${texts.input.sizes[0]}), np.int64)`);
  if (pictures !== undefined)
    feeds.push(`"pixel_values": np.zeros((1, ${pictures.input.sizes.join(', ')}), np.float32)`);
  const name = texts === undefined ? 'vision_model' : pictures === undefined ? 'text_model' : 'model';
  return `import numpy as np
import onnxruntime

session = onnxruntime.InferenceSession("${file(name)}")
results = session.run(None, {${feeds.join(', ')}})
print({o.name: r.shape for o, r in zip(session.get_outputs(), results)})`;
}

function useText(
  towers: Towers,
  family: Family,
  vocab: number | undefined,
  file: (name: string) => string,
): string {
  const tokenizer = vocab !== undefined && hasTokenizer(vocab);
  const scripts = tokenizer || towers.pictures !== undefined;
  const limits = tokenizer ? `\n${tokenizerLimits}` : '';
  const none =
    vocab !== undefined && !tokenizer
      ? `\nNo tokenizer goes along: none fits a vocabulary of ${vocab}.\n`
      : '';
  return `${scripts ? `\`\`\`js\n${javascript(towers, family, tokenizer)}\n\`\`\`\n\n` : ''}\`\`\`python
${python(towers, file)}
\`\`\`

Every input takes any number of rows, and texts of any length up to the context: the graph fills them with zeros.
${none}${limits}`;
}

export async function onnxLayout(
  model: Model,
  tensors: readonly LazyTensor[],
  floats: FloatChoice,
  limit = protobufLimit,
): Promise<Layout> {
  const towers = tracedTowers(model);
  const half = floats === 'F16';
  const family: Family = model.weights.some((w) => w.name === 'logit_bias') ? 'siglip' : 'clip';
  const models = modelsOf(model, towers, family, half);
  const file = (name: string) => `onnx/${name}${half ? '_fp16' : ''}.onnx`;
  const byName = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  const large = [...models].flatMap(([name, m]) => (weightBytes(m, byName) > limit ? [name] : []));
  const { texts, pictures } = towers;
  const vocab = texts && vocabularyOf(texts.input);
  const context = texts?.input.sizes[0];
  return {
    texts: new Map([
      ['config.json', jsonText(configOf(family, half, large))],
      ...(pictures === undefined
        ? []
        : [
            [
              'preprocessor_config.json',
              jsonText(preprocessorConfig(pictures.input.sizes[1]!, model.normalization)),
            ] as const,
          ]),
      ...(vocab !== undefined && hasTokenizer(vocab) ? await tokenizerFiles(vocab, context!, 'zero') : []),
    ]),
    async write(folder) {
      await mkdir(join(folder, 'onnx'));
      const written: string[] = [];
      for (const [name, onnx] of models)
        written.push(...(await writeOnnx(join(folder, file(name)), name, onnx, byName, limit)));
      return written.map((name) => `onnx/${name}`);
    },
    card: {
      use: useText(towers, family, vocab, file),
      frontMatter: ['library_name: transformers.js', ...hubTags],
    },
  };
}
