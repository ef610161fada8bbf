/** Models of other shapes than CLIP's (test/fixtures/models/any.zoo), each with an objective and values; the library's objectives. */
import type { Graph } from '../../../compiler/graph/types.ts';
import { inputsOf, traceEntry } from '../../../compiler/model/index.ts';
import type { Model, ObjectiveChoice } from '../../../compiler/model/types.ts';
import type { Batch } from '../../../runtime/data/types.ts';
import { hashInput } from '../../../zoo/weights/hash-weights.ts';
import { unwrap } from './families.ts';
import { objectiveCases } from './objectives.ts';
import { fixtureModel } from './training-models.ts';

export interface AnyCase {
  readonly name: string;
  readonly model: Model;
  readonly objective: ObjectiveChoice;
  /** Weights that training leaves alone. */
  readonly frozen?: RegExp;
}

function caseOf(name: string, objective: ObjectiveChoice, frozen?: RegExp, file = 'any'): AnyCase {
  const model = fixtureModel(`${file}.zoo#${name}`);
  return {
    name: `${name}, ${objective.name}`,
    model,
    objective,
    ...(frozen === undefined ? {} : { frozen }),
  };
}

export const anyCases: readonly AnyCase[] = [
  caseOf('classifier', { name: 'labelled', arguments: { smoothing: 0.1 } }),
  caseOf('classifier', { name: 'labelled' }, /^body/),
  caseOf('regressor', { name: 'squared' }),
  caseOf('towers', { name: 'many', arguments: { views: 0.25 } }),
  caseOf('student', { name: 'imitate' }, /^teacher/),
  caseOf('prompted', { name: 'labelled' }),
];

/** Every objective of the library, and learned prompts. */
export const libraryCases: readonly AnyCase[] = [
  ...objectiveCases.map(({ test }) =>
    caseOf(test.model, { name: test.objective, arguments: test.arguments }, undefined, 'objectives'),
  ),
  caseOf('cocoop', { name: 'classify' }, /^(?!prompt_learner)/, 'families'),
];

/** The loss of a batch, as trained. */
export function lossOf({ model, objective }: AnyCase, batch: number): Graph {
  return unwrap(traceEntry(model, 'loss', { batch, training: true, objective }));
}

export function trainableOf({ model, frozen }: AnyCase): string[] {
  return model.weights.flatMap(({ name, kind }) => (kind === 'param' && !frozen?.test(name) ? [name] : []));
}

/** Values for every input of a case; `step` shifts those of each sample. */
export function batchOf(test: AnyCase, batch: number, step: number): Batch {
  const inputs = inputsOf(lossOf(test, batch)).map((input) => {
    const { name, table, sizes } = input;
    if (table) return [name, hashInput(input, batch)] as const;
    const row = sizes.reduce((a, b) => a * b, 1);
    return [name, hashInput(input, batch + step).slice(step * row)] as const;
  });
  return { inputs: new Map(inputs), skipped: 0 };
}
