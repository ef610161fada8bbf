/** What ensembles of templates are worth on encoded pictures: text features are made once, and averaged for each ensemble. */
import type { Visit } from '../../../runtime/eval/metrics/blocks.ts';
import { meanPerClass } from '../../../runtime/eval/metrics/classification.ts';
import { normalizeRows } from '../../../runtime/eval/zeroshot.ts';
import type { Matrix } from '../data/feature-files.ts';
import { type TextOptions, textMatrix } from '../encode/texts.ts';
import type { OpenDevice } from '../probe-data.ts';
import { type ClassName, promptsOf } from '../prompts.ts';
import { similarities } from '../similarities.ts';

/** What an ensemble is worth, of the pictures' classes and those that it takes them for. */
const metrics = {
  acc1: (labels, predictions) =>
    labels.filter((label, row) => label === predictions[row]).length / labels.length,
  mean_per_class_recall: meanPerClass,
} satisfies Record<string, (labels: readonly number[], predictions: readonly number[]) => number>;
export type Metric = keyof typeof metrics;

/** Numbers of class features that are compared with the pictures at once. */
const mostElements = 2 ** 26;

/** Features of every class's prompts by every template. */
export class TemplateFeatures {
  readonly #names: readonly number[];
  readonly #templates: number;
  readonly #features: Matrix;

  /**
   * @param names how many each class has
   * @param features rows of length 1: of each class, of each of its names, of each template
   */
  constructor(names: readonly number[], templates: number, features: Matrix) {
    this.#names = names;
    this.#templates = templates;
    this.#features = features;
  }

  /** @param options of a group of one */
  static async encode(
    classes: readonly ClassName[],
    templates: readonly string[],
    options: TextOptions,
  ): Promise<TemplateFeatures> {
    const features = (await textMatrix(promptsOf(classes, { templates }).flat(), options))!;
    return new TemplateFeatures(
      classes.map((names) => [names].flat().length),
      templates.length,
      features,
    );
  }

  get width(): number {
    return this.#features.width;
  }

  get classes(): number {
    return this.#names.length;
  }

  /**
   * One feature for each class, [classes, width], as zero-shot classification makes it of these templates: to the bit,
   * so that what is found is what `evaluate` says.
   */
  ensemble(templates: readonly number[]): Float32Array {
    const { data, width } = this.#features;
    const sums = new Float32Array(this.classes * width);
    let name = 0;
    for (const [c, names] of this.#names.entries())
      for (const end = name + names; name < end; name++)
        for (const template of templates) {
          const row = (name * this.#templates + template) * width;
          for (let i = 0; i < width; i++) sums[c * width + i]! += data[row + i]!;
        }
    return normalizeRows(sums, width);
  }
}

/**
 * The nearest class of each picture by each ensemble, [ensembles][pictures]; of equal ones the first.
 * @param visit similarities of pictures with the classes of one ensemble behind those of the other
 */
export async function nearestClasses(
  visit: Visit,
  { pictures, ensembles, classes }: Readonly<Record<'pictures' | 'ensembles' | 'classes', number>>,
): Promise<Int32Array[]> {
  const best = Array.from({ length: ensembles }, () => new Int32Array(pictures));
  const highest = best.map(() => new Float64Array(pictures).fill(Number.NEGATIVE_INFINITY));
  await visit(({ scores, firstQuery, firstCandidate, queries, candidates }) => {
    for (let q = 0; q < queries; q++)
      for (let at = 0; at < candidates; ) {
        const ensemble = Math.floor((firstCandidate + at) / classes);
        const first = ensemble * classes - firstCandidate;
        const end = Math.min(candidates, first + classes);
        const row = firstQuery + q;
        for (; at < end; at++) {
          const score = scores[q * candidates + at]!;
          if (score <= highest[ensemble]![row]!) continue;
          highest[ensemble]![row] = score;
          best[ensemble]![row] = at - first;
        }
      }
  });
  return best;
}

async function predictions(
  pictures: Matrix,
  classes: number,
  ensembles: readonly Float32Array[],
  device: OpenDevice,
): Promise<Int32Array[]> {
  const { rows, width } = pictures;
  const data = new Float32Array(ensembles.length * classes * width);
  for (const [e, features] of ensembles.entries()) data.set(features, e * features.length);
  const opened: { close(): void }[] = [];
  const keep = <C extends { close(): void }>(resource: C): C => {
    opened.push(resource);
    return resource;
  };
  const all = { data, rows: ensembles.length * classes, width };
  try {
    const visit = await similarities(pictures, all, device, keep);
    return await nearestClasses(visit, { pictures: rows, ensembles: ensembles.length, classes });
  } finally {
    for (const resource of opened) resource.close();
  }
}

/**
 * What ensembles of templates are worth.
 * @param labels of the pictures
 */
export async function valuesOf(
  ensembles: readonly (readonly number[])[],
  {
    pictures,
    labels,
    features,
    metric,
    device,
  }: {
    readonly pictures: Matrix;
    readonly labels: readonly number[];
    readonly features: TemplateFeatures;
    readonly metric: Metric;
    readonly device: OpenDevice;
  },
): Promise<number[]> {
  const together = Math.max(1, Math.floor(mostElements / (features.classes * features.width)));
  const values: number[] = [];
  for (let first = 0; first < ensembles.length; first += together) {
    const some = ensembles.slice(first, first + together).map((templates) => features.ensemble(templates));
    for (const found of await predictions(pictures, features.classes, some, device))
      values.push(metrics[metric](labels, [...found]));
  }
  return values;
}
