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
import { type Family, outputNames, useText } from '../onnx/card.ts';
import { writeOnnx } from '../onnx/onnx-file.ts';
import type { OnnxModel } from '../onnx/onnx-graph.ts';
import { pairModel, pictureModel, type Towers, textModel, tracedTowers } from '../onnx/towers.ts';
import { protobufLimit, weightBytes } from '../onnx/write-onnx.ts';
import { preprocessorConfig } from './hf.ts';
import { hubTags, jsonText, type Layout } from './layout.ts';
import { tokenizerFiles } from './tokenizer-files.ts';

function modelsOf(model: Model, { pair, pictures, texts }: Towers, family: Family, half: boolean) {
  const names = outputNames[family];
  const models = new Map<string, OnnxModel>();
  if (pair !== undefined) models.set('model', pairModel(model, pair, half));
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
