/**
 * What stands on the command line, or in a recipe of the user's, and lies elsewhere: fetched before it is opened. Only here is anything
 * fetched; a name in a file that was downloaded is never.
 */
import type { Recipe } from '../../compiler/model/types.ts';
import { statOf } from '../../runtime/data/files/read-fully.ts';
import { isHubName } from '../hub/names.ts';
import type { Pulled } from '../hub/pull.ts';
import { entryPath } from '../local/folder.ts';
import { isForeign } from '../run/foreign.ts';
import { isRule } from '../weights/source.ts';
import { access } from './access.ts';
import { note } from './output.ts';

/** The package of the local zoo that a name means: of nothing that is there under this name, or a rule. */
export function localEntry(spec: string): string | undefined {
  return isRule(spec) || statOf(spec) !== undefined ? undefined : entryPath(spec);
}

export async function fetched(spec: string, refresh = false): Promise<Pulled> {
  const { pull } = await import('../hub/pull.ts');
  return pull(spec, { offline: access.offline, refresh, note });
}

/** Weights or a base as they are to be opened and recorded: a name of a hub with its commit. */
export async function fetchedWeights<T extends string | undefined>(spec: T): Promise<T | string> {
  if (spec === undefined) return spec;
  return isHubName(spec) ? (await fetched(spec)).name : (localEntry(spec) ?? spec);
}

/** The file or folder that is meant. */
export async function fetchedPath(spec: string): Promise<string> {
  return isHubName(spec) ? (await fetched(spec)).path : (localEntry(spec) ?? spec);
}

/** What a recipe starts from, unless it came with a package: that one may only name what was pulled. */
export async function fetchStart({ from, source }: Recipe): Promise<void> {
  if (isForeign(source.path)) return;
  const paths =
    from?.kind === 'file' ? [from.path] : from?.kind === 'files' ? from.files.map((f) => f.path) : [];
  for (const path of paths) await fetchedPath(path);
}
