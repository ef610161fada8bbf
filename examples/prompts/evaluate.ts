/**
 * Accuracy on the test pictures, of learned prompts and of hand-written ones alike: a picture counts as right
 * where its class has the highest score alone.
 */
import { dirname, join } from 'node:path';
import type { Recipe } from '../../compiler/model/types.ts';
import { loadImage } from '../../runtime/data/pictures/images.ts';
import { findFile } from '../../runtime/data/sources/open.ts';
import { openTables } from '../../runtime/data/sources/tables.ts';
import { topAccuracy, trueRank, trueRanks } from '../../runtime/eval/zeroshot.ts';
import { closing } from '../../zoo/cli/closing.ts';
import type { Executor } from '../../zoo/run/devices.ts';
import type { Encoder } from '../../zoo/run/encoder.ts';
import { openEntry } from '../../zoo/run/entry.ts';
import { openWeights } from '../../zoo/weights/weights.ts';
import { classNames, type Labelled } from './task.ts';

/** Test pictures and where they lie. */
export interface TestSet {
  readonly folder: string;
  readonly pictures: readonly Labelled[];
}

/** Of prompts written by hand, the mean of their features where there are several. */
export async function handWritten(
  encoder: Encoder,
  { folder, pictures }: TestSet,
  prompts: readonly string[],
): Promise<number> {
  const images = await encoder.encodeImages(pictures.map(({ picture }) => join(folder, picture)));
  const texts = await encoder.encodePrompts(classNames, prompts);
  const truth = pictures.map(({ label }) => label);
  return topAccuracy(trueRanks(images, texts, encoder.embed, truth), 1);
}

/** Of the prompts that a run of `recipe` learned; a last, incomplete batch is filled with zeros. */
export async function learned(
  executor: Executor,
  recipe: Recipe,
  weightsPath: string,
  { folder, pictures }: TestSet,
): Promise<number> {
  const { model, inputs, tables, source } = recipe;
  const find = (name: string) => findFile(name, dirname(source.path));
  const fed = await openTables(tables, inputs, find);
  const { name, sizes } = inputs.find(({ name }) => name === 'images')!;
  const side = sizes[1]!;
  const row = 3 * side ** 2;
  const batch = 64;
  return closing(async (keep) => {
    const weights = keep(await openWeights(model, weightsPath));
    const request = { entry: 'forward', batch, mode: 'eval', gradients: false } as const;
    const entry = keep(await openEntry(executor, model, weights, request));
    const ranks: number[] = [];
    for (let start = 0; start < pictures.length; start += batch) {
      const part = pictures.slice(start, start + batch);
      const pixels = new Float32Array(batch * row);
      for (const [i, { picture }] of part.entries())
        pixels.set(await loadImage(join(folder, picture), side), i * row);
      const scores = (await entry.run(new Map([...fed, [name, pixels]]))).get('scores')!;
      for (const [i, { label }] of part.entries()) {
        const own = scores.data.subarray(i * classNames.length, (i + 1) * classNames.length);
        ranks.push(trueRank(own as Float32Array, label));
      }
    }
    return topAccuracy(ranks, 1);
  });
}
