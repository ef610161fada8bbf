/** Ten steps by recipes of test/fixtures/models/steps.zoo, beside PyTorch's (test/fixtures/generate/steps.py). */
import { readFileSync } from 'node:fs';
import { expect } from 'vitest';
import { resolveRecipe } from '../../../compiler/model/index.ts';
import type { Recipe } from '../../../compiler/model/types.ts';
import { readSafetensors } from '../../../runtime/data/safetensors/tensors.ts';
import type { Batch } from '../../../runtime/data/types.ts';
import { scheduleOf } from '../../../runtime/train/schedule.ts';
import { hyperAt } from '../../../runtime/train/trainer.ts';
import type { TrainSession, UpdateSettings } from '../../../runtime/train/types.ts';
import type { HostArray } from '../../../runtime/types.ts';
import { nodeHost } from '../../../zoo/host.ts';
import { relL2 } from '../golden/golden.ts';
import { unwrap } from '../models/families.ts';

export const stepRuns = ['coca', 'caption', 'bag_of_words', 'distill', 'sigmoid_loss', 'virtex'] as const;

export function stepRecipe(name: (typeof stepRuns)[number], chunk?: number): Recipe {
  const overrides = chunk === undefined ? [] : [{ path: 'chunk', value: String(chunk) }];
  return unwrap(resolveRecipe(nodeHost(), `test/fixtures/models/steps.zoo#${name}`, overrides));
}

const { tensors } = readSafetensors(readFileSync('test/fixtures/steps.safetensors'), 'steps');
const numbers = (name: string) => Float64Array.from(tensors.get(name)!.data as ArrayLike<number>);
const pictures = numbers('picture');
const tokens = numbers('tokens');

export function stepBatch(step: number, steps = 10): Batch {
  const part = (all: Float64Array) =>
    all.subarray((step * all.length) / steps, ((step + 1) * all.length) / steps);
  const inputs = new Map<string, HostArray>([
    ['picture', Float32Array.from(part(pictures))],
    ['tokens', Int32Array.from(part(tokens))],
  ]);
  return { inputs, skipped: 0 };
}

export interface StepTolerances {
  /** Of each step, relative. */
  readonly loss: number;
  /** ||a - ref|| / ||ref - start|| of each weight behind the last step. */
  readonly moved: number;
  /** The same for `in_proj_bias`, whose key third has no gradient in exact arithmetic: noise, over an epsilon. */
  readonly movedInProjBias: number;
}

/** Gives a session the weights that the steps start from; their names. */
export function writeStart({ model }: Recipe, session: TrainSession): string[] {
  // A plan has no weights that its loss does not read.
  const kept = new Set(session.state.map(({ name }) => name));
  const names = model.weights.map(({ name }) => name).filter((name) => kept.has(name));
  for (const name of names) session.writeState(name, numbers(`${model.name}.start.${name}`));
  return names;
}

/** Takes the steps on `session` and compares losses and final weights. */
export async function checkSteps(
  recipe: Recipe,
  settings: UpdateSettings,
  session: TrainSession,
  tolerances: StepTolerances,
): Promise<void> {
  const startOf = (name: string) => numbers(`${recipe.model.name}.start.${name}`);
  const names = writeStart(recipe, session);
  const losses = numbers(`${recipe.name}.loss`);
  const schedule = scheduleOf(recipe, losses.length);
  const clip = recipe.gradClip === undefined ? {} : { gradClip: recipe.gradClip };
  for (const [step, wanted] of losses.entries()) {
    const hyper = hyperAt({ schedule, settings, ...clip }, step, recipe.seed);
    const { loss } = await session.step(stepBatch(step, losses.length), hyper);
    expect(Math.abs(loss - wanted) / wanted, `loss of step ${step}`).toBeLessThan(tolerances.loss);
  }
  for (const name of names) {
    const start = startOf(name);
    const found = Float64Array.from(await session.readState(name));
    const change = (end: Float64Array) => end.map((x, i) => x - start[i]!);
    if (settings.trainable.includes(name)) {
      const wanted = change(numbers(`${recipe.name}.end.${name}`));
      const most = name.endsWith('in_proj_bias') ? tolerances.movedInProjBias : tolerances.moved;
      expect(relL2(change(found), wanted), name).toBeLessThan(most);
    } else expect(found, name).toEqual(start);
  }
}
