/** What the commands of the examples have in common: folders of runs, and the data with its progress. */
import { existsSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Recipe } from '../../compiler/model/types.ts';
import { runCli } from '../../zoo/cli/main.ts';
import { count, note, writeText } from '../../zoo/cli/output.ts';
import { type EmojiData, prepare } from './prepare.ts';

/** Parent of the run folders. */
export const runsFolder = join(dirname(fileURLToPath(import.meta.url)), '..', '..', 'runs');

/** As it is seen from here. */
export function shownPath(path: string): string {
  return relative(process.cwd(), path) || '.';
}

/** The first of NAME, NAME-2, … that fits. */
export function numberedFolder(runs: string, name: string, fits: (folder: string) => boolean): string {
  for (let n = 1; ; n++) {
    const folder = join(runs, n === 1 ? name : `${name}-${n}`);
    if (fits(folder)) return folder;
  }
}

/** The first without a finished run: a new one, or one to resume. */
export function chooseRunFolder(runs: string, name: string): string {
  return numberedFolder(runs, name, (folder) => !existsSync(join(folder, 'report.json')));
}

/** The mark of a finished run, so it is written whole or not at all. */
export function writeReport(folder: string, report: unknown): Promise<void> {
  return writeText(join(folder, 'report.json'), `${JSON.stringify(report, null, 2)}\n`);
}

export async function prepareData(): Promise<EmojiData> {
  let shown = 0;
  return prepare(undefined, (done, total) => {
    if (done < total && done - shown < 2000) return;
    shown = done;
    note(`prepared ${count(done)} of ${count(total)} pictures`);
  });
}

/** A verb of the command line, said and then done. @returns whether it succeeded */
export async function zooc(...args: readonly string[]): Promise<boolean> {
  note(`zooc ${args.join(' ')}`);
  await runCli(['node', 'zooc', ...args]);
  return (process.exitCode ?? 0) === 0;
}

/** The prompts that the recipe trains with; tests average over the same ones. */
export function promptsOf(recipe: Recipe): string[] {
  const { templates } = recipe.data.named;
  return Array.isArray(templates) ? templates.map(String) : ['{}'];
}
