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
import { type Family, outputNames, useText } from '../onnx/card.ts';
import { writeOnnx } from '../onnx/onnx-file.ts';
import type { OnnxModel, Storage } from '../onnx/onnx-graph.ts';
import { pairModel, pictureModel, type Towers, textModel, tracedTowers } from '../onnx/towers.ts';
import { protobufLimit, weightBytes } from '../onnx/write-onnx.ts';
import { preprocessorConfig } from './hf.ts';
import { hubTags, jsonText, type Layout, type StoredForm } from './layout.ts';
import { tokenizerFiles } from './tokenizer-files.ts';

function modelsOf(model: Model, { pair, pictures, texts }: Towers, family: Family, storage: Storage) {
  const names = outputNames[family];
  const models = new Map<string, OnnxModel>();
  if (pair !== undefined) models.set('model', pairModel(model, pair, storage));
  if (texts !== undefined) models.set('text_model', textModel(texts, names.texts, storage));
  if (pictures !== undefined) models.set('vision_model', pictureModel(pictures, names.pictures, storage));
  return models;
}

/** What transformers.js calls a storage, and how the files of one end. */
const dialects = {
  f32: { dtype: 'fp32', suffix: '' },
  f16: { dtype: 'fp16', suffix: '_fp16' },
  q8: { dtype: 'q8', suffix: '_quantized' },
} as const satisfies Record<Storage, { readonly dtype: string; readonly suffix: string }>;

/** Files of such an export, below its folder: graphs, and weights that lie beside one. */
export const onnxFiles: readonly string[] = Object.values(dialects).flatMap(({ suffix }) =>
  ['model', 'text_model', 'vision_model'].flatMap((name) => {
    const graph = `onnx/${name}${suffix}.onnx`;
    return [graph, `${graph}_data`];
  }),
);

/** What transformers.js is told; without a type of elements it would look for quantised files in browsers. */
function configOf(family: Family, storage: Storage, large: readonly string[]): Record<string, unknown> {
  return {
    model_type: family,
    'transformers.js_config': {
      dtype: dialects[storage].dtype,
      ...(large.length === 0
        ? {}
        : { use_external_data_format: Object.fromEntries(large.map((name) => [name, 1])) }),
    },
  };
}

export async function onnxLayout(
  model: Model,
  tensors: readonly LazyTensor[],
  form: StoredForm,
  limit = protobufLimit,
): Promise<Layout> {
  const towers = tracedTowers(model);
  const storage: Storage = form === 'Q8' ? 'q8' : form === 'F16' ? 'f16' : 'f32';
  const family: Family = model.weights.some((w) => w.name === 'logit_bias') ? 'siglip' : 'clip';
  const models = modelsOf(model, towers, family, storage);
  const file = (name: string) => `onnx/${name}${dialects[storage].suffix}.onnx`;
  const byName = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  const large = [...models].flatMap(([name, m]) => (weightBytes(m, byName) > limit ? [name] : []));
  const { texts, pictures } = towers;
  const vocab = texts && vocabularyOf(texts.input);
  const context = texts?.input.sizes[0];
  return {
    texts: new Map([
      ['config.json', jsonText(configOf(family, storage, large))],
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
      use: useText(model, towers, { family, storage, file }),
      frontMatter: ['library_name: transformers.js', ...hubTags],
    },
  };
}
