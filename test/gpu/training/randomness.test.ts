/**
 * Training with dropout, drop path, token dropping and noise: the losses of the reference, the same numbers in
 * any chunks, the same bits after a cut and with remat.
 *
 * On the adapter at hand in chunks of 4; the other sizes and GPUs by the text of kernels.
 */
import { describe, expect, it } from 'vitest';
import { compileGraph, type Precision } from '../../../compiler/compile.ts';
import { compileChunked } from '../../../compiler/compile-chunked.ts';
import type { Share } from '../../../compiler/shards.ts';
import { wholeBatch } from '../../../runtime/reference/computation.ts';
import { ReferenceTrainSession } from '../../../runtime/reference/session.ts';
import { DeviceTrainSession } from '../../../runtime/train/session.ts';
import type { StateArray, TrainSession } from '../../../runtime/train/types.ts';
import {
  batchValues,
  fixtureModel,
  traceTraining,
  trainableOf,
  weightValues,
} from '../../support/models/training-models.ts';
import { adamw } from '../../support/training/optimizers.ts';
import { ranksOn } from '../../support/training/ranks.ts';
import { discreteText, type Runner, softwareText } from '../../support/wgsl/text-device.ts';
import { deviceForTests } from '../support/device.ts';

const device = deviceForTests();

const name = 'random.zoo#random';
const model = fixtureModel(name);
const batch = 16;
const steps = 20;
const update = { rule: adamw, weightDecay: 0.2, decayMinDims: 2, clamps: [] };
const settings = { ...update, trainable: trainableOf(model) };

interface Way {
  readonly chunk: number;
  readonly precision?: Precision;
  readonly remat?: readonly string[];
  readonly ranks?: number;
}

async function open(on: Runner, { chunk, ranks, ...way }: Way): Promise<TrainSession> {
  const training = { ...settings, ...(way.precision === 'mixed' ? { lossScale: 256 } : {}) };
  const options = {
    model: name,
    entry: 'loss',
    batch,
    mode: 'train',
    profile: on.profile,
    training,
    ...way,
  } as const;
  const whole = traceTraining(model, batch);
  const inChunks = (more: { share?: Share } = {}) =>
    compileChunked(whole, traceTraining(model, chunk), { ...options, chunk, ...more });
  if (ranks !== undefined) return ranksOn(on, (share) => inChunks({ share }), ranks);
  const plan = chunk === batch ? compileGraph(whole, options) : inChunks();
  return new DeviceTrainSession(await on.open(plan));
}

/** The model's weights, and whatever else a session keeps as zeros. */
function begin(session: TrainSession): TrainSession {
  const weights = weightValues(model);
  for (const { name: state, shape } of session.state) {
    const start = weights.get(state) ?? (state.startsWith('adam.') ? zeros(shape) : undefined);
    if (start !== undefined) session.writeState(state, start);
  }
  return session;
}

function zeros(shape: readonly number[]): Float32Array {
  return new Float32Array(shape.reduce((a, b) => a * b, 1));
}

/** Losses of the steps `from` up to `to`. */
async function train(session: TrainSession, from = 0, to = steps): Promise<number[]> {
  const losses: number[] = [];
  for (let step = from; step < to; step++) {
    const corrections = { biasCorrection1: 1 - 0.9 ** (step + 1), biasCorrection2: 1 - 0.98 ** (step + 1) };
    const hyper = { lr: 1e-3, ...corrections, clipNorm: 0, random: { seed: 11, step } };
    losses.push((await session.step(batchValues(model, batch, step), hyper)).loss);
  }
  return losses;
}

async function stateOf(session: TrainSession): Promise<Map<string, StateArray>> {
  const state = new Map<string, StateArray>();
  for (const { name } of session.state) state.set(name, Float32Array.from(await session.readState(name)));
  return state;
}

async function reference(): Promise<number[]> {
  const weights = model.weights.filter((w) => w.dtype !== 'i64');
  const trained = weights.filter((w) => settings.trainable.includes(w.name));
  const computation = wholeBatch(traceTraining(model, batch), trained);
  return train(begin(new ReferenceTrainSession(computation, weights, settings)));
}

let expected: Promise<number[]> | undefined;

/** Largest relative difference of two runs' losses. */
const apart = (a: readonly number[], b: readonly number[]) =>
  Math.max(...a.map((loss, i) => Math.abs(loss - b[i]!) / Math.abs(b[i]!)));

describe('twenty steps with randomness', () => {
  const ways: readonly (readonly [string, () => Runner, Way])[] = [
    ['on the device, chunks of 4', device, { chunk: 4 }],
    ['by the text for software adapters, chunks of 8', () => softwareText, { chunk: 8 }],
    [
      'by the text for software adapters, chunks of 4 on two ranks',
      () => softwareText,
      { chunk: 4, ranks: 2 },
    ],
    ['by the text for GPUs, the whole batch', () => discreteText, { chunk: 16 }],
    [
      'by the text for GPUs, chunks of 4 with remat',
      () => discreteText,
      { chunk: 4, remat: ['visual.blocks.*'] },
    ],
  ];

  it.each(ways)('%s: the losses of the reference', async (_name, on, way) => {
    expected ??= reference();
    const session = begin(await open(on(), way));
    // f32's noise, magnified by twenty steps of AdamW.
    expect(apart(await train(session), await expected)).toBeLessThan(2e-4);
    session.close();
  });

  it('in mixed precision stay near those of the reference', async () => {
    expected ??= reference();
    const session = begin(await open(device(), { chunk: 4, precision: 'mixed', remat: ['visual.blocks.*'] }));
    // A rounding of halves (2^-11) in each layer.
    expect(apart(await train(session), await expected)).toBeLessThan(2e-2);
    session.close();
  });

  it('in mixed precision on two ranks stay near those of the reference', async () => {
    expected ??= reference();
    const session = begin(await open(softwareText, { chunk: 8, precision: 'mixed', ranks: 2 }));
    expect(apart(await train(session), await expected)).toBeLessThan(2e-2);
    session.close();
  });

  it('cut after the seventh and taken up in another session have the bits of the uncut run', async () => {
    const way = { chunk: 4, precision: 'mixed', remat: ['visual.blocks.*'] } as const;
    const whole = begin(await open(device(), way));
    const losses = await train(whole);
    const first = begin(await open(device(), way));
    const before = await train(first, 0, 7);
    const saved = await stateOf(first);
    first.close();
    const second = await open(device(), way);
    for (const [name, values] of saved) second.writeState(name, values);
    expect([...before, ...(await train(second, 7))]).toEqual(losses);
    expect(await stateOf(second)).toEqual(await stateOf(whole));
    whole.close();
    second.close();
  });
});
