/**
 * Scores of classes of which several may be right, class by class over the samples: average precision, its 11-point
 * form (PASCAL VOC 2007) and the area under the ROC curve. Equal scores count as one threshold, so the order of
 * samples never matters.
 */

/** At each threshold, from the highest: how many samples lie at or above it, and how many of them are right. */
function thresholds(
  scores: ArrayLike<number>,
  targets: ArrayLike<number>,
): { readonly taken: number; readonly right: number }[] {
  const order = Array.from(scores, (_, i) => i).sort((a, b) => scores[b]! - scores[a]!);
  const found: { taken: number; right: number }[] = [];
  let right = 0;
  for (const [i, sample] of order.entries()) {
    right += targets[sample]! > 0 ? 1 : 0;
    if (i + 1 < order.length && scores[order[i + 1]!] === scores[sample]) continue;
    found.push({ taken: i + 1, right });
  }
  return found;
}

/** Mean of the precision at each right sample; NaN where none is right. */
export function averagePrecision(scores: ArrayLike<number>, targets: ArrayLike<number>): number {
  let sum = 0;
  let before = 0;
  for (const { taken, right } of thresholds(scores, targets)) {
    sum += ((right - before) * right) / taken;
    before = right;
  }
  return sum / before;
}

/** Mean over recalls 0, 0.1, …, 1 of the best precision at that recall or above; NaN where none is right. */
export function elevenPoint(scores: ArrayLike<number>, targets: ArrayLike<number>): number {
  const curve = thresholds(scores, targets);
  const all = curve.at(-1)?.right ?? 0;
  if (all === 0) return Number.NaN;
  let sum = 0;
  for (let tenth = 0; tenth <= 10; tenth++) {
    // In whole numbers: right / all >= tenth / 10.
    const reached = curve.filter(({ right }) => right * 10 >= tenth * all);
    sum += Math.max(...reached.map(({ taken, right }) => right / taken));
  }
  return sum / 11;
}

/** Probability that a right sample scores above a wrong one, half for equal ones; NaN without both kinds. */
export function rocAuc(scores: ArrayLike<number>, targets: ArrayLike<number>): number {
  const curve = thresholds(scores, targets);
  const last = curve.at(-1) ?? { taken: 0, right: 0 };
  const wrong = last.taken - last.right;
  let area = 0;
  let before = { taken: 0, right: 0 };
  for (const point of curve) {
    const passed = point.taken - point.right - (before.taken - before.right);
    area += (passed * (point.right + before.right)) / 2;
    before = point;
  }
  return area / (wrong * last.right);
}

/** The mean over classes for which a measure is defined. */
export function meanOverClasses(values: readonly number[]): number {
  const defined = values.filter((value) => !Number.isNaN(value));
  return defined.reduce((sum, value) => sum + value, 0) / defined.length;
}
