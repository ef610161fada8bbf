/** What is compared, what comes out, and how many pairs an objective needs for an accuracy. */

export interface Accuracy {
  /** Shares in [0, 1]. */
  readonly top1: number;
  readonly top5: number;
}

/** Where a run stood when it was tested. */
export interface Point {
  /** Pictures with their captions that training had seen, repetitions counted. */
  readonly pairs: number;
  /** By the name of an output of the entry `scores`. */
  readonly scores: Readonly<Record<string, Accuracy>>;
}

export interface Objective {
  /** Of the model and its recipe in ablation.zoo. */
  readonly name: string;
  readonly label: string;
  /** How a caption's score for a picture is made, by output of the entry `scores`; the first one is drawn. */
  readonly scores: Readonly<Record<string, string>>;
  /** Pictures that are scored at a time. */
  readonly batch: number;
}

export const objectives: readonly Objective[] = [
  {
    name: 'caption',
    label: 'caption language model',
    scores: { sum: 'log-likelihood, summed over tokens', mean: 'log-likelihood, mean over tokens' },
    // Each picture is 299 texts of 33 tokens with a probability for each of 1536 words: 61 MB.
    batch: 2,
  },
  {
    name: 'bag_of_words',
    label: 'bag of words',
    scores: { mean: 'log-probability, mean over words', sum: 'log-probability, summed over words' },
    batch: 60,
  },
  { name: 'contrastive', label: 'contrastive', scores: { cosine: 'cosine of features' }, batch: 60 },
];

/** An objective with what its run came to, in the order of pairs. */
export interface Curve extends Objective {
  readonly points: readonly Point[];
}

/** The score that is drawn. */
export function drawn({ scores }: Objective): string {
  return Object.keys(scores)[0]!;
}

/** Top-1 accuracies of the score that is drawn. */
export function accuracies(curve: Curve): { readonly pairs: number; readonly accuracy: number }[] {
  return curve.points.map(({ pairs, scores }) => ({ pairs, accuracy: scores[drawn(curve)]!.top1 }));
}

/**
 * Pairs after which a curve first has an accuracy, on straight lines between its points over the logarithm of
 * pairs; undefined where it never has. One that has it at its first point may have had it before.
 */
export function pairsUntil(curve: Curve, accuracy: number): number | undefined {
  const list = accuracies(curve);
  const at = list.findIndex((point) => point.accuracy >= accuracy);
  if (at <= 0) return list[at]?.pairs;
  const [before, behind] = [list[at - 1]!, list[at]!];
  const part = (accuracy - before.accuracy) / (behind.accuracy - before.accuracy);
  return before.pairs * (behind.pairs / before.pairs) ** part;
}

/** The best accuracy of the second-best curve: what the best one is faster at. */
export function runnerUp(curves: readonly Curve[]): number {
  const best = curves.map((curve) => Math.max(...accuracies(curve).map((p) => p.accuracy)));
  return best.sort((a, b) => b - a)[1]!;
}
