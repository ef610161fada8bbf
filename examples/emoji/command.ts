/** What the commands of the examples have in common: folders of runs, and the data with its progress. */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Recipe } from '../../compiler/model/types.ts';
import { count, note } from '../../zoo/cli/output.ts';
import { type EmojiData, prepare } from './prepare.ts';

/** Parent of the run folders. */
export const runsFolder = join(dirname(fileURLToPath(import.meta.url)), '..', '..', 'runs');

/** The first of NAME, NAME-2, … without a finished run: a new one, or one to resume. */
export function chooseRunFolder(runs: string, name: string): string {
  for (let n = 1; ; n++) {
    const folder = join(runs, n === 1 ? name : `${name}-${n}`);
    if (!existsSync(join(folder, 'report.json'))) return folder;
  }
}

export async function prepareData(): Promise<EmojiData> {
  let shown = 0;
  return prepare(undefined, (done, total) => {
    if (done < total && done - shown < 2000) return;
    shown = done;
    note(`prepared ${count(done)} of ${count(total)} pictures`);
  });
}

/** The prompts that the recipe trains with; tests average over the same ones. */
export function promptsOf(recipe: Recipe): string[] {
  const { templates } = recipe.data.named;
  return Array.isArray(templates) ? templates.map(String) : ['{}'];
}
