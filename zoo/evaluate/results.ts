/** What an evaluation gives: one object for each data set, under the keys that CLIP_benchmark's scripts read. */

/** Values by name; a list has one for each class. */
export type Metrics = Readonly<Record<string, number | readonly number[]>>;

export interface Result {
  readonly dataset: string;
  readonly model?: string;
  /** Where the weights come from. */
  readonly pretrained?: string;
  readonly task: string;
  readonly metrics: Metrics;
  /** Samples that were tested. */
  readonly n: number;
  /** Wilson's intervals of 95 % of those metrics that are shares of samples. */
  readonly ci95?: Readonly<Record<string, readonly [number, number]>>;
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
