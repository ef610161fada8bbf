/** What quantised files lose on a labelled set: zero-shot classification as the weights give it, and by the files' arithmetic. */
import type { Model } from '../../../compiler/model/types.ts';
import { single } from '../../../runtime/dist/collective.ts';
import { type EvaluationOptions, evaluateSuite } from '../../evaluate/evaluate.ts';
import type { SuiteEntry } from '../../evaluate/suite.ts';
import type { WeightSource } from '../../weights/source.ts';
import { simulated } from './simulate.ts';
import { tracedTowers } from './towers.ts';

export interface Accuracy {
  readonly dataset: string;
  /** Pictures that were told, and those that could not be read. */
  readonly n: number;
  readonly skipped: number;
  /** Shares whose right class comes first, with the weights as they are and by the files' arithmetic. */
  readonly f32: number;
  readonly q8: number;
}

type MeasureOptions = Pick<
  EvaluationOptions,
  'executor' | 'prompts' | 'limit' | 'maxPixels' | 'notify' | 'warn' | 'keep'
>;

/** @throws DiagnosticError as `evaluateSuite`, and Z432 for a model without towers */
export async function measureAccuracy(
  model: Model,
  weights: WeightSource,
  entry: SuiteEntry,
  options: MeasureOptions,
): Promise<Accuracy> {
  const { pictures, texts } = tracedTowers(model);
  const graphs = [pictures, texts].flatMap((tower) => tower?.graph ?? []);
  const measure = async (how: Pick<EvaluationOptions, 'model' | 'weights' | 'rows' | 'extend'>) => {
    const settings = { ...options, ...how, group: single, knn: { k: [] } };
    const [evaluated] = (await evaluateSuite([{ ...entry, task: 'zeroshot' }], settings))!;
    return evaluated!.result;
  };
  const { dataset, n, skipped = 0, metrics } = await measure({ model, weights });
  // One at a time: a file rounds what it is fed together by one range.
  const q8 = await measure({ ...simulated(model, weights, graphs), rows: 1 });
  return { dataset, n, skipped, f32: metrics.acc1!, q8: q8.metrics.acc1! };
}

/** A line of what was measured, or that nothing was. */
export function accuracyText(accuracy: Accuracy | undefined): string {
  if (accuracy === undefined) return 'no accuracy was measured: --data says what is lost on a labelled set';
  const { dataset, n, f32, q8 } = accuracy;
  const share = (value: number) => `${(100 * value).toFixed(2)} %`;
  return `top-1 on ${dataset} (${n} pictures): ${share(f32)} as f32, ${share(q8)} quantised`;
}

/** For the model card. */
export function quantizationCard(accuracy: Accuracy | undefined): string {
  const measured =
    accuracy === undefined
      ? 'What that costs was not measured.'
      : `Zero-shot, ${accuracyText(accuracy)}. That is the arithmetic of these
files, computed by zooc, with each picture and text by itself: what goes through together shares one range, so that its numbers differ a little.`;
  return `## Quantisation

Matrices, filters and tables are bytes with a scale for each output channel; what products and convolutions are fed is rounded to
bytes by its range at that moment. ${measured}`;
}
