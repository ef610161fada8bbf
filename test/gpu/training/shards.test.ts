/**
 * Ranks that divide what the optimizer keeps: the same bits as ranks that each keep all of it, in state, losses and
 * norms, and in what checkpoints hold.
 */
import { describe, expect, it } from 'vitest';
import { compileChunked } from '../../../compiler/compile-chunked.ts';
import type { Recipe } from '../../../compiler/model/types.ts';
import type { VerifiedPlan } from '../../../compiler/plan/types.ts';
import { verifyPlan } from '../../../compiler/plan/verify.ts';
import type { Share } from '../../../compiler/shards.ts';
import { dividedAmong } from '../../../runtime/dist/share.ts';
import { planTraining, traceLoss } from '../../../runtime/train/plan.ts';
import { scheduleOf } from '../../../runtime/train/schedule.ts';
import { settingsFor } from '../../../runtime/train/supported.ts';
import { hyperAt } from '../../../runtime/train/trainer.ts';
import type { StateArray, StepResult, TrainSession } from '../../../runtime/train/types.ts';
import { ranksOn } from '../../support/training/ranks.ts';
import { stepBatch, stepRecipe, writeStart } from '../../support/training/steps.ts';
import { discreteText, type Runner, softwareText } from '../../support/wgsl/text-device.ts';
import { device } from '../support/compiled.ts';

type State = ReadonlyMap<string, StateArray>;

/** What checkpoints hold. */
async function stateOf(session: TrainSession): Promise<State> {
  await session.collect?.();
  const state = new Map<string, StateArray>();
  for (const { name } of session.state) state.set(name, await session.readState(name));
  return state;
}

/** Rank 0 has the checkpoint, and hands all of it out. */
function restore(session: TrainSession, state: State): void {
  for (const { name } of session.state) session.writeState(name, state.get(name)!);
}

/** @param bucket bytes of a turn, where it is not the usual one */
function planFor(on: Runner, recipe: Recipe, ranks: number, bucket?: number): (share: Share) => VerifiedPlan {
  const own = dividedAmong(recipe, { size: ranks });
  if (bucket === undefined) return (share) => planTraining(own, on.profile, { share }).plan;
  const graph = traceLoss(own);
  const { settings } = settingsFor(own, graph);
  const { gradClip, batch, chunk } = own;
  return (share) =>
    compileChunked(graph, traceLoss({ ...own, batch: chunk! }), {
      model: recipe.model.name,
      entry: 'loss',
      mode: 'train',
      profile: on.profile,
      batch,
      chunk: chunk!,
      training: { ...settings, ...(gradClip && { clip: gradClip }) },
      share,
      shard: 'optimizer',
      bucket,
    });
}

const open = (on: Runner, recipe: Recipe, ranks: number, bucket?: number) =>
  ranksOn(on, planFor(on, recipe, ranks, bucket), ranks, recipe.wire ? { wire: recipe.wire } : {});

/** Steps `[first, end)`. */
async function train(recipe: Recipe, session: TrainSession, first: number, end: number) {
  const { settings } = settingsFor(recipe, traceLoss(recipe));
  const clip = recipe.gradClip === undefined ? {} : { gradClip: recipe.gradClip };
  const results: Omit<StepResult, 'exchangeMs'>[] = [];
  for (let step = first; step < end; step++) {
    const hyper = hyperAt({ schedule: scheduleOf(recipe, 10), settings, ...clip }, step, recipe.seed);
    const { exchangeMs: _, ...result } = await session.step(stepBatch(step), hyper);
    results.push(result);
  }
  return results;
}

/** A run from its beginning. */
async function run(
  on: Runner,
  recipe: Recipe,
  ranks: number,
  { steps = 3, bucket = undefined as number | undefined } = {},
) {
  const session = await open(on, recipe, ranks, bucket);
  writeStart(recipe, session);
  const results = await train(recipe, session, 0, steps);
  const state = await stateOf(session);
  session.close();
  return { results, state };
}

const sharded = (recipe: Recipe): Recipe => ({ ...recipe, shard: 'optimizer' });

/** Everything that an update can have: groups of rates, a bound, clipping, a moving average, frozen weights. */
const coca: Recipe = {
  ...stepRecipe('coca'),
  gradClip: 0.5,
  ema: 0.75,
  rates: [
    { rate: 'lr', pattern: 'words.**', value: 1e-2 },
    { rate: 'weight_decay', pattern: 'image.**', value: 0.05 },
  ],
};
const sigmoid = stepRecipe('sigmoid_loss');

const cases: readonly (readonly [string, Recipe])[] = [
  ['adamw with all that it may have', coca],
  [
    'sgd',
    {
      ...sigmoid,
      optimizer: { kind: 'sgd', lr: 0.1, momentum: 0.9, nesterov: true, weightDecay: 0.1, decayMinDims: 2 },
    },
  ],
  [
    'sgd that keeps nothing',
    {
      ...sigmoid,
      optimizer: { kind: 'sgd', lr: 0.1, momentum: 0, nesterov: false, weightDecay: 0, decayMinDims: 2 },
    },
  ],
  [
    'lion',
    {
      ...sigmoid,
      optimizer: { kind: 'lion', lr: 0.01, beta1: 0.9, beta2: 0.99, weightDecay: 0.1, decayMinDims: 2 },
    },
  ],
];

const software = await device();
const devices = [
  ['software text', softwareText],
  ['gpu text', discreteText],
  ...(software === undefined ? [] : ([['device', software]] as const)),
] as const;

