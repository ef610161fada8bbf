/**
 * What stands on the command line, or in a recipe of the user's, and lies elsewhere: fetched before it is opened. Only here is anything
 * fetched; a name in a file that was downloaded is never.
 */
import type { Recipe } from '../../compiler/model/types.ts';
import { isHubName } from '../hub/names.ts';
import type { Pulled } from '../hub/pull.ts';
import { isForeign } from '../run/foreign.ts';
import { note } from './output.ts';

/** `--offline`, of every verb. */
export const access = { offline: false };

export async function fetched(spec: string, refresh = false): Promise<Pulled> {
  const { pull } = await import('../hub/pull.ts');
  return pull(spec, { offline: access.offline, refresh, note });
}

/** Weights or a base as they are to be opened and recorded: a name of a hub with its commit. */
export async function fetchedWeights<T extends string | undefined>(spec: T): Promise<T | string> {
  return spec !== undefined && isHubName(spec) ? (await fetched(spec)).name : spec;
}

/** The file or folder that is meant. */
export async function fetchedPath(spec: string): Promise<string> {
  return isHubName(spec) ? (await fetched(spec)).path : spec;
}

/** What a recipe starts from, unless it came with a package: that one may only name what was pulled. */
export async function fetchStart({ from, source }: Recipe): Promise<void> {
  if (isForeign(source.path)) return;
  const paths =
    from?.kind === 'file' ? [from.path] : from?.kind === 'files' ? from.files.map((f) => f.path) : [];
  for (const path of paths) await fetchedPath(path);
}
