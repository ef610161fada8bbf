/**
 * What an export says about its model: sizes, preprocessing, tokenizer, training; for the
 * manifest and the model card.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import type { Model } from '../../compiler/model/types.ts';
import { fail } from '../../grammar/diagnostics.ts';
import { readText } from '../../runtime/data/files/read-fully.ts';
import { hasTokenizer } from '../../runtime/data/texts/tokenizer.ts';
import { describeRun } from '../../runtime/train/node/run-folder.ts';
import { isOwnPackage, type Manifest, readManifest, type TrainingSummary } from '../weights/package.ts';

/** The manifest without what it says about files. */
export type Description = Omit<Manifest, 'files'>;

/** What a run folder, or a package made from one, tells about its training; undefined for anything else. */
export async function readTraining(source: string): Promise<TrainingSummary | undefined> {
  if (isOwnPackage(source)) return (await readManifest(source)).training;
  const metrics = join(source, 'metrics.jsonl');
  if (!existsSync(metrics)) return undefined;
  const run = await describeRun(source);
  if (run === undefined) return undefined;
  const rows = (await readText(metrics, 'Z430')).split('\n');
  const last = rows.findLast((line) => line.endsWith('}'));
  if (last === undefined) return undefined;
  const row = rowOf(last);
  if (row === undefined)
    fail(
      'Z613',
      `${metrics}, line ${rows.lastIndexOf(last) + 1}: the last row does not say its step and loss as numbers`,
      'remove the line',
    );
  const { recipe } = run;
  return { steps: row.step + 1, loss: row.loss, ...(recipe === undefined ? {} : { recipe }) };
}

const rowSchema = z.object({ step: z.int().nonnegative(), loss: z.number() });

/** Undefined for a line that is damaged. */
function rowOf(line: string): z.infer<typeof rowSchema> | undefined {
  try {
    return rowSchema.parse(JSON.parse(line));
  } catch {
    return undefined;
  }
}

export function describe(model: Model, name: string, training: TrainingSummary | undefined): Description {
  const { resolution, normalization, context, vocab, embed } = model;
  return {
    format: 1,
    name,
    reference: `model.zoo#${name}`,
    parameters: model.parameters,
    ...(embed === undefined ? {} : { embed }),
    config: Object.fromEntries(
      [...model.config].map(([path, value]) => [path, Array.isArray(value) ? [...value] : value]),
    ) as Manifest['config'],
    ...(resolution === undefined
      ? {}
      : {
          preprocessing: {
            resolution,
            resize: 'bicubic, short side' as const,
            crop: 'centre' as const,
            mean: [...normalization.mean],
            std: [...normalization.std],
          },
        }),
    ...(context === undefined || vocab === undefined || !hasTokenizer(vocab)
      ? {}
      : { tokenizer: { kind: 'clip-bpe' as const, vocab, context, sot: vocab - 2, eot: vocab - 1 } }),
    ...(training === undefined ? {} : { training }),
  };
}
