/** Results for people. */
import { countingMetric, groupMeans, type Result } from '../../../evaluate/results.ts';
import { table } from '../../output.ts';

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
