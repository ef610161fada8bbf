/** The paths that a pattern which fits none may have meant, with `*` for the numbers in arrays. */
import { isNear } from './suggest.ts';

const shown = 4;

/** How much of a pattern's text a path has: 1 for each segment it names, half for a slip of the pen. */
function likeness(pattern: readonly string[], path: readonly string[]): number {
  const words = pattern.filter((segment) => !segment.includes('*'));
  const found = words.map((word) => {
    if (path.includes(word)) return 1;
    return path.some((segment) => isNear(word, segment)) ? 0.5 : 0;
  });
  // The end of a path says most.
  const last = words.at(-1);
  const name = path.findLast((segment) => segment !== '*') ?? '';
  const end = last !== undefined && (name === last || isNear(last, name)) ? 1 : 0;
  return found.reduce<number>((sum, n) => sum + n, end);
}

/** The likeliest first, as a help says them, of equals the shortest; without any likeness the outermost. */
export function nearPaths(pattern: string, paths: readonly string[]): string {
  const general = [...new Set(paths.map((path) => path.replace(/(?<=^|\.)\d+(?=\.|$)/g, '*')))];
  const wanted = pattern.split('.');
  const ranked = general.map((path) => ({ path, likeness: likeness(wanted, path.split('.')) }));
  const best = Math.max(...ranked.map((r) => r.likeness));
  const length = (path: string) => path.split('.').length;
  const listed = ranked
    .filter((r) => r.likeness === best)
    .sort((a, b) => length(a.path) - length(b.path))
    .slice(0, shown)
    .map((r) => `"${r.path}"`);
  if (listed.length === 0) return 'it has no blocks inside';
  return `${best > 0 ? 'near' : 'its blocks'}: ${listed.join(', ')}`;
}
