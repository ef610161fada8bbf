/** The tasks of an evaluation on features and scores, wherever they come from. */
import { meanPerClass, topAccuracy } from '../../runtime/eval/metrics/classification.ts';
import { wilson } from '../../runtime/eval/metrics/intervals.ts';
import {
  averagePrecision,
  elevenPoint,
  meanOverClasses,
  rocAuc,
} from '../../runtime/eval/metrics/multilabel.ts';
import { type Neighbour, vote } from '../../runtime/eval/metrics/nearest.ts';
import { median, type RetrievalRanks } from '../../runtime/eval/metrics/retrieval.ts';
import type { Matrix } from './data/feature-files.ts';
import type { Metrics, Result } from './results.ts';

type Measured = Pick<Result, 'metrics' | 'n' | 'ci95'>;

/** Metrics of which some are shares of so many samples. */
function measured(n: number, shares: Metrics, others: Metrics = {}): Measured {
  const ci95 = Object.fromEntries(
    Object.entries(shares).map(([name, share]) => [name, wilson(share, n)] as const),
  );
  return { metrics: { ...shares, ...others }, n, ci95 };
}

/** Classes of a picture that are told apart in results: as many as `acc5` needs. */
export const bestClasses = 5;

/**
 * @param best the best classes of each row, best first, as many as `bestClasses` or as there are
 * @param classes how many there are
 */
export function singleLabel(
  best: readonly (readonly Neighbour[])[],
  labels: Int32Array,
  classes: number,
): Measured {
  const truth = [...labels];
  const ranks = truth.map((label, row) => {
    const rank = best[row]!.findIndex(({ index }) => index === label);
    return rank < 0 ? classes : rank;
  });
  const acc1 = topAccuracy(ranks, 1);
  const acc5 = topAccuracy(ranks, bestClasses);
  return measured(
    truth.length,
    // As CLIP_benchmark: of fewer than five classes the true one is always among five.
    classes < bestClasses ? { acc1 } : { acc1, acc5 },
    {
      mean_per_class_recall: meanPerClass(
        truth,
        best.map(([first]) => first!.index),
      ),
      // What CLIP's paper has for Kinetics700.
      ...(classes < bestClasses ? {} : { mean_acc1_acc5: (acc1 + acc5) / 2 }),
    },
  );
}

/** @param targets 1 where a class is right, [n, classes] */
export function multiLabel({ data, rows, width }: Matrix, targets: Int32Array): Measured {
  const column = (of: ArrayLike<number>, c: number) =>
    Array.from({ length: rows }, (_, row) => of[row * width + c]!);
  const over = (measure: typeof averagePrecision) =>
    meanOverClasses(Array.from({ length: width }, (_, c) => measure(column(data, c), column(targets, c))));
  return measured(
    rows,
    {},
    {
      mean_average_precision: over(averagePrecision),
      eleven_point: over(elevenPoint),
      roc_auc: over(rocAuc),
    },
  );
}

const recallsAt = [1, 5, 10] as const;

export function retrieval({ imageOfText, textOfImage }: RetrievalRanks): Measured {
  const at = (name: string, ranks: readonly number[]) =>
    recallsAt.map((k) => [`${name}_retrieval_recall@${k}`, topAccuracy(ranks, k)] as const);
  return measured(
    textOfImage.length,
    {},
    {
      ...Object.fromEntries([...at('image', imageOfText), ...at('text', textOfImage)]),
      image_retrieval_median_rank: median(imageOfText) + 1,
      text_retrieval_median_rank: median(textOfImage) + 1,
    },
  );
}

export interface KnnOptions {
  /** Numbers of neighbours, each of which gives a metric. */
  readonly k: readonly number[];
  readonly temperature?: number;
}

/** @param neighbours of each row, best first, as many as the largest k */
export function knn(
  neighbours: readonly (readonly Neighbour[])[],
  train: ArrayLike<number>,
  labels: Int32Array,
  { k, temperature }: KnnOptions,
): Measured {
  const accuracy = (most: number) => {
    const right = neighbours.filter(
      (list, row) => vote(list.slice(0, most), train, temperature) === labels[row],
    );
    return right.length / labels.length;
  };
  return measured(labels.length, Object.fromEntries(k.map((most) => [`knn_acc1@${most}`, accuracy(most)])));
}
