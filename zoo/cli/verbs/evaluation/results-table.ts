/** Results for people. */
import type { Result } from '../../../evaluate/results.ts';
import { table } from '../../output.ts';

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

/** A block for each data set, its metric first; then groups. */
export function resultsTable(results: readonly Result[]): string {
  const rows = results.flatMap((result) => {
    const { dataset, n, metrics, ci95, skipped = 0 } = result;
    const first = countingMetric(result);
    const names = [first, ...Object.keys(metrics).filter((name) => name !== first)];
    return names.map((name, i) => {
      const [low, high] = ci95?.[name] ?? [];
      const range = low === undefined ? '' : `95 %: ${low.toFixed(4)} to ${high!.toFixed(4)}`;
      const lead = i === 0 ? [dataset, `${n}${skipped > 0 ? `, ${skipped} skipped` : ''}`] : ['', ''];
      return [...lead, name, format(metrics[name]!), range];
    });
  });
  const groups = [...groupMeans(results)].map(([name, mean]) => [
    '',
    '',
    `mean of ${name}`,
    format(mean),
    '',
  ]);
  return table([['data set', 'n', 'metric', 'value', ''], ...rows, ...groups], [1, 3]);
}

function format(value: number): string {
  return Number.isInteger(value) ? `${value}` : Math.abs(value) < 1 ? value.toFixed(4) : value.toPrecision(6);
}
