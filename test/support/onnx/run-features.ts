/** What `zooc run` gives of the pictures and texts that the exported graphs are fed, on the reference. */
import type { Model } from '../../../compiler/model/types.ts';
import { type EntryRequest, openEntry } from '../../../zoo/run/entry.ts';
import type { WeightSource } from '../../../zoo/weights/source.ts';
import { openWeights } from '../../../zoo/weights/weights.ts';
import { feedsOf, type OnnxModelName, onnxModel, paddedTexts } from './onnx-cases.ts';

const reference = { kind: 'reference', name: 'reference', close: () => {} } as const;

/** A model as it is run: by default with the hash's weights. */
interface Run {
  readonly model: Model;
  readonly weights: WeightSource;
  readonly extend?: EntryRequest['extend'];
}

/** Features of length 1, pictures and texts each in a batch of their own, and the logits, by the names of the graphs' outputs. */
export async function runFeatures(name: OnnxModelName, how?: Run): Promise<Record<string, number[]>> {
  const { model, weights, extend } = how ?? {
    model: onnxModel(name),
    weights: await openWeights(onnxModel(name), 'hash'),
  };
  const { pictures, texts } = feedsOf(model);
  const of = async (entry: string, input: string, batch: number, data: Float32Array | Int32Array) => {
    const ready = await openEntry(reference, model, weights, {
      ...{ entry, batch, mode: 'eval', gradients: false },
      ...(extend === undefined ? {} : { extend }),
    });
    const [result] = (await ready.run(new Map([[input, data]]))).values();
    return Array.from({ length: batch }, (_, row) => {
      const width = result!.data.length / batch;
      const values = [...result!.data.slice(row * width, (row + 1) * width)];
      const length = Math.hypot(...values);
      return values.map((v) => v / length);
    });
  };
  const image = await of('encode_image', 'images', 3, pictures.data);
  const text = await of('encode_text', 'tokens', 2, paddedTexts(texts, model.context!));
  const number = async (weight: string) => {
    const found = model.weights.find((w) => w.name === weight);
    return found === undefined ? 0 : (await weights.read(found))[0]!;
  };
  const [scale, bias] = [Math.exp(await number('logit_scale')), await number('logit_bias')];
  const cosine = (a: number[], b: number[]) => a.reduce((sum, x, i) => sum + x * b[i]!, 0);
  return {
    logits_per_image: image.flatMap((i) => text.map((t) => scale * cosine(i, t) + bias)),
    logits_per_text: text.flatMap((t) => image.map((i) => scale * cosine(i, t) + bias)),
    text_embeds: text.flat(),
    image_embeds: image.flat(),
  };
}
