/**
 * Makes the tables that the recipe reads: `classes.txt`, one name a line, and a tab-separated table of pictures
 * for each number of shots and each seed. The pictures are those of the emoji example.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { dataFolder as pictureFolder } from '../emoji/prepare.ts';
import { classNames, drawShots, type Labelled, seeds, shotCounts, type Task } from './task.ts';

export const dataFolder = join(dirname(fileURLToPath(import.meta.url)), 'data');

export function shotsTable(shots: number, seed: number): string {
  return `shots-${shots}-seed-${seed}.csv`;
}

/** With a header line; paths are relative to the table, names hold no tabs, quotes or line breaks. */
function table(list: readonly Labelled[], folder: string): string {
  const pictures = relative(folder, pictureFolder).split(sep).join('/');
  const lines = list.map(({ picture, label }) => `${pictures}/${picture}\t${classNames[label]}`);
  return `filepath\tclass\n${lines.join('\n')}\n`;
}

/** By file name. */
export function tablesOf(task: Task, folder: string = dataFolder): Map<string, string> {
  const shots = shotCounts.flatMap((count) =>
    seeds.map((seed): [string, string] => [
      shotsTable(count, seed),
      table(drawShots(task, count, seed), folder),
    ]),
  );
  return new Map([['classes.txt', `${classNames.join('\n')}\n`], ...shots]);
}

export function writeTables(tables: ReadonlyMap<string, string>, folder: string = dataFolder): void {
  mkdirSync(folder, { recursive: true });
  for (const [name, text] of tables) writeFileSync(join(folder, name), text);
}
