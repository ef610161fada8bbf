/**
 * Evaluations on the way: between two steps all ranks look at the weights together, and training goes on with the same
 * bits as without.
 */
import type { Quantity, Weight } from '../../compiler/model/types.ts';
import { averagePrefix } from '../../compiler/optimizers.ts';
import { bytesOf, type Collective } from '../dist/collective.ts';
import { inSteps } from './schedule.ts';
import type { TrainSession } from './types.ts';

export interface EvaluationResult {
  readonly dataset: string;
  readonly task: string;
  /** Samples. */
  readonly n: number;
  readonly metrics: Readonly<Record<string, number>>;
}

/** All weights of a model by name, as every rank has them. */
export type WeightValues = ReadonlyMap<string, Float32Array>;

/** What a recipe's `evaluate` line asks for. */
export interface PlannedEvaluation {
  readonly every: Quantity;
  /** Called on all ranks; the first one's results count. */
  run(weights: WeightValues): Promise<readonly EvaluationResult[]>;
}

/** What the training loop knows of evaluations. */
export interface Evaluations {
  /** Whether something is to be evaluated behind so many steps. */
  due(steps: number): boolean;
  run(steps: number): Promise<void>;
}

interface Evaluated {
  readonly group: Collective;
  readonly session: TrainSession;
  readonly weights: readonly Weight[];
  /** A weight that no step uses; asked on rank 0. */
  carried(name: string): ArrayLike<number>;
}

/**
 * The weights that a run would end with now: moving averages where it keeps some. All ranks call it; what rank 0 has
 * counts, since ranks may divide what the optimizer keeps.
 */
async function currentWeights({ group, session, weights, carried }: Evaluated): Promise<WeightValues> {
  const kept = new Set(session.state.map(({ name }) => name));
  // Of what ranks may divide, averages alone are looked at.
  if ([...kept].some((name) => name.startsWith(averagePrefix))) await session.collect?.();
  const values = new Map<string, Float32Array>();
  for (const { name, shape } of weights) {
    const own = new Float32Array(shape.reduce((a, b) => a * b, 1));
    if (group.rank === 0) {
      const average = averagePrefix + name;
      const state = kept.has(average) ? average : kept.has(name) ? name : undefined;
      own.set(state === undefined ? carried(name) : await session.readState(state));
    }
    if (group.size > 1) await group.broadcast(`the weight ${name}, to be evaluated`, bytesOf(own));
    values.set(name, own);
  }
  return values;
}

/**
 * @param planned in the order of the recipe
 * @param end of the run, behind which everything is evaluated
 * @param told of the results, on rank 0
 */
export function evaluationsOf(
  planned: readonly PlannedEvaluation[],
  at: Evaluated & { readonly batchesPerEpoch: number | undefined; readonly end: number },
  told: (steps: number, results: readonly EvaluationResult[]) => Promise<void>,
): Evaluations | undefined {
  if (planned.length === 0) return undefined;
  const all = planned.map((one) => ({ ...one, steps: Math.max(1, inSteps(one.every, at.batchesPerEpoch)) }));
  const dueAt = (steps: number) => all.filter((one) => steps === at.end || steps % one.steps === 0);
  return {
    due: (steps) => dueAt(steps).length > 0,
    async run(steps) {
      const weights = await currentWeights(at);
      const results: EvaluationResult[] = [];
      for (const one of dueAt(steps)) results.push(...(await one.run(weights)));
      if (at.group.rank === 0) await told(steps, results);
    },
  };
}
