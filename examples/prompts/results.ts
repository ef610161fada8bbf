/** What the runs gave: accuracies over seeds, and the rows that the command and the page show. */
import { percent } from '../emoji/document.ts';
import { classNames } from './task.ts';

/** Of one hand-written prompt, or the mean of several. */
export interface Baseline {
  readonly prompts: readonly string[];
  /** From 0 to 1. */
  readonly accuracy: number;
}

/** Learned from one number of shots: an accuracy a seed. */
export interface ShotResult {
  readonly shots: number;
  readonly accuracies: readonly number[];
}

export interface Curve {
  readonly label: string;
  /** By ascending shots. */
  readonly results: readonly ShotResult[];
}

export interface Results {
  readonly baselines: readonly Baseline[];
  readonly curves: readonly Curve[];
}

export const chance = 1 / classNames.length;

/** Mean and standard deviation of a sample (over n - 1). */
export function spread(values: readonly number[]): { readonly mean: number; readonly deviation: number } {
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  const squares = values.reduce((sum, x) => sum + (x - mean) ** 2, 0);
  return { mean, deviation: Math.sqrt(squares / Math.max(1, values.length - 1)) };
}

/** `17.4 ± 0.5 %` */
function spreadText(values: readonly number[]): string {
  const { mean, deviation } = spread(values);
  return `${(100 * mean).toFixed(1)} ± ${percent(deviation)}`;
}

export const baselineHead = ['hand-written prompts', 'accuracy'];

export function baselineRows({ baselines }: Results): string[][] {
  return [
    ...baselines.map(({ prompts, accuracy }) => [
      `${prompts.length > 1 ? 'mean of ' : ''}${prompts.join(', ')}`,
      percent(accuracy),
    ]),
    ['chance', percent(chance)],
  ];
}

export const shotHead = ({ curves }: Results): string[] => [
  'shots a class',
  ...curves.map(({ label }) => label),
];

export function shotRows({ curves }: Results): string[][] {
  return curves[0]!.results.map(({ shots }, i) => [
    String(shots),
    ...curves.map(({ results }) => spreadText(results[i]!.accuracies)),
  ]);
}
