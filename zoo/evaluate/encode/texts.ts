/** Features of texts and of classes, kept in a cache by what they are made of. */
import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { statOf } from '../../../runtime/data/files/read-fully.ts';
import { allNumbers, bytesOf, type Collective } from '../../../runtime/dist/collective.ts';
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
  /** The ranks that encode them. */
  readonly group: Collective;
  /** Of classes, by their prompts: data sets of one evaluation share them. */
  readonly classes: Map<string, Promise<Matrix | undefined>>;
}

const tensorName = 'features';

/** Rows of a batch of texts: a rank encodes whole batches. */
export const textRows = 64;

function pathOf(what: unknown, { identity, cache }: TextOptions): string | undefined {
  return cache === undefined ? undefined : join(cache, 'texts', `${digestOf([identity, what])}.safetensors`);
}

async function load(path: string): Promise<Matrix> {
  const file = await openSafetensors(path);
  try {
    const { data, shape } = await file.read(tensorName);
    return { data: data as Float32Array, rows: shape[0]!, width: shape[1]! };
  } finally {
    await file.close();
  }
}

async function store(path: string, { data, rows, width }: Matrix): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeSafetensors(path, [{ name: tensorName, dtype: 'F32', shape: [rows, width], data }]);
}

/**
 * What `make` gives, from the cache where it was made before. All ranks call it; the first one decides whether it was,
 * and gets the result.
 */
async function cached(
  what: unknown,
  options: TextOptions,
  make: () => Promise<Matrix>,
): Promise<Matrix | undefined> {
  const { group } = options;
  const path = pathOf(what, options);
  const there = path !== undefined && group.rank === 0 && statOf(path) !== undefined;
  const [[known]] = (await allNumbers(group, 'whether texts are encoded', [there ? 1 : 0])) as [[number]];
  if (known === 1) return group.rank === 0 ? load(path!) : undefined;
  const made = await make();
  if (path !== undefined && group.rank === 0) await store(path, made);
  return made;
}

/** Each rank encodes its batches of the texts, and all get all. */
async function encodeAmong(
  texts: readonly string[],
  { embed, encodeTexts }: TextEncoding,
  group: Collective,
): Promise<Float32Array> {
  if (group.size === 1) return encodeTexts(texts);
  const share = Math.ceil(texts.length / group.size / textRows) * textRows;
  const own = await encodeTexts(texts.slice(group.rank * share, (group.rank + 1) * share));
  const sent = new Float32Array(share * embed);
  sent.set(own);
  const all = new Float32Array(sent.length * group.size);
  await group.allGather('features of texts', bytesOf(sent), bytesOf(all));
  return all.subarray(0, texts.length * embed);
}

/** One feature for each class, of length 1. @param prompts of each class */
export function classMatrix(
  prompts: readonly (readonly string[])[],
  options: TextOptions,
): Promise<Matrix | undefined> {
  const key = digestOf(prompts);
  const made =
    options.classes.get(key) ??
    cached({ prompts }, options, async () => {
      const encoder = await options.encoder();
      const encode = (texts: readonly string[]) => encodeAmong(texts, encoder, options.group);
      const data = await classFeatures(encode, prompts, encoder.embed);
      return { data, rows: prompts.length, width: encoder.embed };
    });
  options.classes.set(key, made);
  return made;
}

/** One feature for each text, of length 1. */
export function textMatrix(texts: readonly string[], options: TextOptions): Promise<Matrix | undefined> {
  return cached({ texts }, options, async () => {
    const encoder = await options.encoder();
    const { embed } = encoder;
    const data = normalizeRows(await encodeAmong(texts, encoder, options.group), embed);
    return { data, rows: texts.length, width: embed };
  });
}
