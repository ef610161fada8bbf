/** The local zoo: models that were added under names of their own. Unlike a cache it cannot be made again, so it lies with the user's data. */
import { readdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fail } from '../../grammar/diagnostics.ts';
import { statOf } from '../../runtime/data/files/read-fully.ts';

/** `ZOOC_ZOO`, else `zooc/zoo` in `XDG_DATA_HOME` or `~/.local/share`. */
export function zooFolder(env: NodeJS.ProcessEnv = process.env): string {
  if (env.ZOOC_ZOO) return env.ZOOC_ZOO;
  return join(env.XDG_DATA_HOME || join(homedir(), '.local', 'share'), 'zooc', 'zoo');
}

/** What may name a model: nothing that could be a path. */
export function isEntryName(name: string): boolean {
  return /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/.test(name) && !/\.(zoo|json|safetensors)$/.test(name);
}

/** The package of a model; undefined where the zoo has none of the name. */
export function entryPath(name: string): string | undefined {
  const path = join(zooFolder(), name);
  return isEntryName(name) && statOf(join(path, 'model.json')) !== undefined ? path : undefined;
}

/** @throws DiagnosticError Z484 */
export function entryOrRefused(name: string): string {
  const names = entryNames();
  const help = names.length === 0 ? 'zooc zoo add EXPORT' : `it has ${names.join(', ')}`;
  return entryPath(name) ?? fail('Z484', `the local zoo has no ${JSON.stringify(name)}`, help);
}

/** In alphabetical order. */
export function entryNames(): string[] {
  const folder = zooFolder();
  if (statOf(folder)?.isDirectory() !== true) return [];
  return readdirSync(folder)
    .filter((name) => entryPath(name) !== undefined)
    .sort();
}
