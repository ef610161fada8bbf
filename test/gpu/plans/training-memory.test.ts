/** Ways to train with less memory, on the adapter at hand: the gradients stay what they are. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type CompileOptions, compileGraph, type Precision } from '../../../compiler/compile.ts';
import { compileChunked } from '../../../compiler/compile-chunked.ts';
import { openGpu } from '../../../runtime/node/gpu.ts';
import { DeviceTrainSession } from '../../../runtime/train/session.ts';
import type { StateArray } from '../../../runtime/train/types.ts';
import type { Session } from '../../../runtime/types.ts';
import type { WebGpuDevice } from '../../../runtime/webgpu/device.ts';
import {
  batchValues,
  fixtureModel,
  traceTraining,
  trainableOf,
  weightValues,
} from '../../support/training-models.ts';

let device: WebGpuDevice;
beforeAll(async () => {
  device = (await openGpu()).device;
});
afterAll(() => device.close());

const update = { beta1: 0.9, beta2: 0.98, eps: 1e-6, weightDecay: 0.2, decayMinDims: 2, clamps: [] };

interface Way extends Partial<CompileOptions> {
  /** Pairs in a chunk. */
  readonly chunk?: number;
  /** Elements from which the loss is computed in strips. */
  readonly strips?: number;
  readonly objective?: string;
  /** Weights that are not trained. */
  readonly frozen?: RegExp;
  readonly precision?: Precision;
}

interface Trained {
  /** Of the first step. */
  readonly gradients: ReadonlyMap<string, Float32Array>;
  /** Behind the last step. */
  readonly state: ReadonlyMap<string, StateArray>;
  readonly losses: readonly number[];
}

/** Trains from the fixture's weights. */
async function train(name: string, pairs: number, way: Way, steps = 1): Promise<Trained> {
  const model = fixtureModel(name);
  const trainable = trainableOf(model).filter((weight) => way.frozen?.test(weight) !== true);
  const options = {
    model: name,
    entry: 'loss',
    batch: pairs,
    mode: 'train',
    profile: device.profile,
    // A power of two that nothing overflows with.
    training: { ...update, trainable, ...(way.precision === 'mixed' ? { lossScale: 256 } : {}) },
    ...way,
  } as const;
  const { chunk, objective } = way;
  const whole = traceTraining(model, pairs, objective);
  const plan =
    chunk === undefined
      ? compileGraph(whole, options)
      : compileChunked(whole, traceTraining(model, chunk, objective), { ...options, chunk });
  const session: Session = await device.open(plan);
  for (const { name } of plan.weights) session.writeWeight(name, weightValues(model).get(name)!);
  const training = new DeviceTrainSession(session);
  const gradients = new Map<string, Float32Array>();
  const losses: number[] = [];
  for (let step = 0; step < steps; step++) {
    const hyper = {
      lr: 1e-3,
      biasCorrection1: 1 - 0.9 ** (step + 1),
      biasCorrection2: 1 - 0.98 ** (step + 1),
    };
    const { loss } = await training.step(batchValues(model, pairs, step), {
      ...hyper,
      clipNorm: 0,
      random: { seed: 0, step: 0 },
    });
    losses.push(loss);
    if (step === 0)
      for (const weight of trainable)
        gradients.set(weight, (await session.read(`grad.${weight}`)) as Float32Array);
  }
  const state = new Map<string, StateArray>();
  for (const { name } of training.state) state.set(name, await training.readState(name));
  training.close();
  return { gradients, state, losses };
}

/**
 * Largest difference of a gradient, relative to its own largest element or a thousandth of the largest of
 * all.
 */
function worst({ gradients: found }: Trained, { gradients: wanted }: Trained): number {
  const largest = (data: Float32Array) => data.reduce((m, x) => Math.max(m, Math.abs(x)), 0);
  const floor = Math.max(...[...wanted.values()].map(largest)) / 1000;
  let most = 0;
  for (const [name, want] of wanted) {
    const scale = Math.max(largest(want), floor);
    const have = found.get(name)!;
    for (let i = 0; i < want.length; i++) most = Math.max(most, Math.abs(have[i]! - want[i]!) / scale);
  }
  return most;
}

