/**
 * Compares a few pictures with a few captions by the weights of a checkpoint, for the logs of a run: the entry `logits`
 * on the device that trains, opened for the moment and closed again.
 */

import { entryFlops } from '../../compiler/flops.ts';
import { isPicture, isText, vocabularyOf } from '../../compiler/model/index.ts';
import type { Model, ModelInput } from '../../compiler/model/types.ts';
import { averagePrefix } from '../../compiler/optimizers.ts';
import { denormalized, makeNormalizer } from '../../runtime/data/pictures/images.ts';
import { openSafetensors, type SafetensorsFile } from '../../runtime/data/safetensors/file.ts';
import { createTokenizer, hasTokenizer } from '../../runtime/data/texts/tokenizer.ts';
import { mostPictures, type PictureJudge } from '../../runtime/train/node/pictures/board.ts';
import { plainDtype, type WeightSource } from '../weights/source.ts';
import type { Executor } from './devices.ts';
import { softmax } from './encoder.ts';
import { openEntry } from './entry.ts';

const output = 'logits_per_image';
/**
 * On a software adapter, what a second of the reference does: there a driver compiles for seconds what runs once in a
 * few checkpoints.
 */
const quickFlops = 5e8;

/** The weights of a model in a checkpoint: their moving averages where it has some. */
function checkpointWeights(path: string, file: SafetensorsFile): WeightSource {
  const nameOf = (name: string) => (file.infos.has(averagePrefix + name) ? averagePrefix + name : name);
  return {
    description: path,
    remarks: [],
    storedShape: ({ name }) => file.infos.get(nameOf(name))?.shape,
    storedDtype: plainDtype,
    read: async ({ name }) =>
      Float32Array.from((await file.read(nameOf(name))).data as ArrayLike<number | bigint>, Number),
    close: () => file.close(),
  };
}

async function textOf(tokens: Int32Array, input: ModelInput): Promise<string> {
  const vocab = vocabularyOf(input);
  const last = tokens.findLastIndex((id) => id !== 0);
  if (vocab === undefined || !hasTokenizer(vocab)) return `ids ${tokens.slice(0, last + 1).join(' ')}`;
  const { decode } = await createTokenizer({ vocab, context: tokens.length });
  // The marks of start and end are the largest ids.
  return decode([...tokens.slice(0, last + 1)].filter((id) => id < vocab - 2))
    .replaceAll('</w>', ' ')
    .replace(/\s+([,.:;!?])/g, '$1')
    .trim();
}

/**
 * A judge for models with an entry `logits` of one picture and one text; undefined for others, and where everything is
 * computed in double precision, which is for checks.
 */
export function pictureJudge(executor: Executor, model: Model): PictureJudge | undefined {
  const entry = model.entries.find(({ name }) => name === 'logits');
  const [image, text, ...more] = [...(entry?.inputs ?? [])].sort(
    (a, b) => Number(isPicture(b)) - Number(isPicture(a)),
  );
  const fits = image !== undefined && text !== undefined && isPicture(image) && isText(text);
  if (executor.kind !== 'device' || !fits || more.length > 0) return undefined;
  if (!entry!.outputs.some(({ name }) => name === output)) return undefined;
  const software = executor.device.profile.kind === 'cpu';
  const onReference = software && entryFlops(model, 'logits', mostPictures) < quickFlops;
  // Nothing is tuned for a handful of pictures.
  const { tune: _, ...onDevice } = executor;
  const judging: Executor = onReference
    ? { kind: 'reference', name: 'reference', close: () => {} }
    : onDevice;
  const normalize = makeNormalizer(model.normalization);
  const side = image.sizes[1]!;
  const context = text.sizes[0]!;
  return {
    images: image.name,
    tokens: text.name,
    ...{ side, context },
    bytesOf: (values) => denormalized(values, model.normalization),
    textOf: (tokens) => textOf(tokens, text),
    async judge(path, pictures, tokens) {
      const batch = pictures.length;
      const file = await openSafetensors(path);
      try {
        const weights = checkpointWeights(path, file);
        const request = { entry: 'logits', batch, mode: 'eval', gradients: false } as const;
        const ready = await openEntry(judging, model, weights, request);
        try {
          const values = new Float32Array(batch * 3 * side * side);
          for (const [i, bytes] of pictures.entries()) normalize(values, i * 3 * side * side, bytes);
          const ids = new Int32Array(batch * context);
          for (const [i, row] of tokens.entries()) ids.set(row, i * context);
          const results = await ready.run(
            new Map<string, Float32Array | Int32Array>([
              [image.name, values],
              [text.name, ids],
            ]),
          );
          const logits = results.get(output)!.data;
          return Float32Array.from(
            pictures.flatMap((_, i) => softmax([...logits.subarray(i * batch, (i + 1) * batch)], 1)),
          );
        } finally {
          ready.close();
        }
      } finally {
        await file.close();
      }
    },
  };
}
