/**
 * The library's objectives on several ranks, each with its rows of the loss: the loss and the gradients of one machine
 * with the whole batch, in double precision and by the text of kernels, and the same bits on every rank.
 */
import { describe, expect, it } from 'vitest';
import { cutAtGather } from '../../../compiler/autodiff/chunk.ts';
import { compileChunked } from '../../../compiler/compile-chunked.ts';
import { sizeOf } from '../../../compiler/graph/types.ts';
import { inputsOf, traceEntry } from '../../../compiler/model/index.ts';
import type { VerifiedPlan } from '../../../compiler/plan/types.ts';
import type { Share } from '../../../compiler/shards.ts';
import type { Batch } from '../../../runtime/data/types.ts';
import { chunkByChunk, wholeBatch } from '../../../runtime/reference/computation.ts';
import { ReferenceTrainSession } from '../../../runtime/reference/session.ts';
import { DeviceTrainSession } from '../../../runtime/train/session.ts';
import type { TrainSession } from '../../../runtime/train/types.ts';
import type { HostArray } from '../../../runtime/types.ts';
import { relL2 } from '../../support/golden/golden.ts';
import { unwrap } from '../../support/models/families.ts';
import { type ObjectiveCase, objectiveCases, objectiveInstance } from '../../support/models/objectives.ts';
import { fixtureModel, noise } from '../../support/models/training-models.ts';
import { among, ranksOn } from '../../support/training/ranks.ts';
import { discreteText, type Runner, softwareText } from '../../support/wgsl/text-device.ts';

const batch = 8;

