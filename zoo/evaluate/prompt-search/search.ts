/** The search for templates on a labelled set, and what was found on another one that it has not seen. */
import { fail } from '../../../grammar/diagnostics.ts';
import { digestWeights } from '../../weights/adapter-file.ts';
import { testSplit } from '../data/open.ts';
import { type EncodingOptions, ModelEncoder } from '../encode/model.ts';
import { labelsOf, namesOf } from '../set-tasks.ts';
import type { SuiteEntry } from '../suite.ts';
import { type Metric, TemplateFeatures, valuesOf } from './ensembles.ts';
import { forwardSelection } from './forward-selection.ts';

export interface SearchOptions extends Omit<EncodingOptions, 'prompts' | 'part'> {
  readonly templates: readonly string[];
  readonly metric: Metric;
  /** Templates of the ensemble at most. */
  readonly most?: number;
}

interface Valued {
  readonly template: string;
  readonly value: number;
}

/** What there is to compare on one set. */
export interface Comparison {
  readonly dataset: string;
  readonly n: number;
  readonly skipped: number;
  readonly chosen: number;
  readonly best_single: number;
  readonly all: number;
}

export interface Found {
  readonly model: string;
  readonly pretrained: string;
  readonly weights_sha256: string;
  readonly metric: Metric;
  /** Each alone, in their order. */
  readonly templates: readonly Valued[];
  /** What was added, and what the ensemble was worth then. */
  readonly steps: readonly Valued[];
  readonly searched: Comparison;
  readonly test?: Comparison;
}

/** A labelled set with its pictures encoded. */
async function openSet(entry: SuiteEntry, encoder: ModelEncoder) {
  const data = await encoder.open(entry, testSplit(entry));
  // No part of several that could lack pieces.
  const set = (await encoder.encode(data))!;
  const labels = [...labelsOf(set, 'prompts search')];
  const { pictures, places, features } = set;
  return {
    identity: pictures.identity,
    classes: namesOf(set),
    about: { dataset: entry.name, n: labels.length, skipped: pictures.count - places.length },
    pictures: features,
    labels,
  };
}

/**
 * @param test another set, on which what was found is tested once
 * @throws DiagnosticError Z460 for sets without one right class a picture, or one set for both; those of opening data
 */
export async function searchPrompts(
  entry: SuiteEntry,
  test: SuiteEntry | undefined,
  options: SearchOptions,
): Promise<Found> {
  const { model, weights, executor, templates, metric, most } = options;
  const encoder = new ModelEncoder(options, await digestWeights(model.weights, weights));
  const set = await openSet(entry, encoder);
  const held = test && (await openSet(test, encoder));
  if (held?.identity === set.identity)
    fail('Z460', `${held.about.dataset}: the set of --test is the one that is searched`);
  const sameClasses = JSON.stringify(held?.classes) === JSON.stringify(set.classes);
  const features = await TemplateFeatures.encode(set.classes, templates, encoder.texts);
  const measure = (on: typeof set, own: TemplateFeatures) => (ensembles: readonly (readonly number[])[]) =>
    valuesOf(ensembles, {
      ...on,
      features: own,
      metric,
      device: async () => (executor.kind === 'device' ? executor.device : undefined),
    });
  const onSet = measure(set, features);
  const { singles, steps } = await forwardSelection(templates.length, onSet, most);
  const chosen = steps.map(({ added }) => added);
  const everything = [...templates.keys()];
  const compare = async (on: typeof set, values: ReturnType<typeof measure>): Promise<Comparison> => {
    const [best, single, all] = await values([chosen, chosen.slice(0, 1), everything]);
    return { ...on.about, chosen: best!, best_single: single!, all: all! };
  };
  const searched = await compare(set, onSet);
  const tested =
    held &&
    (await compare(
      held,
      measure(
        held,
        sameClasses ? features : await TemplateFeatures.encode(held.classes, templates, encoder.texts),
      ),
    ));
  return {
    model: model.name,
    pretrained: weights.description,
    weights_sha256: encoder.weights,
    metric,
    templates: templates.map((template, i) => ({ template, value: singles[i]! })),
    steps: steps.map(({ added, value }) => ({ template: templates[added]!, value })),
    searched,
    ...(tested === undefined ? {} : { test: tested }),
  };
}
