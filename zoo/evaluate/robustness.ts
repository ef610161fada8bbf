/**
 * Effective robustness of a model beside standard ones, whose published accuracies are the user's: a JSON list of
 * `{base, shift, models: [{name, base, shift}]}`, with data sets by their names in the suite.
 */
import { z } from 'zod';
import { fail } from '../../grammar/diagnostics.ts';
import { randomKey, randomUnit } from '../../runtime/data/random.ts';
import {
  type Accuracies,
  bootstrapBand,
  effectiveRobustness,
  expectedShift,
  fitLine,
  type Line,
} from '../../runtime/eval/metrics/robustness.ts';
import { readText } from '../run/text-lists.ts';
import { parseAs } from './json.ts';
import { countingMetric, type Result } from './results.ts';

const share = z.number().gt(0).lt(1);
const schema = z
  .array(
    z.strictObject({
      base: z.string(),
      shift: z.string(),
      models: z.array(z.strictObject({ name: z.string().optional(), base: share, shift: share })).min(2),
    }),
  )
  .min(1);
export type Baselines = z.infer<typeof schema>[number];

/** @throws DiagnosticError Z702 */
export function readBaselines(path: string): Baselines[] {
  const all = parseAs(readText(path), path, schema, 'accuracies of standard models between 0 and 1');
  for (const { base, shift, models } of all)
    if (new Set(models.map((model) => model.base)).size < 2)
      fail(
        'Z702',
        `${path}: the models of ${base} and ${shift} give no line, all have the same accuracy on ${base}`,
      );
  return all;
}

/** Where a model lies beside the line. */
export interface Robustness extends Line {
  readonly base: string;
  readonly own: Accuracies;
  readonly expected: number;
  readonly effective: number;
  /** Of `expected`, 95 % of lines through standard models drawn again. */
  readonly band: readonly [number, number];
}

/** @throws DiagnosticError Z460 where the suite has not both data sets, or an accuracy has no logit */
export function robustnessOf(results: readonly Result[], baselines: Baselines): Robustness {
  const accuracy = (name: string): number => {
    const found = results.find(({ dataset }) => dataset === name);
    if (found === undefined)
      fail(
        'Z460',
        `baselines name the data set ${name}, which the suite has not`,
        `it has ${results.map((r) => r.dataset).join(', ')}`,
      );
    const value = found.metrics[countingMetric(found)]!;
    if (!(value > 0 && value < 1))
      fail('Z460', `${name}: ${countingMetric(found)} is ${value}, which has no place on a line of logits`);
    return value;
  };
  const own = { base: accuracy(baselines.base), shift: accuracy(baselines.shift) };
  const line = fitLine(baselines.models);
  const key = randomKey(0, 'standard models drawn again', baselines.base, baselines.shift);
  let drawn = 0;
  return {
    ...line,
    base: baselines.base,
    own,
    expected: expectedShift(line, own.base),
    effective: effectiveRobustness(line, own),
    band: bootstrapBand(baselines.models, own.base, () => randomUnit(key, drawn++)),
  };
}

/** Results with the robustness of those that baselines name as shifted. */
export function withRobustness(results: readonly Result[], all: readonly Baselines[]): Result[] {
  const found = new Map(all.map((baselines) => [baselines.shift, robustnessOf(results, baselines)]));
  return results.map((result) => {
    const robustness = found.get(result.dataset);
    if (robustness === undefined) return result;
    const { base, slope, intercept, expected, effective, band } = robustness;
    return {
      ...result,
      metrics: { ...result.metrics, effective_robustness: effective },
      robustness: { base, slope, intercept, expected, band },
    };
  });
}
