/**
 * Zero-shot accuracy of a model by its entry `scores`: which of the held-out captions fits a held-out picture
 * best.
 *
 * Both the pictures and the captions are those of the emoji example's unseen combinations. Of the two drawings
 * that each held-out emoji has, every second emoji gives the one and the others give the other.
 */
import { join } from 'node:path';
import type { Model } from '../../compiler/model/types.ts';
import { createTokenizer } from '../../runtime/data/texts/tokenizer.ts';
import { topAccuracy } from '../../runtime/eval/metrics/classification.ts';
import { closing } from '../../zoo/cli/closing.ts';
import type { Executor } from '../../zoo/run/devices.ts';
import { openEntry } from '../../zoo/run/entry.ts';
import type { WeightSource } from '../../zoo/weights/source.ts';
import type { EmojiData } from '../emoji/prepare.ts';
import { alternateStyles } from '../emoji/tables.ts';
import { entryRanks, loadPixels } from '../entry-scores.ts';
import type { Accuracy } from './curves.ts';

export interface ZeroShotTest {
  /** Of different pictures, so that a picture's caption is its class. */
  readonly captions: readonly string[];
  /** Index of each picture's caption. */
  readonly truth: readonly number[];
  /** `[pictures, 3, side, side]` */
  readonly pixels: Float32Array;
}

export async function openTest(data: EmojiData, model: Model): Promise<ZeroShotTest> {
  const rows = alternateStyles(data.holdout);
  const captions = rows.map((row) => row.title);
  const paths = rows.map((row) => join(data.folder, row.filepath));
  return { captions, truth: captions.map((_, i) => i), pixels: await loadPixels(paths, model) };
}

/** Captions as the table that the entry `scores` takes. */
async function promptTable(model: Model, captions: readonly string[]): Promise<Int32Array> {
  const scores = model.entries.find((entry) => entry.name === 'scores')!;
  const { sizes, ids } = scores.inputs.find((input) => input.name === 'prompts')!;
  const [rows, context] = sizes as [number, number];
  if (rows !== captions.length)
    throw new Error(`${model.name} scores ${rows} captions, and there are ${captions.length}`);
  const { encodeInto } = await createTokenizer({ vocab: ids!.max + 1, context });
  const table = new Int32Array(rows * context);
  for (const [row, caption] of captions.entries())
    encodeInto(table.subarray(row * context, (row + 1) * context), caption);
  return table;
}

/**
 * The accuracy of each output of the entry `scores`, by name.
 * @param batch pictures at a time; the last, incomplete batch is filled up with zeros
 */
export async function zeroShot(
  executor: Executor,
  model: Model,
  weights: WeightSource,
  pictures: ZeroShotTest,
  batch: number,
): Promise<Record<string, Accuracy>> {
  const prompts = await promptTable(model, pictures.captions);
  return closing(async (keep) => {
    const request = { entry: 'scores', batch, mode: 'eval', gradients: false } as const;
    const entry = keep(await openEntry(executor, model, weights, request));
    const tables = new Map([['prompts', prompts]]);
    const ranks = await entryRanks(entry, tables, pictures, batch);
    return Object.fromEntries(
      [...ranks].map(([name, list]) => [name, { top1: topAccuracy(list, 1), top5: topAccuracy(list, 5) }]),
    );
  });
}
