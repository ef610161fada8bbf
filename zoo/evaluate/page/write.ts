/** Writes the page of results beside their JSON. */
import { writeText } from '../../../runtime/data/files/atomic.ts';
import { pageAssets } from '../../../runtime/report/node/assets.ts';
import type { Encoder } from '../../run/encoder.ts';
import type { Evaluated } from '../evaluate.ts';
import type { Baselines } from '../robustness.ts';
import { classResults, confusionMatrix } from './confusion.ts';
import { type PageSet, renderResults } from './page.ts';
import { wrongPictures } from './wrong.ts';

/** Classes up to which a matrix of all pairs can be read. */
const mostClasses = 40;

export async function writeResultsPage(
  out: string,
  evaluated: readonly Evaluated[],
  baselines: readonly Baselines[],
  logits: Pick<Encoder, 'scale' | 'bias'>,
): Promise<void> {
  const sets: PageSet[] = [];
  for (const one of evaluated)
    sets.push({
      result: one.result,
      classes: classResults(one),
      confusion: confusionMatrix(one, mostClasses),
      wrong: await wrongPictures(one, logits),
    });
  await writeText(out, renderResults(sets, baselines, await pageAssets()));
}
