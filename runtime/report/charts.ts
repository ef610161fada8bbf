/** Which curves of a run are drawn, in which order, and what they are called. */
import type { RunReport } from './types.ts';

export interface Chart {
  readonly column: string;
  readonly title: string;
  readonly group: 'training' | 'speed';
}

const titles: Readonly<Record<string, string>> = {
  loss: 'loss',
  grad_norm: 'gradient norm',
  lr: 'learning rate',
  logit_scale: 'logit_scale (logarithm)',
  loss_scale: 'loss scale',
  overflow: 'steps left out (overflow)',
  samples_per_second: 'pairs per second',
  data_wait_ms: 'waited for data, ms',
  skipped: 'unreadable samples',
  repeated_texts: 'repeated texts',
  left_out: 'samples left out',
  shards_in_error: 'shards in error',
};

/** Columns of speed, and those that are worth a chart only where something happened. */
const speed = [
  'samples_per_second',
  'data_wait_ms',
  'skipped',
  'repeated_texts',
  'left_out',
  'shards_in_error',
];
const eventful = ['skipped', 'repeated_texts', 'left_out', 'shards_in_error', 'overflow'];
/** The loss first, what is known last; an objective's own terms stand between them. */
const late = ['logit_scale', 'grad_norm', 'lr', 'loss_scale', 'overflow', ...speed];

function rank(column: string): number {
  if (column === 'loss') return -1;
  return late.indexOf(column) + 1;
}

export function chartsOf(runs: readonly RunReport[]): Chart[] {
  const columns = [...new Set(runs.flatMap((run) => run.curves.columns))].filter((c) => c !== 'epoch');
  const happened = (column: string) => runs.some((r) => r.curves.curve(column)?.values.some((v) => v !== 0));
  return columns
    .filter((column) => !eventful.includes(column) || happened(column))
    .sort((a, b) => rank(a) - rank(b))
    .map((column) => ({
      column,
      title: titles[column] ?? column,
      group: speed.includes(column.split('.')[0]!) || column.endsWith('_wait_ms') ? 'speed' : 'training',
    }));
}

/** What the page's script draws. */
export function chartData(runs: readonly RunReport[], charts: readonly Chart[]) {
  return {
    runs: runs.map(({ name, curves }) => ({
      name,
      curves: Object.fromEntries(
        charts.flatMap(({ column }) => {
          const curve = curves.curve(column);
          return curve === undefined ? [] : [[column, [curve.steps, curve.values]]];
        }),
      ),
    })),
  };
}
