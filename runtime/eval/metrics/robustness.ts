/**
 * Effective robustness (Taori et al. 2020): accuracy on a shifted data set beyond what the accuracy on the base one
 * lets expect, by a line through the logits of standard models.
 */

export interface Accuracies {
  /** Shares in (0, 1). */
  readonly base: number;
  readonly shift: number;
}

export interface Line {
  readonly slope: number;
  readonly intercept: number;
}

const logit = (p: number) => Math.log(p / (1 - p));
const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));

/** Least squares of logit(shift) on logit(base). */
export function fitLine(models: readonly Accuracies[]): Line {
  const points = models.map(({ base, shift }) => [logit(base), logit(shift)] as const);
  const mean = (axis: 0 | 1) => points.reduce((sum, point) => sum + point[axis], 0) / points.length;
  const [x, y] = [mean(0), mean(1)];
  const slope =
    points.reduce((sum, [a, b]) => sum + (a - x) * (b - y), 0) /
    points.reduce((sum, [a]) => sum + (a - x) ** 2, 0);
  return { slope, intercept: y - slope * x };
}

/** The accuracy on the shifted set that the line gives a model. */
export function expectedShift({ slope, intercept }: Line, base: number): number {
  return sigmoid(slope * logit(base) + intercept);
}

/** How far a model lies above the line. */
export function effectiveRobustness(line: Line, { base, shift }: Accuracies): number {
  return shift - expectedShift(line, base);
}

/** Draws of the bootstrap. */
const draws = 1000;

/**
 * The band of 95 % in which the line's expectation lies when the standard models are drawn again, with replacement.
 * @param random uniform in [0, 1)
 */
export function bootstrapBand(
  models: readonly Accuracies[],
  base: number,
  random: () => number,
): readonly [low: number, high: number] {
  const expected: number[] = [];
  while (expected.length < draws) {
    const drawn = models.map(() => models[Math.floor(random() * models.length)]!);
    // A draw of one point alone gives no line.
    if (new Set(drawn.map((model) => model.base)).size < 2) continue;
    expected.push(expectedShift(fitLine(drawn), base));
  }
  expected.sort((a, b) => a - b);
  return [quantile(expected, 0.025), quantile(expected, 0.975)];
}

/** Between neighbours of a sorted list, as NumPy's default. */
function quantile(sorted: readonly number[], q: number): number {
  const at = q * (sorted.length - 1);
  const low = Math.floor(at);
  return sorted[low]! + (at - low) * (sorted[Math.min(low + 1, sorted.length - 1)]! - sorted[low]!);
}
