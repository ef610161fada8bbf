/**
 * Batch norm over all ranks: a ResNet on two and four ranks, by the text of kernels, has the losses, weights and running
 * statistics that one machine has with the whole batch, in double precision.
 */
import { describe, expect, it } from 'vitest';
import { compileChunked } from '../../../compiler/compile-chunked.ts';
import type { Share } from '../../../compiler/shards.ts';
import { wholeBatch } from '../../../runtime/reference/computation.ts';
import { ReferenceTrainSession } from '../../../runtime/reference/session.ts';
import type { TrainSession } from '../../../runtime/train/types.ts';
import { relL2 } from '../../support/golden/golden.ts';
import {
  batchValues,
  fixtureModel,
  traceTraining,
  trainableOf,
  weightValues,
} from '../../support/models/training-models.ts';
import { ranksOn } from '../../support/training/ranks.ts';
import { softwareText } from '../../support/wgsl/text-device.ts';

const model = fixtureModel('pairs.zoo#mini_resnet');
const batch = 8;
const steps = 4;
const training = {
  // Adam would divide the noise of gradients that are zero, as those of what stands before a batch norm, by itself.
  rule: { kind: 'sgd', momentum: 0.9, nesterov: false } as const,
  weightDecay: 0,
  decayMinDims: 0,
  clamps: [],
  trainable: trainableOf(model),
};
const weights = model.weights.filter((w) => w.dtype !== 'i64');

/** Losses, and what is kept behind them. */
async function train(session: TrainSession) {
  const known = new Set(session.state.map((s) => s.name));
  for (const [name, data] of weightValues(model)) if (known.has(name)) session.writeState(name, data);
  const losses: number[] = [];
  for (let step = 0; step < steps; step++) {
    const hyper = {
      lr: 0.05,
      biasCorrection1: 1,
      biasCorrection2: 1,
      clipNorm: 0,
      random: { seed: 1, step },
    };
    losses.push((await session.step(batchValues(model, batch, step), hyper)).loss);
  }
  const state = new Map<string, Float64Array>();
  for (const { name } of session.state) state.set(name, Float64Array.from(await session.readState(name)));
  return { losses, state };
}

async function onRanks(ranks: number, sync: boolean) {
  const chunk = batch / ranks;
  const own = traceTraining(model, chunk, 'contrastive', sync ? ranks : 1);
  const planOf = (share: Share) =>
    compileChunked(traceTraining(model, batch), own, {
      model: model.name,
      entry: 'loss',
      mode: 'train',
      profile: softwareText.profile,
      batch,
      chunk,
      training,
      share,
      // Gradients are added up between the exchanges of statistics.
      bucket: 4096,
    });
  const session = await ranksOn(softwareText, planOf, ranks, { buffers: sync });
  return train(session);
}

const trained = weights.filter((w) => training.trainable.includes(w.name));
const reference = train(
  new ReferenceTrainSession(wholeBatch(traceTraining(model, batch), trained), weights, training),
);

describe('batch_norm = sync', () => {
  it.each([2, 4])('on %d ranks has the numbers of the whole batch', async (ranks) => {
    const wanted = await reference;
    const found = await onRanks(ranks, true);
    for (const [step, loss] of found.losses.entries())
      expect(Math.abs(loss / wanted.losses[step]! - 1), `loss of step ${step}`).toBeLessThan(1e-5);
    // Four steps in f32; biases that begin at zero, and means of values that cancel each other, are the least exact.
    for (const { name } of weights)
      expect(relL2(found.state.get(name)!, wanted.state.get(name)!), name).toBeLessThan(1e-4);
  });

  it('makes a difference', async () => {
    const wanted = await reference;
    const found = await onRanks(2, false);
    expect(Math.abs(found.losses[1]! / wanted.losses[1]! - 1)).toBeGreaterThan(1e-3);
  });
});