describe('rematerialisation', () => {
  it.each([
    ['tiny_vit', ['**.resblocks.*']],
    ['pairs.zoo#mini_resnet', ['visual.layer*.*']],
  ])('leaves the gradients of %s as they are', async (name, remat) => {
    const plain = await train(name, 4, {});
    const again = await train(name, 4, { remat });
    expect(Math.max(...plain.gradients.get('visual.conv1.weight')!)).toBeGreaterThan(0);
    expect(worst(again, plain)).toBeLessThan(1e-6);
  });
});

describe('chunks', () => {
  it.each([
    ['pairs.zoo#mini', 'contrastive', /^visual/],
    ['pairs.zoo#mini', 'contrastive', /^(?!visual|logit_scale)/],
    ['pairs.zoo#mini', 'contrastive', /^(?!logit_scale)/],
    ['pairs.zoo#mini_counted', 'counted', undefined],
  ])('give the gradients of %s with %s, frozen %s', async (name, objective, frozen) => {
    const way = { objective, ...(frozen === undefined ? {} : { frozen }) };
    const whole = await train(name, 8, way);
    expect(Math.abs(whole.gradients.get('logit_scale')![0]!)).toBeGreaterThan(0);
    expect(worst(await train(name, 8, { ...way, chunk: 4 }), whole)).toBeLessThan(1e-5);
  });

  it('give the gradients and steps of the whole batch', async () => {
    const whole = await train('tiny_vit', 16, {}, 3);
    for (const chunk of [8, 2]) {
      const parts = await train('tiny_vit', 16, { chunk }, 3);
      expect(worst(parts, whole), `gradients at chunk ${chunk}`).toBeLessThan(1e-5);
      for (const [step, loss] of whole.losses.entries())
        expect(Math.abs(parts.losses[step]! - loss) / loss, `loss of step ${step}`).toBeLessThan(1e-5);
    }
  });

  it('give the gradients of the whole batch in mixed precision', async () => {
    // The first pass over chunks keeps no activations: there an activation function is the epilogue of its
    // product, whose own result is then stored, and rounded, nowhere. What differs is one rounding of halves:
    // found 2.5e-3, and held to what the gradients of golden sets are in mixed precision.
    const whole = await train('pairs.zoo#mini', 8, { precision: 'mixed' });
    const parts = await train('pairs.zoo#mini', 8, { chunk: 4, precision: 'mixed' });
    expect(worst(parts, whole)).toBeLessThan(1e-2);
    // With one fused as the other, nothing differs but the order of sums.
    const halves = await train('pairs.zoo#mini', 8, { chunk: 2, precision: 'mixed' });
    expect(worst(halves, parts)).toBeLessThan(1e-5);
  });

  it('combine with rematerialisation', async () => {
    const whole = await train('pairs.zoo#mini', 8, {});
    const parts = await train('pairs.zoo#mini', 8, { chunk: 4, remat: ['**.resblocks.*'] });
    expect(worst(parts, whole)).toBeLessThan(1e-5);
  });

  it.each([
    ['pairs.zoo#mini', 'contrastive', 192, 64],
    ['pairs.zoo#mini_sigmoid', 'sigmoid_loss', 201, 67],
  ])('compute the loss of %s in strips', async (name, objective, pairs, chunk) => {
    const whole = await train(name, pairs, { objective });
    const strips = await train(name, pairs, { objective, chunk, strips: pairs * 70 });
    expect(worst(strips, whole)).toBeLessThan(2e-5);
    expect(Math.abs(strips.losses[0]! / whole.losses[0]! - 1)).toBeLessThan(1e-6);
  });

  it('give the same bits on every run', async () => {
    const runs = [
      await train('pairs.zoo#mini_resnet', 4, { chunk: 2 }, 2),
      await train('pairs.zoo#mini_resnet', 4, { chunk: 2 }, 2),
    ];
    expect(runs[1]).toEqual(runs[0]);
    expect(runs[0]!.state.get('visual.bn1.running_mean')).not.toEqual(
      weightValues(fixtureModel('pairs.zoo#mini_resnet')).get('visual.bn1.running_mean'),
    );
  });
});