describe('ranks that divide what the optimizer keeps', () => {
  it.each(cases)('have the bits of those that do not: %s', async (_, recipe) => {
    const whole = await run(softwareText, recipe, 2);
    expect(await run(softwareText, sharded(recipe), 2)).toEqual(whole);
  });

  // Of four, the last has the end of a part; in turns of 1 KiB, which are blocks of the norm, nothing or several parts.
  it.each(devices.flatMap(([name, on]) => [2, 4].map((ranks) => ({ name, on, ranks }))))(
    'have them on $name with $ranks ranks, in one turn and in many',
    async ({ on, ranks }) => {
      const whole = await run(on, coca, ranks);
      expect(await run(on, sharded(coca), ranks)).toEqual(whole);
      expect(await run(on, sharded(coca), ranks, { bucket: 1024 })).toEqual(whole);
    },
  );

  it('have them where some ranks have nothing to update', async () => {
    const bag = { ...stepRecipe('bag_of_words'), ema: 0.5 };
    const plan = planFor(softwareText, sharded(bag), 4)({ rank: 3, ranks: 4 });
    expect(
      plan.sections!.filter(({ name }) => name === 'update').map(({ first, end }) => end - first),
    ).toEqual([0, 1]);
    expect(await run(softwareText, sharded(bag), 4)).toEqual(await run(softwareText, bag, 4));
  });

  // The text of GPUs counts overflow by an atomic, which is not translated.
  it.each(devices.filter(([, on]) => on !== discreteText))(
    'in mixed precision have them behind steps that overflowed and did not, %s',
    async (_, on) => {
      const mixed: Recipe = { ...coca, precision: { kind: 'mixed', lossScale: 'dynamic' } };
      const found = [mixed, sharded(mixed)].map(async (recipe) => {
        const session = await open(on, recipe, 2);
        writeStart(recipe, session);
        // Scales of which the first is too large.
        const results = [];
        for (const [step, scale] of [2 ** 120, 2 ** 8, 2 ** 8].entries()) {
          session.writeState('loss_scaler', Float32Array.of(scale, 0, step, 0, 0, 0));
          results.push(...(await train(recipe, session, step, step + 1)));
        }
        const state = await stateOf(session);
        session.close();
        return { results, state };
      });
      const [whole, own] = await Promise.all(found);
      expect(whole!.results.map(({ scaling }) => scaling!.overflow)).toEqual([true, false, false]);
      expect(own).toEqual(whole);
    },
  );

  it('keep the rounding of gradients in halves to the way there', async () => {
    const halves: Recipe = { ...coca, wire: 'f16' };
    const [wanted, whole, own] = [
      await run(softwareText, coca, 2, { steps: 1 }),
      await run(softwareText, halves, 2, { steps: 1 }),
      await run(softwareText, sharded(halves), 2, { steps: 1 }),
    ];
    // The first moment is a tenth of the gradient: of what the sum of halves is off by, its own rounding is a part.
    const off = ({ state }: typeof own) =>
      Math.hypot(
        ...[...state]
          .filter(([name]) => name.startsWith('adam.m.'))
          .flatMap(([name, data]) => Array.from(data, (x, i) => x - wanted.state.get(name)![i]!)),
      );
    expect(off(own)).toBeGreaterThan(0);
    expect(off(own)).toBeLessThan(off(whole));
  });

  it.each([2, 4])('of two are gone on with by %d, which divide it or do not', async (ranks) => {
    const { state } = await run(softwareText, sharded(coca), 2);
    const ends = [coca, sharded(coca)].map(async (recipe) => {
      const session = await open(softwareText, recipe, ranks);
      restore(session, state);
      // Before the first step, what was written is there without a `collect`.
      for (const [name, data] of state) expect(await session.readState(name)).toEqual(data);
      const results = await train(recipe, session, 3, 5);
      const end = await stateOf(session);
      session.close();
      return { results, end };
    });
    const [whole, own] = await Promise.all(ends);
    expect(own).toEqual(whole);
  });

  it('keep a part of it each', () => {
    for (const ranks of [2, 4]) {
      const { memory } = planFor(softwareText, coca, ranks)({ rank: 0, ranks });
      const own = Array.from(
        { length: ranks },
        (_, rank) => planFor(softwareText, sharded(coca), ranks)({ rank, ranks }).memory,
      );
      // Together all of it; what a rank has more than its share is less than a block of the norm for each of the three.
      expect(own.reduce((sum, m) => sum + m.optimizer, 0)).toBe(memory.optimizer);
      for (const { optimizer } of own) expect(optimizer).toBeLessThan(memory.optimizer / ranks + 3 * 1024);
      for (const m of own) expect(m.gradients).toBe(memory.gradients);
    }
  });

  it('are refused by the verifier where there are none', () => {
    const plan = planFor(softwareText, sharded(coca), 2)({ rank: 1, ranks: 2 });
    const { share: _, ...without } = plan;
    expect(() => verifyPlan(without, softwareText.profile)).toThrow('divided among no ranks');
    expect(() => verifyPlan(plan, softwareText.profile)).not.toThrow();
  });

  it('do not let what was not collected be read', async () => {
    const session = await open(softwareText, sharded(coca), 2);
    writeStart(coca, session);
    await train(coca, session, 0, 1);
    const { name } = session.state.find((s) => s.name.startsWith('adam.m.'))!;
    await expect(session.readState(name)).rejects.toThrow(`${name} was not collected`);
    session.close();
  });
});
