/** The tasks of an evaluation on an encoded data set. */
import { fail } from '../../grammar/diagnostics.ts';
import { rocAuc } from '../../runtime/eval/metrics/multilabel.ts';
import { type Neighbour, nearest } from '../../runtime/eval/metrics/nearest.ts';
import { retrievalRanks } from '../../runtime/eval/metrics/retrieval.ts';
import { normalizeRows } from '../../runtime/eval/zeroshot.ts';
import type { Matrix } from './data/feature-files.ts';
import { truthAt } from './data/narrow.ts';
import type { OpenedData } from './data/types.ts';
import type { SetFeatures } from './encode/pieces.ts';
import { classMatrix, type TextOptions, textMatrix } from './encode/texts.ts';
import { digestOf } from './identity.ts';
import { type FittedProbe, fitSets, testProbe } from './probe.ts';
import { type OpenDevice, openProbeData } from './probe-data.ts';
import { type ClassName, promptsOf } from './prompts.ts';
import type { Result, Task } from './results.ts';
import { similarities } from './similarities.ts';
import { bestClasses, type KnnOptions, knn, multiLabel, retrieval, singleLabel } from './tasks.ts';

/** A data set whose readable pictures are encoded. */
export interface EncodedSet extends OpenedData {
  /** Of length 1. */
  readonly features: Matrix;
  readonly penultimate: Matrix;
  /** Places of the pictures among all of the set. */
  readonly places: readonly number[];
}

function rowsAt(data: Float32Array, width: number, rows: readonly number[]): Matrix {
  const own = new Float32Array(rows.length * width);
  for (const [to, from] of rows.entries())
    own.set(data.subarray(from * width, (from + 1) * width), to * width);
  return { data: own, rows: rows.length, width };
}

/** Leaves out what could not be read. @throws DiagnosticError Z416 where that is everything */
export function readable(data: OpenedData, found: SetFeatures): EncodedSet {
  const { count, name } = data.pictures;
  const places = Array.from({ length: count }, (_, place) => place).filter(
    (place) => !found.unreadable.has(place),
  );
  if (places.length === 0) {
    const [[, reason]] = [...found.unreadable] as [[number, string]];
    fail('Z416', `${name}: none of ${count} pictures can be read; the first: ${reason}`);
  }
  const features = rowsAt(found.features, found.width, places);
  normalizeRows(features.data, features.width);
  return {
    ...data,
    truth: truthAt(data.truth, places, count),
    features,
    penultimate: rowsAt(found.penultimate, found.penultimateWidth, places),
    places,
  };
}

export interface TaskContext {
  /** Features of classes or texts, where the task compares with some. */
  readonly candidates: Matrix | undefined;
  readonly device: OpenDevice;
  keep<C extends { close(): void }>(resource: C): C;
  readonly knn: KnnOptions;
  /** By what they were fitted to: one probe serves several tests. */
  readonly probes: Map<string, Promise<FittedProbe>>;
  /** Of the probe; chosen by the sweep without it. */
  readonly C?: number;
  notify(text: string): void;
  /** What is learned from, for the tasks that learn. */
  readonly train?: EncodedSet;
}

export interface Measured extends Pick<Result, 'metrics' | 'n' | 'ci95'> {
  /** Of zero-shot with one right class: what was told of each picture. */
  readonly told?: Told;
}

export interface Told {
  /** The best classes of each picture, best first. */
  readonly best: readonly (readonly Neighbour[])[];
  /** Features of the classes, of length 1. */
  readonly candidates: Matrix;
}

/** @param asking who needs them, for the message */
export function labelsOf({ truth, pictures }: EncodedSet, asking: string): Int32Array {
  if (truth.kind === 'classification') return truth.labels;
  return fail(
    'Z460',
    `${pictures.name} is a set for ${truth.kind}; ${asking} needs one right class a picture`,
  );
}

export function namesOf({
  classes,
  pictures,
}: Pick<OpenedData, 'classes' | 'pictures'>): readonly ClassName[] {
  if (classes !== undefined) return classes;
  return fail(
    'Z460',
    `${pictures.name} does not say what its classes are called`,
    'classnames.txt, or "classes" in a JSON suite',
  );
}

