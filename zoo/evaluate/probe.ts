/** A linear probe from features to metrics, with the C that is asked for or the one that rows held out choose. */
import { fail } from '../../grammar/diagnostics.ts';
import { randomKey, randomPermutation } from '../../runtime/data/random.ts';
import { meanPerClass } from '../../runtime/eval/metrics/classification.ts';
import { wilson } from '../../runtime/eval/metrics/intervals.ts';
import { classify, fitProbe, type Probe } from '../../runtime/eval/probe/fit.ts';
import type { Labelled, ProbeData } from '../../runtime/eval/probe/objective.ts';
import { bestC } from '../../runtime/eval/probe/sweep.ts';
import type { Result } from './results.ts';

interface FitSets {
  readonly train: Labelled;
  /** Decides on C; without it a fifth of each class's rows of `train` does. */
  readonly validation?: Labelled;
}

interface ProbeOptions {
  readonly C?: number;
  open(data: Labelled, classes: number): Promise<ProbeData>;
  /** Told of each fit. */
  notify(text: string): void;
}

type Rows = (row: number) => boolean;

function selected({ features, width, labels }: Labelled, keep: Rows): Labelled {
  const rows = [...labels.keys()].filter(keep);
  const chosen = new Float32Array(rows.length * width);
  for (const [to, row] of rows.entries())
    chosen.set(features.subarray(row * width, (row + 1) * width), to * width);
  return { features: chosen, width, labels: Int32Array.from(rows, (row) => labels[row]!) };
}

function joined(a: Labelled, b: Labelled): Labelled {
  const features = new Float32Array(a.features.length + b.features.length);
  features.set(a.features);
  features.set(b.features, a.features.length);
  return { features, width: a.width, labels: Int32Array.of(...a.labels, ...b.labels) };
}

/** One row in so many of each class is held out where there is no validation set. */
const heldOut = 5;

/** The same rows always; of a class with fewer rows than `heldOut` none. */
function splitOf(data: Labelled): { readonly fit: Labelled; readonly validation: Labelled } {
  const seen = new Map<number, number>();
  const held = new Set<number>();
  for (const row of randomPermutation(randomKey(0, 'rows held out'), data.labels.length)) {
    const label = data.labels[row]!;
    const count = (seen.get(label) ?? 0) + 1;
    seen.set(label, count);
    if (count % heldOut === 0) held.add(row);
  }
  return {
    fit: selected(data, (row) => !held.has(row)),
    validation: selected(data, (row) => held.has(row)),
  };
}

function accuracyOf(probe: Probe, data: Labelled): number {
  const found = classify(probe, data);
  return found.filter((label, row) => label === data.labels[row]).length / found.length;
}

type Solve = (C: number, start?: Float64Array) => Promise<Probe>;

/** Opens data for as many fits as `use` makes of it. */
async function withData<T>(
  data: Labelled,
  classes: number,
  { open, notify }: ProbeOptions,
  use: (solve: Solve) => Promise<T>,
): Promise<T> {
  const opened = await open(data, classes);
  try {
    return await use(async (C, start) => {
      const probe = await fitProbe(opened, C, start);
      const { objective, iterations, converged } = probe;
      notify(
        `probe C = ${C.toPrecision(3)}: objective ${objective.toPrecision(9)} after ${iterations} iterations${converged ? '' : ', not converged'}`,
      );
      return probe;
    });
  } finally {
    opened.close();
  }
}

/** The C of the best accuracy on rows held out. */
function chosenC(fitted: Labelled, held: Labelled, classes: number, options: ProbeOptions): Promise<number> {
  return withData(fitted, classes, options, (solve) => {
    let start: Float64Array | undefined;
    return bestC(async (C) => {
      const probe = await solve(C, start);
      start = probe.parameters;
      return accuracyOf(probe, held);
    });
  });
}

/** A probe, and what is known of it before any test. */
export interface FittedProbe {
  readonly probe: Probe;
  readonly C: number;
  readonly trainAccuracy: number;
  /** Labels of the classes that were trained, from the lowest on. */
  readonly known: readonly number[];
}

/** Labels as places among the classes that are trained; -1 for the others. */
function renamed(data: Labelled, known: readonly number[]): Labelled {
  const places = new Map(known.map((label, i) => [label, i]));
  return { ...data, labels: data.labels.map((label) => places.get(label) ?? -1) };
}

export async function fitSets({ train, validation }: FitSets, options: ProbeOptions): Promise<FittedProbe> {
  const known = [...new Set([...train.labels, ...(validation?.labels ?? [])])].sort((a, b) => a - b);
  if (known.length < 2) fail('Z460', `a probe needs two classes, and all rows are of class ${known[0]}`);
  const rows = renamed(train, known);
  const given = validation && renamed(validation, known);
  const whole = given === undefined ? rows : joined(rows, given);
  let { C } = options;
  if (C === undefined) {
    const sets = given === undefined ? splitOf(rows) : { fit: rows, validation: given };
    if (sets.validation.labels.length === 0)
      fail('Z460', `no class has ${heldOut} rows, so none can be held out to choose C`, '--C 0.316');
    C = await chosenC(sets.fit, sets.validation, known.length, options);
  }
  const best = C;
  const probe = await withData(whole, known.length, options, (solve) => solve(best));
  return { probe, C, trainAccuracy: accuracyOf(probe, whole), known };
}

/** How well a probe does on other rows. Those of a class that was not trained count as wrong. */
export function testProbe(
  { probe, C, trainAccuracy, known }: FittedProbe,
  test: Labelled,
): Pick<Result, 'metrics' | 'n' | 'ci95'> {
  const rows = renamed(test, known);
  const predictions = classify(probe, rows);
  const accuracy = accuracyOf(probe, rows);
  return {
    n: predictions.length,
    metrics: {
      C,
      objective: probe.objective,
      train_accuracy: trainAccuracy,
      lp_acc1: accuracy,
      lp_mean_per_class_recall: meanPerClass(
        [...test.labels],
        predictions.map((place) => known[place]!),
      ),
    },
    ci95: { lp_acc1: wilson(accuracy, predictions.length) },
  };
}
