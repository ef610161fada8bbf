/** Everything that reads what a stranger may have written. */
import { pictureReaders } from './kinds/pictures.ts';
import { programReaders } from './kinds/programs.ts';
import { runReaders } from './kinds/runs.ts';
import { textReaders } from './kinds/texts.ts';
import { weightReaders } from './kinds/weights.ts';
import type { Reader } from './reader.ts';
import type { Part } from './worker.ts';

export const table = new URL(import.meta.url);

export const readers: readonly Reader[] = [
  ...weightReaders,
  ...textReaders,
  ...runReaders,
  ...programReaders,
  ...pictureReaders,
];

/** `inputs` in all, for each reader its share, at least one. */
export function partsOf(inputs: number, chosen: readonly Reader[] = readers): Part[] {
  const all = chosen.reduce((sum, { share }) => sum + share, 0);
  return chosen.map(({ name, share }) => ({
    reader: name,
    first: 0,
    end: Math.ceil((inputs * share) / all),
  }));
}
