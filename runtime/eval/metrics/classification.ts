/** Scores of one right class among several: accuracy, top k, the mean over classes, who is taken for whom. */

type Row = Float32Array | Float64Array | readonly number[];

/** The best-scored class; the first of equal ones, as NumPy's `argmax`. */
export function predicted(scores: Row): number {
  let best = 0;
  for (let c = 1; c < scores.length; c++) if (scores[c]! > scores[best]!) best = c;
  return best;
}

/**
 * Rank (0 = best) of a class among the scores of all. Of equal scores the first class is the better, as `predicted` has
 * it; a score that is no number is the worst.
 */
export function rankOf(scores: Row, right: number): number {
  const own = scores[right]!;
  let better = 0;
  for (let c = 0; c < scores.length; c++)
    if (c !== right && !(scores[c]! < own) && !(scores[c] === own && c > right)) better++;
  return better;
}

/** Share of rows whose true class is among the `k` best, in [0, 1]. */
export function topAccuracy(ranks: readonly number[], k: number): number {
  return ranks.filter((rank) => rank < k).length / ranks.length;
}

/** Share of each class's rows that are recognised, for the classes that occur. */
function recalls(labels: readonly number[], predictions: readonly number[]): Map<number, number> {
  const counts = new Map<number, { rows: number; right: number }>();
  for (const [i, label] of labels.entries()) {
    const count = counts.get(label) ?? { rows: 0, right: 0 };
    count.rows++;
    if (predictions[i] === label) count.right++;
    counts.set(label, count);
  }
  return new Map([...counts].map(([label, { rows, right }]) => [label, right / rows]));
}

/** The mean of recalls over the classes that occur (scikit-learn's `balanced_accuracy_score`). */
export function meanPerClass(labels: readonly number[], predictions: readonly number[]): number {
  const all = [...recalls(labels, predictions).values()];
  return all.reduce((sum, recall) => sum + recall, 0) / all.length;
}
