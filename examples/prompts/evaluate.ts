/**
 * Accuracy on the test pictures, of learned prompts and of hand-written ones alike: a picture counts as right
 * where its class has the highest score alone.
 */

import { dirname, join } from 'node:path';
import type { Recipe } from '../../compiler/model/types.ts';
import { findFile } from '../../runtime/data/sources/open.ts';
import { openTables } from '../../runtime/data/sources/tables.ts';
import { topAccuracy } from '../../runtime/eval/metrics/classification.ts';
import { trueRanks } from '../../runtime/eval/zeroshot.ts';
import { closing } from '../../zoo/cli/closing.ts';
import { promptsOf } from '../../zoo/evaluate/prompts.ts';
import type { Executor } from '../../zoo/run/devices.ts';
import type { Encoder } from '../../zoo/run/encoder.ts';
import { openEntry } from '../../zoo/run/entry.ts';
import { openWeights } from '../../zoo/weights/weights.ts';
import { entryRanks, loadPixels } from '../entry-scores.ts';
import { classNames, type Labelled } from './task.ts';

/** Test pictures and where they lie. */
export interface TestSet {
  readonly folder: string;
  readonly pictures: readonly Labelled[];
}

const pathsOf = ({ folder, pictures }: TestSet): string[] =>
  pictures.map(({ picture }) => join(folder, picture));
const truthOf = ({ pictures }: TestSet): number[] => pictures.map(({ label }) => label);

/** Of prompts written by hand, the mean of their features where there are several. */
export async function handWritten(
  encoder: Encoder,
  test: TestSet,
  prompts: readonly string[],
): Promise<number> {
  const images = await encoder.encodeImages(pathsOf(test));
  const texts = await encoder.encodePrompts(promptsOf(classNames, { templates: prompts }));
  return topAccuracy(trueRanks(images, texts, encoder.embed, truthOf(test)), 1);
}

/** Measures prompts that runs learned: the pictures are decoded once, for the first of them. */
export function learnedTest(test: TestSet) {
  const truth = truthOf(test);
  let pixels: Promise<Float32Array> | undefined;
  return async (executor: Executor, recipe: Recipe, weightsPath: string): Promise<number> => {
    const { model, inputs, tables, source } = recipe;
    pixels ??= loadPixels(pathsOf(test), model);
    const pictures = { truth, pixels: await pixels };
    const fed = await openTables(tables, inputs, (name) => findFile(name, dirname(source.path)));
    const batch = 64;
    return closing(async (keep) => {
      const weights = keep(await openWeights(model, weightsPath));
      const request = { entry: 'forward', batch, mode: 'eval', gradients: false } as const;
      const entry = keep(await openEntry(executor, model, weights, request));
      const ranks = await entryRanks(entry, fed, pictures, batch);
      return topAccuracy(ranks.get('scores')!, 1);
    });
  };
}