/** What has no matrix of pairs, or looks for the largest of its rows. */
const stayWhole = /^(caption|bag_of_words|classify|regress|triplet\((?!.*hardest = false))/;

interface Way {
  readonly ranks: number;
  readonly chunk: number;
  readonly strips?: number;
  readonly mixed?: true;
}

/** A step of plain descent at rate 1 moves each weight by its gradient. */
const descent = {
  rule: { kind: 'sgd', momentum: 0, nesterov: false },
  weightDecay: 0,
  decayMinDims: 0,
  clamps: [],
} as const;
const hyper = { lr: 1, biasCorrection1: 1, biasCorrection2: 1, clipNorm: 0, random: { seed: 0, step: 0 } };

function problemOf(test: ObjectiveCase) {
  const model = fixtureModel(`objectives.zoo#${test.model}`);
  const choice = { name: test.objective, arguments: test.arguments };
  const trace = (rows: number) =>
    unwrap(traceEntry(model, 'loss', { batch: rows, training: true, objective: choice }));
  const whole = trace(batch);
  const integers: Readonly<Record<string, number>> = { tokens: 9, label: 4 };
  const inputs = new Map(
    inputsOf(whole).map(({ name, sizes }, i): [string, HostArray] => {
      const values = noise(batch * sizeOf(sizes), i + 3);
      const below = integers[name];
      return [name, below === undefined ? values : Int32Array.from(values, (x) => ((x + 1) / 2) * below)];
    }),
  );
  const trainable = Object.keys(test.gradients);
  return {
    model,
    whole,
    trace,
    trainable,
    given: objectiveInstance(test).params,
    data: { inputs, skipped: 0 } satisfies Batch,
  };
}

type Problem = ReturnType<typeof problemOf>;

/** The loss, and gradients by weight. */
async function step(session: TrainSession, { trainable, given, data }: Problem) {
  const kept = new Set(session.state.map(({ name }) => name));
  for (const [name, value] of given)
    if (kept.has(name)) session.writeState(name, Float64Array.from(value.data));
  const result = await session.step(data, hyper);
  const gradients = new Map<string, Float64Array>();
  for (const name of trainable) {
    const moved = await session.readState(name);
    gradients.set(
      name,
      Float64Array.from(given.get(name)!.data, (start, i) => start - moved[i]!),
    );
  }
  session.close();
  return { ...result, gradients };
}

type Stepped = Awaited<ReturnType<typeof step>>;

function inDouble(problem: Problem): Promise<Stepped> {
  const weights = problem.model.weights;
  const trained = weights.filter(({ name }) => problem.trainable.includes(name));
  const settings = { ...descent, trainable: problem.trainable };
  return step(new ReferenceTrainSession(wholeBatch(problem.whole, trained), weights, settings), problem);
}

function sharedInDouble(problem: Problem, { ranks, chunk, strips }: Way) {
  const { model, whole, trace, trainable } = problem;
  const settings = { ...descent, trainable };
  const trained = model.weights.filter(({ name }) => trainable.includes(name));
  const cuts = Array.from({ length: ranks }, (_, rank) =>
    cutAtGather(whole, trace(chunk), {
      trainable,
      share: { rank, ranks },
      ...(strips === undefined ? {} : { strips }),
    }),
  );
  const session = among(ranks, async (group) => {
    const computation = chunkByChunk(cuts[group.rank]!, { batch, chunk }, trained, group);
    return new ReferenceTrainSession(computation, model.weights, settings);
  });
  return { shared: cuts.map((cut) => cut.shared), session };
}

function planOf(problem: Problem, on: Runner, { chunk, strips, mixed }: Way, share?: Share): VerifiedPlan {
  return compileChunked(problem.whole, problem.trace(chunk), {
    model: problem.model.name,
    entry: 'loss',
    mode: 'train',
    profile: on.profile,
    batch,
    chunk,
    training: { ...descent, trainable: problem.trainable, ...(mixed ? { lossScale: 256 } : {}) },
    ...(mixed ? { precision: 'mixed' as const } : {}),
    ...(strips === undefined ? {} : { strips }),
    ...(share === undefined ? {} : { share }),
  });
}

function expectClose(found: Stepped, wanted: Stepped, loss: number, gradient: number): void {
  expect(Math.abs(found.loss - wanted.loss)).toBeLessThan(loss * Math.abs(wanted.loss));
  for (const [name, value] of Object.entries(wanted.terms))
    expect(Math.abs(found.terms[name]! - value), name).toBeLessThan(loss * Math.max(Math.abs(value), 1e-3));
  for (const [name, value] of wanted.gradients)
    expect(relL2(found.gradients.get(name)!, value), name).toBeLessThan(gradient);
}

describe.each(objectiveCases)('$name on ranks', ({ name, test }) => {
  const problem = problemOf(test);
  const wanted = inDouble(problem);

  it.each<Way>([
    { ranks: 2, chunk: 4 },
    { ranks: 2, chunk: 2, strips: 3 * batch },
    { ranks: 4, chunk: 1 },
    { ranks: 8, chunk: 1 },
  ])('has the numbers of one in double precision: %j', async (way) => {
    const { shared, session } = sharedInDouble(problem, way);
    expect(shared).toEqual(Array(way.ranks).fill(!stayWhole.test(name)));
    expectClose(await step(await session, problem), await wanted, 1e-12, 1e-11);
  });

  // One step in f32 against double precision, as steps of one device are held to.
  it.each<Way & { on: Runner }>([
    { ranks: 2, chunk: 4, on: softwareText },
    { ranks: 4, chunk: 1, strips: batch, on: softwareText },
    { ranks: 2, chunk: 2, on: discreteText },
  ])(
    'has them by the text of kernels: $ranks ranks, chunks of $chunk, strips $strips',
    async ({ on, ...way }) => {
      const session = await ranksOn(on, (share) => planOf(problem, on, way, share), way.ranks);
      expectClose(await step(session, problem), await wanted, 1e-6, 1e-5);
    },
  );
});

describe.each(['contrastive()', 'sigmoid_loss()'])('%s in mixed precision', (name) => {
  it('has the gradients of one device', async () => {
    const problem = problemOf(objectiveCases.find((c) => c.name === name)!.test);
    const way: Way = { ranks: 2, chunk: 4, mixed: true };
    const alone = new DeviceTrainSession(await softwareText.open(planOf(problem, softwareText, way)));
    const shared = await ranksOn(softwareText, (share) => planOf(problem, softwareText, way, share), 2);
    // A rounding of halves more or less.
    expectClose(await step(shared, problem), await step(alone, problem), 1e-3, 1e-2);
  });
});
