/** Features of texts and of classes, kept in a cache by what they are made of. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { statOf } from '../../../runtime/data/files/read-fully.ts';
import { classFeatures, normalizeRows } from '../../../runtime/eval/zeroshot.ts';
import { openSafetensors, writeSafetensors } from '../../weights/formats/safetensors.ts';
import type { Matrix } from '../data/feature-files.ts';
import { digestOf } from '../identity.ts';

interface TextEncoding {
  /** Length of a feature. */
  readonly embed: number;
  /** Features of length 1, [n, embed]. */
  encodeTexts(texts: readonly string[]): Promise<Float32Array>;
}

export interface TextOptions {
  /** Opened when there is something to encode. */
  encoder(): Promise<TextEncoding>;
  /** Of the model, its weights and where it is computed. */
  readonly identity: string;
  readonly cache: string | undefined;
  /** Of classes, by their prompts: data sets of one evaluation share them. */
  readonly classes: Map<string, Promise<Matrix>>;
}

const tensorName = 'features';

/** What `make` gives, from the cache where it was made before. */
async function cached(
  what: unknown,
  { identity, cache }: TextOptions,
  make: () => Promise<Matrix>,
): Promise<Matrix> {
  if (cache === undefined) return make();
  const folder = join(cache, 'texts');
  const path = join(folder, `${digestOf([identity, what])}.safetensors`);
  if (statOf(path) !== undefined) {
    const file = await openSafetensors(path);
    try {
      const { data, shape } = await file.read(tensorName);
      return { data: data as Float32Array, rows: shape[0]!, width: shape[1]! };
    } finally {
      await file.close();
    }
  }
  const made = await make();
  await mkdir(folder, { recursive: true });
  const { data, rows, width } = made;
  await writeSafetensors(path, [{ name: tensorName, dtype: 'F32', shape: [rows, width], data }]);
  return made;
}

/** One feature for each class, of length 1. @param prompts of each class */
export function classMatrix(prompts: readonly (readonly string[])[], options: TextOptions): Promise<Matrix> {
  const key = digestOf(prompts);
  const made =
    options.classes.get(key) ??
    cached({ prompts }, options, async () => {
      const { embed, encodeTexts } = await options.encoder();
      const data = await classFeatures(encodeTexts, prompts, embed);
      return { data, rows: prompts.length, width: embed };
    });
  options.classes.set(key, made);
  return made;
}

/** One feature for each text, of length 1. */
export function textMatrix(texts: readonly string[], options: TextOptions): Promise<Matrix> {
  return cached({ texts }, options, async () => {
    const { embed, encodeTexts } = await options.encoder();
    return { data: normalizeRows(await encodeTexts(texts), embed), rows: texts.length, width: embed };
  });
}
