/**
 * Patterns over dotted weight and block paths: `*` stands for a part of one segment, `**` for any number of
 * segments.
 */

/** Longest pattern; nobody writes more, and matching stays cheap. */
const maxLength = 400;

function matchSegment(pattern: string, text: string): boolean {
  const parts = pattern.split('*');
  const [first = ''] = parts;
  if (parts.length === 1) return pattern === text;
  const last = parts.at(-1)!;
  if (!text.startsWith(first) || !text.endsWith(last) || text.length < first.length + last.length)
    return false;
  let at = first.length;
  for (const part of parts.slice(1, -1)) {
    const found = text.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return at <= text.length - last.length;
}

/** Whether a path fits a pattern; `**` stands for at least one segment. */
export function matchesGlob(pattern: string, path: string): boolean {
  if (pattern.length > maxLength) return false;
  const wanted = pattern.split('.');
  const given = path.split('.');
  // reachable[i]: the pattern's segments so far can stand for the first i segments of the path.
  let reachable = given.map(() => false);
  reachable.unshift(true);
  for (const segment of wanted) {
    const next = reachable.map(() => false);
    for (let i = 1; i <= given.length; i++) {
      if (segment === '**') next[i] = reachable[i - 1]! || next[i - 1]!;
      else next[i] = reachable[i - 1]! && matchSegment(segment, given[i - 1]!);
    }
    reachable = next;
  }
  return reachable[given.length]!;
}

/** What a pattern of `freeze` is about; one that begins with `!` takes weights back. */
export function frozenPattern(pattern: string): string {
  return pattern.replace(/^!/, '');
}

/** Whether the patterns of `freeze` hold a weight or buffer; later ones win. */
export function isFrozen(patterns: readonly string[], name: string): boolean {
  const last = patterns.findLast((pattern) => matchesGlob(frozenPattern(pattern), name));
  return last !== undefined && !last.startsWith('!');
}

/**
 * Tells of a block path which block that fits one of the patterns holds it; of blocks within each other the
 * outermost.
 */
export function blocksMatching(patterns: readonly string[]): (path: string) => string | undefined {
  const known = new Map<string, string | undefined>();
  const find = (path: string): string | undefined => {
    const segments = path.split('.');
    const prefixes = segments.map((_, i) => segments.slice(0, i + 1).join('.'));
    return prefixes.find((prefix) => patterns.some((pattern) => matchesGlob(pattern, prefix)));
  };
  return (path) => {
    if (!known.has(path)) known.set(path, find(path));
    return known.get(path);
  };
}
