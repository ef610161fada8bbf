/**
 * Evaluates a model on data sets: each split is encoded once, whatever the number of tasks; texts and pieces of
 * pictures are kept in a cache; parts of a job and ranks share the pictures.
 */
import { fail } from '../../grammar/diagnostics.ts';
import { digestWeights } from '../weights/adapter-file.ts';
import type { Matrix } from './data/feature-files.ts';
import { testSplit, trainSplit } from './data/open.ts';
import { type EncodingOptions, ModelEncoder } from './encode/model.ts';
import { digestOf } from './identity.ts';
import type { FittedProbe } from './probe.ts';
import { promptsOf } from './prompts.ts';
import { type Result, type Task, taskNames } from './results.ts';
import { type Baselines, withRobustness } from './robustness.ts';
import { candidatesOf, type EncodedSet, learns, type Measured, setTasks } from './set-tasks.ts';
import type { SuiteEntry } from './suite.ts';
import type { KnnOptions } from './tasks.ts';

export interface EvaluationOptions extends EncodingOptions {
  readonly knn: KnnOptions;
  readonly C?: number;
  readonly baselines?: readonly Baselines[];
}

/** One data set's result, with what the page shows of it. */
export interface Evaluated {
  readonly result: Result;
  readonly set: EncodedSet;
  readonly told: Measured['told'];
}

/** A data set that has everything its task takes. */
interface Prepared {
  readonly entry: SuiteEntry;
  readonly task: Task;
  readonly test: EncodedSet;
  readonly train?: EncodedSet;
  readonly candidates: Matrix | undefined;
}

async function evaluateSet(
  { entry, task, test, train, candidates }: Prepared,
  encoder: ModelEncoder,
  probes: Map<string, Promise<FittedProbe>>,
  { model, weights, executor, knn, C, notify, keep }: EvaluationOptions,
): Promise<Evaluated> {
  const measured = await setTasks[task](test, {
    candidates,
    device: async () => (executor.kind === 'device' ? executor.device : undefined),
    keep,
    knn,
    probes,
    ...(C === undefined ? {} : { C }),
    notify,
    ...(train === undefined ? {} : { train }),
  });
  const { told, metrics, n, ci95 } = measured;
  const classes = task === 'zeroshot' ? test.classes : undefined;
  const result: Result = {
    dataset: entry.name,
    model: model.name,
    pretrained: weights.description,
    task: taskNames[task],
    metrics,
    language: 'en',
    n,
    ...(ci95 === undefined ? {} : { ci95 }),
    skipped: test.pictures.count - test.places.length,
    ...mainMetric(entry, metrics),
    ...(entry.group === undefined ? {} : { group: entry.group }),
    weights_sha256: encoder.weights,
    ...(classes === undefined ? {} : { templates_sha256: digestOf(promptsOf(classes, test.prompts)) }),
    precision: executor.kind === 'device' ? 'f32' : 'f64',
  };
  return { result, set: test, told };
}

/** @throws DiagnosticError Z460 where the suite asks for a metric that there is none of */
function mainMetric({ name, metric }: SuiteEntry, metrics: Result['metrics']): Pick<Result, 'metric'> {
  if (metric === undefined) return {};
  if (!Object.hasOwn(metrics, metric))
    fail('Z460', `${name}: there is no metric ${metric}; there are ${Object.keys(metrics).join(', ')}`);
  return { metric };
}

/**
 * All results in the order of the suite; undefined where parts of the job are still missing. On several ranks the
 * first one's are whole; the others have none.
 * @throws DiagnosticError Z460 and those of opening data, Z416 where no picture can be read
 */
export async function evaluateSuite(
  entries: readonly SuiteEntry[],
  options: EvaluationOptions,
): Promise<Evaluated[] | undefined> {
  const { group, model, weights } = options;
  const encoder = new ModelEncoder(options, await digestWeights(model.weights, weights));
  const prepare = async (entry: SuiteEntry): Promise<Prepared | undefined> => {
    const opened = await encoder.open(entry, testSplit(entry));
    const task = entry.task ?? (opened.truth.kind === 'retrieval' ? 'retrieval' : 'zeroshot');
    const learned = learns.has(task) ? await encoder.open(entry, trainSplit) : undefined;
    // Both, even where the first one is still lacking: another part may wait for the second.
    const test = await encoder.encode(opened);
    const train = learned && (await encoder.encode(learned));
    if (test === undefined || (learned !== undefined && train === undefined)) return undefined;
    const candidates = await candidatesOf(task, test, encoder.texts);
    return { entry, task, test, candidates, ...(train === undefined ? {} : { train }) };
  };
  // Everything is encoded before anything is computed that the other ranks would wait for.
  const sets = [];
  for (const entry of entries) sets.push(await prepare(entry));
  if (sets.includes(undefined)) return undefined;
  if (group.rank > 0) return [];
  const results: Evaluated[] = [];
  const probes = new Map<string, Promise<FittedProbe>>();
  for (const set of sets) results.push(await evaluateSet(set!, encoder, probes, options));
  const robust = withRobustness(
    results.map(({ result }) => result),
    options.baselines ?? [],
  );
  return results.map((evaluated, i) => ({ ...evaluated, result: robust[i]! }));
}
