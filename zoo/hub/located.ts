/** Where what was pulled lies, without asking anybody: for names that stand in files, an adapter's base or a package's recipe. */
import { fail } from '../../grammar/diagnostics.ts';
import { isThere, publishedPath, RepositoryCache } from './cache.ts';
import { parseHubName, pinnedName } from './names.ts';

/** The folder or the file of a name; undefined where it was not pulled. */
export function pulledPath(spec: string): string | undefined {
  const name = parseHubName(spec);
  if (name.kind === 'file') {
    const path = publishedPath(name);
    return isThere(path) ? path : undefined;
  }
  const cache = new RepositoryCache(name);
  const commit = cache.commitOf(name.revision);
  return commit === undefined || cache.listOf(commit) === undefined ? undefined : cache.filesOf(commit);
}

/** @throws DiagnosticError Z483 */
export function pulledOrRefused(spec: string): string {
  return pulledPath(spec) ?? fail('Z483', `${spec} was not pulled`, `zooc pull ${spec}`);
}

/** The name at the commit that was pulled; itself where none was. */
export function pinnedSpec(spec: string): string {
  const name = parseHubName(spec);
  if (name.kind === 'file') return spec;
  const commit = new RepositoryCache(name).commitOf(name.revision);
  return commit === undefined ? spec : pinnedName(name, commit);
}
