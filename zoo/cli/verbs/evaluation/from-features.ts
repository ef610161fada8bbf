/** `zooc evaluate` of features or scores that were made before. */
import { fail } from '../../../../grammar/diagnostics.ts';
import { givenBlocks } from '../../../../runtime/eval/metrics/blocks.ts';
import { nearest } from '../../../../runtime/eval/metrics/nearest.ts';
import { retrievalRanks } from '../../../../runtime/eval/metrics/retrieval.ts';
import type { Labelled } from '../../../../runtime/eval/probe/objective.ts';
import { normalizeRows } from '../../../../runtime/eval/zeroshot.ts';
import { FeatureFile, type Matrix } from '../../../evaluate/data/feature-files.ts';
import { fitSets, testProbe } from '../../../evaluate/probe.ts';
import { type OpenDevice, openProbeData } from '../../../evaluate/probe-data.ts';
import type { Result, Task } from '../../../evaluate/results.ts';
import { similarities } from '../../../evaluate/similarities.ts';
import {
  bestClasses,
  type KnnOptions,
  knn,
  multiLabel,
  retrieval,
  singleLabel,
} from '../../../evaluate/tasks.ts';
import type { Keep } from '../../closing.ts';
import { parseCount, parsePositive } from '../../models.ts';
import { note } from '../../output.ts';

export interface FeatureOptions {
  readonly features?: string;
  readonly test?: string;
  readonly validation?: string;
  readonly C?: string;
  readonly k: string;
  readonly temperature?: string;
  readonly quiet?: boolean;
}

/** Where remarks go, warnings aside. */
export function remarks({ quiet }: Pick<FeatureOptions, 'quiet'>): (text: string) => void {
  return quiet === true ? () => {} : note;
}

type Measured = Pick<Result, 'metrics' | 'n' | 'ci95'>;
type FromFiles = (options: FeatureOptions, device: OpenDevice, keep: Keep) => Promise<Measured>;

function needed(options: FeatureOptions, name: 'features' | 'test', task: Task): Promise<FeatureFile> {
  const path = options[name];
  if (path === undefined) fail('Z703', `--task ${task} needs --${name} FILE.safetensors`);
  return FeatureFile.read(path);
}

/** @throws DiagnosticError Z460 where features of two kinds are not equally long */
function checkWidths(what: string, a: number, other: string, b: number): void {
  if (a !== b) fail('Z460', `${what} have ${a} numbers each, ${other} have ${b}`);
}

/** Rows of length 1. */
function unit({ data, ...sizes }: Matrix): Matrix {
  return { data: normalizeRows(Float32Array.from(data), sizes.width), ...sizes };
}

function matrixOf({ features, width, labels }: Labelled): Matrix {
  return { data: features, rows: labels.length, width };
}

/** Training rows, and test rows of equal width. */
async function trainAndTest(
  options: FeatureOptions,
  task: Task,
): Promise<{ train: Labelled; test: Labelled }> {
  const train = (await needed(options, 'features', task)).labelled();
  const test = (await needed(options, 'test', task)).labelled();
  checkWidths(`the features of ${options.test}`, test.width, `those of ${options.features}`, train.width);
  return { train, test };
}

/** How neighbours are counted. @throws DiagnosticError Z703 */
export function knnOptions({ k, temperature }: Pick<FeatureOptions, 'k' | 'temperature'>): KnnOptions {
  return {
    k: k.split(',').map((text) => parseCount('--k', text.trim())),
    ...(temperature === undefined ? {} : { temperature: parsePositive('--temperature', temperature) }),
  };
}

/** What each task makes of the files. */
export const fromFiles: Readonly<Record<Task, FromFiles>> = {
  async zeroshot(options) {
    const test = await needed(options, 'test', 'zeroshot');
    const scores = test.matrix('scores');
    const { rows, width } = scores;
    if (test.has('targets')) return multiLabel(scores, test.integers('targets', rows, 2, width));
    const labels = test.integers('labels', rows, width);
    return singleLabel(await nearest(givenBlocks(scores.data, width), rows, bestClasses), labels, width);
  },

  async retrieval(options, device, keep) {
    const test = await needed(options, 'test', 'retrieval');
    const [images, texts] = [test.matrix('image_features'), test.matrix('text_features')];
    checkWidths(`the image_features of ${test.path}`, images.width, 'its text_features', texts.width);
    const owners = test.integers('image_of_text', texts.rows, images.rows);
    const visit = await similarities(unit(texts), unit(images), device, keep);
    return retrieval(await retrievalRanks(visit, [...owners], images.rows));
  },

  async knn(options, device, keep) {
    const { train, test } = await trainAndTest(options, 'knn');
    const chosen = knnOptions(options);
    const visit = await similarities(unit(matrixOf(test)), unit(matrixOf(train)), device, keep);
    const neighbours = await nearest(visit, test.labels.length, Math.max(...chosen.k));
    return knn(neighbours, train.labels, test.labels, chosen);
  },

  async probe(options, device) {
    const sets = await trainAndTest(options, 'probe');
    const path = options.validation;
    const validation = path === undefined ? undefined : (await FeatureFile.read(path)).labelled();
    if (validation !== undefined)
      checkWidths(
        `the features of ${path}`,
        validation.width,
        `those of ${options.features}`,
        sets.train.width,
      );
    const fitted = await fitSets(
      { train: sets.train, ...(validation === undefined ? {} : { validation }) },
      {
        ...(options.C === undefined ? {} : { C: parsePositive('--C', options.C) }),
        open: (data, classes) => openProbeData(data, classes, device),
        notify: remarks(options),
      },
    );
    return testProbe(fitted, sets.test);
  },
};
