/** The tests of a run as results that its report shows, with pictures that were told wrong. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { reportName, writeReport as writePage } from '../../runtime/report/node/write.ts';
import type { Evaluation as Results, WrongExample } from '../../runtime/report/types.ts';
import { writeText } from '../../zoo/cli/output.ts';
import type { Answer, Evaluation } from './evaluate.ts';

/** Pictures of a test whose own caption was not found best. */
function wrongAmong(answers: readonly Answer[]): WrongExample[] {
  return answers
    .filter(({ caption, best }) => best[0]?.caption !== caption)
    .map(({ picture, caption, best }) => ({
      picture: `data:image/png;base64,${readFileSync(picture).toString('base64')}`,
      truth: caption,
      best: best.map((b) => ({ label: b.caption, probability: b.probability })),
    }));
}

export function resultsOf({ scores, combinations, style }: Evaluation): Results[] {
  const wrong = new Map([
    ['unseen combinations', combinations],
    ['unseen style (OpenMoji)', style],
  ]);
  return scores.map(({ name, pictures, top1, top5 }) => {
    const answers = wrong.get(name);
    return {
      dataset: name,
      task: 'zeroshot',
      n: pictures,
      metrics: { acc1: top1, acc5: top5 },
      ...(answers === undefined ? {} : { wrong: wrongAmong(answers) }),
    };
  });
}

/** `results.json` beside the run, and its report anew. */
export async function reportResults(folder: string, evaluation: Evaluation): Promise<void> {
  await writeText(join(folder, 'results.json'), `${JSON.stringify(resultsOf(evaluation))}\n`);
  await writePage(join(folder, reportName), [folder]);
}
