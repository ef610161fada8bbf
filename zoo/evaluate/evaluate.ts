/**
 * Evaluates a model on data sets: each split is encoded once, whatever the number of tasks; texts and pieces of
 * pictures are kept in a cache; parts of a job and ranks share the pictures.
 */
import { join } from 'node:path';
import type { Model } from '../../compiler/model/types.ts';
import { fail } from '../../grammar/diagnostics.ts';
import type { SourceContext } from '../../runtime/data/sources/source-context.ts';
import type { Collective } from '../../runtime/dist/collective.ts';
import type { Executor } from '../run/devices.ts';
import { type Encoder, openEncoder, pictureTower } from '../run/encoder.ts';
import { digestWeights } from '../weights/adapter-file.ts';
import type { WeightSource } from '../weights/source.ts';
import type { Matrix } from './data/feature-files.ts';
import { openData, testSplit, trainSplit } from './data/open.ts';
import type { OpenedData } from './data/types.ts';
import { PictureEncoder } from './encode/pictures.ts';
import { encodeSet, type Part, type SetFeatures } from './encode/pieces.ts';
import { digestOf, entryIdentity } from './identity.ts';
import type { FittedProbe } from './probe.ts';
import { type Prompts, promptsOf } from './prompts.ts';
import { type Result, type Task, taskNames } from './results.ts';
import { type Baselines, withRobustness } from './robustness.ts';
import { type EncodedSet, learns, type Measured, readable, setTasks } from './set-tasks.ts';
import type { SuiteEntry } from './suite.ts';
import type { KnnOptions } from './tasks.ts';

export interface EvaluationOptions {
  readonly model: Model;
  readonly weights: WeightSource;
  readonly executor: Executor;
  readonly group: Collective;
  readonly prompts?: Prompts;
  readonly limit?: number;
  readonly maxPixels?: number;
  readonly cache?: string;
  readonly part?: Part;
  readonly knn: KnnOptions;
  readonly C?: number;
  readonly baselines?: readonly Baselines[];
  readonly warn: NonNullable<SourceContext['warn']>;
  notify(text: string): void;
  keep<R extends { close(): void }>(resource: R): R;
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
}

/** What was opened and is known of the model, for all data sets. */
class Evaluation {
  readonly #options: EvaluationOptions;
  /** SHA-256 of the weights. */
  readonly weights: string;
  #pictures: Promise<PictureEncoder> | undefined;
  #texts: Promise<Encoder> | undefined;
  /** By what they are made of: pictures of several tasks are encoded once. */
  readonly #features = new Map<string, Promise<SetFeatures | undefined>>();
  readonly #classes = new Map<string, Promise<Matrix>>();
  readonly #probes = new Map<string, Promise<FittedProbe>>();

  constructor(options: EvaluationOptions, weights: string) {
    this.#options = options;
    this.weights = weights;
  }

  /** @throws DiagnosticError Z460, and those of opening data */
  open(entry: SuiteEntry, split: string): Promise<OpenedData> {
    const { limit, prompts, warn, notify } = this.#options;
    return openData(entry, split, {
      ...(prompts === undefined ? {} : { prompts }),
      ...(limit === undefined ? {} : { limit }),
      notes: { warn, note: notify },
    });
  }

  /** Undefined where other parts of the job have not made their pieces yet. */
  async encode(data: OpenedData): Promise<EncodedSet | undefined> {
    const { model, executor, cache, part, group, maxPixels, warn, notify } = this.#options;
    const tower = entryIdentity(model, pictureTower(model).entry, this.weights, executor);
    const key = digestOf([tower, data.pictures.identity, maxPixels]);
    const known = this.#features.get(key);
    const encoding =
      known ??
      encodeSet(data.pictures, {
        folder: cache === undefined ? undefined : join(cache, 'features', key),
        part,
        group,
        encoder: () => this.#pictureEncoder(),
        progress: (done, of) => notify(`${data.pictures.name}: ${done} of ${of} pieces encoded`),
      });
    this.#features.set(key, encoding);
    const found = await encoding;
    if (found === undefined) return undefined;
    const set = readable(data, found);
    const skipped = data.pictures.count - set.places.length;
    if (skipped > 0 && known === undefined) {
      const [[place, reason]] = [...found.unreadable] as [[number, string]];
      const { name } = await data.pictures.picture(place);
      warn({
        code: 'Z416',
        severity: 'warning',
        message: `${data.pictures.name}: ${skipped} of ${data.pictures.count} pictures cannot be read and do not count; the first is ${name}: ${reason}`,
      });
    }
    return set;
  }

  async evaluate({ entry, task, test, train }: Prepared): Promise<Evaluated> {
    const { model, weights, executor, knn, C, notify, keep, cache } = this.#options;
    const measured = await setTasks[task](test, {
      texts: {
        encoder: () => this.#textEncoder(),
        identity: this.#textIdentity(),
        cache,
        classes: this.#classes,
      },
      device: async () => (executor.kind === 'device' ? executor.device : undefined),
      keep,
      knn,
      probes: this.#probes,
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
      weights_sha256: this.weights,
      ...(classes === undefined ? {} : { templates_sha256: digestOf(promptsOf(classes, test.prompts)) }),
      precision: executor.kind === 'device' ? 'f32' : 'f64',
    };
    return { result, set: test, told };
  }

  #pictureEncoder(): Promise<PictureEncoder> {
    const { executor, model, weights, maxPixels, keep } = this.#options;
    this.#pictures ??= PictureEncoder.open(
      executor,
      model,
      weights,
      maxPixels === undefined ? {} : { maxPixels },
    ).then(keep);
    return this.#pictures;
  }

  #textEncoder(): Promise<Encoder> {
    const { executor, model, weights, keep } = this.#options;
    this.#texts ??= openEncoder(executor, model, weights).then(keep);
    return this.#texts;
  }

  #textIdentity(): string {
    const { model, executor } = this.#options;
    const entry = model.entries.find(({ name }) => name === 'encode_text')?.name ?? 'forward';
    return entryIdentity(model, entry, this.weights, executor);
  }
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
  const evaluation = new Evaluation(options, await digestWeights(model.weights, weights));
  const prepare = async (entry: SuiteEntry): Promise<Prepared | undefined> => {
    const opened = await evaluation.open(entry, testSplit(entry));
    const task = entry.task ?? (opened.truth.kind === 'retrieval' ? 'retrieval' : 'zeroshot');
    const learned = learns.has(task) ? await evaluation.open(entry, trainSplit) : undefined;
    // Both, even where the first one is still lacking: another part may wait for the second.
    const test = await evaluation.encode(opened);
    const train = learned && (await evaluation.encode(learned));
    if (test === undefined || (learned !== undefined && train === undefined)) return undefined;
    return { entry, task, test, ...(train === undefined ? {} : { train }) };
  };
  // Everything is encoded before anything is computed that the other ranks would wait for.
  const sets = [];
  for (const entry of entries) sets.push(await prepare(entry));
  if (sets.includes(undefined)) return undefined;
  if (group.rank > 0) return [];
  const results: Evaluated[] = [];
  for (const set of sets) results.push(await evaluation.evaluate(set!));
  const robust = withRobustness(
    results.map(({ result }) => result),
    options.baselines ?? [],
  );
  return results.map((evaluated, i) => ({ ...evaluated, result: robust[i]! }));
}