/**
 * What pictures are compared with. All ranks call it, and make it together.
 * @throws DiagnosticError Z460 where the set is not for the task
 */
export async function candidatesOf(
  task: Task,
  set: OpenedData,
  texts: TextOptions,
): Promise<Matrix | undefined> {
  const { truth, pictures, prompts } = set;
  if (task === 'retrieval') {
    if (truth.kind !== 'retrieval')
      fail('Z460', `${pictures.name} is a set for ${truth.kind}; retrieval needs texts of pictures`);
    return textMatrix(truth.texts.flat(), texts);
  }
  if (task !== 'zeroshot') return undefined;
  if (truth.kind === 'retrieval')
    fail('Z460', `${pictures.name} is a set for retrieval; zeroshot needs classes`, '--task retrieval');
  return classMatrix(promptsOf(namesOf(set), prompts), texts);
}

async function zeroshot(test: EncodedSet, context: TaskContext): Promise<Measured> {
  const { device, keep } = context;
  const candidates = context.candidates!;
  const { truth, features } = test;
  const visit = await similarities(features, candidates, device, keep);
  if (truth.kind === 'classification') {
    const best = await nearest(visit, features.rows, bestClasses);
    const measured = singleLabel(best, truth.labels, candidates.rows);
    const told = { best, candidates };
    if (candidates.rows !== 2) return { ...measured, told };
    // Of two classes: how well the second one's advantage ranks.
    const advantage = best.map(
      ([first, second]) => (first!.similarity - second!.similarity) * (first!.index === 1 ? 1 : -1),
    );
    return { ...measured, metrics: { ...measured.metrics, roc_auc: rocAuc(advantage, truth.labels) }, told };
  }
  const scores = new Float32Array(features.rows * candidates.rows);
  await visit(({ scores: block, firstQuery, firstCandidate, queries, candidates: columns }) => {
    for (let q = 0; q < queries; q++)
      scores.set(
        block.subarray(q * columns, (q + 1) * columns),
        (firstQuery + q) * candidates.rows + firstCandidate,
      );
  });
  const { targets } = truth as Extract<EncodedSet['truth'], { kind: 'multilabel' }>;
  return multiLabel({ data: scores, rows: features.rows, width: candidates.rows }, targets);
}

async function retrieve({ truth, features }: EncodedSet, context: TaskContext): Promise<Measured> {
  const { texts } = truth as Extract<EncodedSet['truth'], { kind: 'retrieval' }>;
  const owners = texts.flatMap((own, picture) => own.map(() => picture));
  const visit = await similarities(context.candidates!, features, context.device, context.keep);
  return retrieval(await retrievalRanks(visit, owners, features.rows));
}

async function neighbours(test: EncodedSet, context: TaskContext): Promise<Measured> {
  const train = context.train!;
  const labels = labelsOf(test, 'knn');
  const visit = await similarities(test.features, train.features, context.device, context.keep);
  const found = await nearest(visit, test.features.rows, Math.max(...context.knn.k));
  return knn(found, labelsOf(train, 'knn'), labels, context.knn);
}

async function probe(test: EncodedSet, context: TaskContext): Promise<Measured> {
  const train = context.train!;
  const labelled = (set: EncodedSet) => ({
    features: set.penultimate.data,
    width: set.penultimate.width,
    labels: labelsOf(set, 'probe'),
  });
  const rows = labelled(train);
  const key = digestOf([train.pictures.identity, [...rows.labels]]);
  const fitted =
    context.probes.get(key) ??
    fitSets(
      { train: rows },
      {
        ...(context.C === undefined ? {} : { C: context.C }),
        open: (data, classes) => openProbeData(data, classes, context.device),
        notify: context.notify,
      },
    );
  context.probes.set(key, fitted);
  return testProbe(await fitted, labelled(test));
}

export const setTasks: Readonly<Record<Task, (test: EncodedSet, context: TaskContext) => Promise<Measured>>> =
  {
    zeroshot,
    retrieval: retrieve,
    knn: neighbours,
    probe,
  };

/** Tasks that learn from another split. */
export const learns: ReadonlySet<Task> = new Set(['knn', 'probe']);
