/** Test pictures through an entry that scores classes or captions, and where the true ones stand. */
import type { Model } from '../compiler/model/types.ts';
import { loadImage, makeNormalizer } from '../runtime/data/pictures/images.ts';
import { rankOf } from '../runtime/eval/metrics/classification.ts';
import type { HostArray } from '../runtime/types.ts';
import type { ReadyEntry } from '../zoo/run/entry.ts';

/** Pictures as a model sees them, `[pictures, 3, side, side]`. */
export async function loadPixels(
  paths: readonly string[],
  { resolution, normalization }: Pick<Model, 'resolution' | 'normalization'>,
): Promise<Float32Array> {
  const side = resolution!;
  const normalize = makeNormalizer(normalization);
  const size = 3 * side * side;
  const pixels = new Float32Array(paths.length * size);
  await Promise.all(
    paths.map(async (path, i) => pixels.set(await loadImage(path, { size: side }, normalize), i * size)),
  );
  return pixels;
}

/**
 * The rank of each picture's true choice, by output `[batch, choices]` of an entry that takes `images`.
 * @param tables what else the entry is fed
 * @param batch pictures at a time; the last, incomplete batch is filled up with zeros
 */
export async function entryRanks(
  entry: ReadyEntry,
  tables: ReadonlyMap<string, HostArray>,
  { pixels, truth }: { readonly pixels: Float32Array; readonly truth: readonly number[] },
  batch: number,
): Promise<Map<string, number[]>> {
  const ranks = new Map<string, number[]>();
  const size = pixels.length / truth.length;
  for (let start = 0; start < truth.length; start += batch) {
    const images = new Float32Array(batch * size);
    images.set(pixels.subarray(start * size, (start + batch) * size));
    for (const [name, { data }] of await entry.run(new Map([...tables, ['images', images]]))) {
      const list = ranks.get(name) ?? [];
      ranks.set(name, list);
      const choices = data.length / batch;
      for (const [i, right] of truth.slice(start, start + batch).entries())
        list.push(rankOf(data.subarray(i * choices, (i + 1) * choices) as Float32Array, right));
    }
  }
  return ranks;
}
