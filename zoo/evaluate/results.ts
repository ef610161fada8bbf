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
