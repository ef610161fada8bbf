/** What an evaluation gives: one object for each data set, under the keys that CLIP_benchmark's scripts read. */

/** Values by name. */
export type Metrics = Readonly<Record<string, number>>;

export interface Result {
  readonly dataset: string;
  readonly model?: string;
  /** Where the weights come from. */
  readonly pretrained?: string;
  readonly task: string;
  readonly metrics: Metrics;
  readonly language?: string;
  /** Samples that were tested. */
  readonly n: number;
  /** Wilson's intervals of 95 % of those metrics that are shares of samples. */
  readonly ci95?: Readonly<Record<string, readonly [number, number]>>;
  /** Pictures that could not be read. */
  readonly skipped?: number;
  /** The one of the metrics that counts, where the suite names it. */
  readonly metric?: string;
  readonly group?: string;
  /** Beside standard models, where baselines are given. */
  readonly robustness?: {
    readonly base: string;
    readonly slope: number;
    readonly intercept: number;
    readonly expected: number;
    readonly band: readonly [number, number];
  };
  readonly weights_sha256?: string;
  readonly templates_sha256?: string;
  readonly precision?: 'f32' | 'f64';
}

/** What the tasks are called in results. */
export const taskNames = {
  zeroshot: 'zeroshot_classification',
  retrieval: 'zeroshot_retrieval',
  probe: 'linear_probe',
  knn: 'knn',
} as const;
export type Task = keyof typeof taskNames;
export const tasks = Object.keys(taskNames) as Task[];

/** What is shown of a task where the suite names no metric. */
const usual = [
  'acc1',
  'mean_average_precision',
  'image_retrieval_recall@1',
  'lp_acc1',
  'knn_acc1@10',
] as const;

/** The metric that counts: the one that the suite names, or the first that is usual. */
export function countingMetric({ metric, metrics }: Pick<Result, 'metric' | 'metrics'>): string {
  return metric ?? usual.find((name) => name in metrics) ?? Object.keys(metrics)[0]!;
}

/** The mean of its metric over each group, in the order of the suite. */
export function groupMeans(results: readonly Result[]): Map<string, number> {
  const groups = new Map<string, number[]>();
  for (const result of results) {
    if (result.group === undefined) continue;
    const values = groups.get(result.group) ?? [];
    groups.set(result.group, values);
    values.push(result.metrics[countingMetric(result)]!);
  }
  return new Map(
    [...groups].map(([name, values]) => [name, values.reduce((a, b) => a + b, 0) / values.length]),
  );
}
