/** The library's objectives over the models of test/fixtures/models/objectives.zoo, beside PyTorch's (test/fixtures/generate/formulas/objectives.py). */
import { readFileSync } from 'node:fs';
import type { Graph } from '../../../compiler/graph/types.ts';
import { inputsOf, traceEntry } from '../../../compiler/model/index.ts';
import type { ObjectiveChoice } from '../../../compiler/model/types.ts';
import type { RefTensor } from '../../../compiler/ops/op.ts';
import { unwrap } from './families.ts';
import { fixtureModel } from './training-models.ts';

interface Stored {
  readonly shape: readonly number[];
  readonly data: readonly number[];
}

export interface ObjectiveCase {
  readonly model: string;
  readonly objective: string;
  readonly arguments: NonNullable<ObjectiveChoice['arguments']>;
  readonly terms: Readonly<Record<string, number>>;
  /** Of the weights that the objective reads. */
  readonly gradients: Readonly<Record<string, readonly number[]>>;
}

interface Fixture {
  readonly weights: Readonly<Record<string, Readonly<Record<string, Stored>>>>;
  readonly inputs: Readonly<Record<string, Stored>>;
  readonly cases: readonly ObjectiveCase[];
}

const fixture = JSON.parse(readFileSync('test/fixtures/objectives.json', 'utf8')) as Fixture;

export const objectiveCases = fixture.cases.map((test) => {
  const given = Object.entries(test.arguments).map(([name, value]) => `${name} = ${value}`);
  return { name: `${test.objective}(${given.join(', ')})`, test };
});

export interface ObjectiveInstance {
  readonly graph: Graph;
  readonly inputs: Map<string, RefTensor>;
  readonly params: Map<string, RefTensor>;
}

export function objectiveInstance({ model, objective, arguments: given }: ObjectiveCase): ObjectiveInstance {
  const { inputs, weights } = fixture;
  const [batch] = inputs.picture!.shape;
  const choice = { name: objective, arguments: given };
  const traced = fixtureModel(`objectives.zoo#${model}`);
  const graph = unwrap(traceEntry(traced, 'loss', { batch: batch!, training: true, objective: choice }));
  return {
    graph,
    inputs: new Map(inputsOf(graph).map(({ name }) => [name, stored(inputs[name]!)])),
    params: new Map(Object.entries(weights[model]!).map(([name, weight]) => [name, stored(weight)])),
  };
}

function stored({ shape, data }: Stored): RefTensor {
  return { shape, data: Float64Array.from(data) };
}
