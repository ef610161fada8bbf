/**
 * "Did you mean": the nearest of some known names, if it is near enough to be a slip of the pen.
 *
 * Distance is optimal string alignment (insert, delete, replace, swap neighbours), which is what typing
 * errors are made of.
 */

function distance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) > limit) return limit + 1;
  let before: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1;
      let best = Math.min(previous[j]! + 1, row[j - 1]! + 1, previous[j - 1]! + cost);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        best = Math.min(best, before[j - 2]! + 1);
      row.push(best);
    }
    before = previous;
    previous = row;
  }
  return previous[b.length]!;
}

/** What a beginning of a name counts as: behind single slips. */
const beginning = 1.5;

/** The nearest known name: at most a third of its letters wrong, or a beginning of at least two letters. */
function nearest(name: string, known: Iterable<string>): string | undefined {
  if (name.length > 60) return undefined;
  const lower = name.toLowerCase();
  let best: string | undefined;
  let bestDistance = Number.POSITIVE_INFINITY;
  for (const candidate of known) {
    if (candidate === name) continue;
    const limit = Math.max(1, Math.floor(Math.max(name.length, candidate.length) / 3));
    let d = distance(lower, candidate.toLowerCase(), limit);
    if (lower.length >= 2 && candidate.toLowerCase().startsWith(lower)) d = Math.min(d, beginning);
    if (d <= Math.max(limit, beginning) && d < bestDistance && d < name.length) {
      best = candidate;
      bestDistance = d;
    }
  }
  return best;
}

/** Whether a name may be a slip of the pen for another. */
export function isNear(name: string, other: string): boolean {
  return nearest(name, [other]) !== undefined;
}

/** "; did you mean `width`?" or nothing. */
export function didYouMean(name: string, known: Iterable<string>): string {
  const found = nearest(name, known);
  return found === undefined ? '' : `; did you mean \`${found}\`?`;
}
