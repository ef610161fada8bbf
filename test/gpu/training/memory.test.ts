/**
 * Ways to train with less memory: the gradients stay what they are.
 *
 * On the adapter at hand with few kernels: the models and the batch of the golden sets, which compile the
 * same, and a smaller model always in chunks of the same size. What is compared with, other objectives and
 * other sizes by the text of kernels.
 */
import { describe, expect, it } from 'vitest';
import { type CompileOptions, compileGraph, type Precision } from '../../../compiler/compile.ts';
import { compileChunked } from '../../../compiler/compile-chunked.ts';
import { DeviceTrainSession } from '../../../runtime/train/session.ts';
import type { StateArray } from '../../../runtime/train/types.ts';
import type { Session } from '../../../runtime/types.ts';
import {
  batchValues,
  fixtureModel,
  traceTraining,
  trainableOf,
  weightValues,
} from '../../support/models/training-models.ts';
import { adamw } from '../../support/training/optimizers.ts';
import { type Runner, softwareText } from '../../support/wgsl/text-device.ts';
import { deviceForTests } from '../support/device.ts';

const device = deviceForTests();

const update = { rule: adamw, weightDecay: 0.2, decayMinDims: 2, clamps: [] };

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
async function train(on: Runner, name: string, pairs: number, way: Way, steps = 1): Promise<Trained> {
  const model = fixtureModel(name);
  const trainable = trainableOf(model).filter((weight) => way.frozen?.test(weight) !== true);
  const options = {
    model: name,
    entry: 'loss',
    batch: pairs,
    mode: 'train',
    profile: on.profile,
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
  const session: Session = await on.open(plan);
  const weights = weightValues(model);
  for (const { name } of plan.weights) session.writeWeight(name, weights.get(name)!);
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

const bytes = ({ buffer, byteOffset, byteLength }: StateArray) =>
  Buffer.from(buffer as ArrayBuffer, byteOffset, byteLength);

describe('rematerialisation', () => {
  it.each([
    ['tiny_vit', ['**.resblocks.*']],
    ['tiny_rn', ['visual.layer*.*']],
  ])('leaves the gradients of %s as they are', async (name, remat) => {
    const plain = await train(device(), name, 4, {});
    const again = await train(device(), name, 4, { remat });
    expect(Math.max(...plain.gradients.get('visual.conv1.weight')!)).toBeGreaterThan(0);
    expect(worst(again, plain)).toBeLessThan(1e-6);
  });
});

describe('chunks', () => {
  const mini = 'pairs.zoo#mini';

  it.each([
    [mini, 'contrastive', /^visual/],
    [mini, 'contrastive', /^(?!visual|logit_scale)/],
    [mini, 'contrastive', /^(?!logit_scale)/],
    ['pairs.zoo#mini_counted', 'counted', undefined],
  ])('give the gradients of %s with %s, frozen %s', async (name, objective, frozen) => {
    const way = { objective, ...(frozen === undefined ? {} : { frozen }) };
    const whole = await train(softwareText, name, 8, way);
    expect(Math.abs(whole.gradients.get('logit_scale')![0]!)).toBeGreaterThan(0);
    expect(worst(await train(softwareText, name, 8, { ...way, chunk: 4 }), whole)).toBeLessThan(1e-5);
  });

  it('give the gradients and steps of the whole batch', async () => {
    const whole = await train(softwareText, mini, 16, {}, 3);
    const parts = {
      'four on the adapter': await train(device(), mini, 16, { chunk: 4 }, 3),
      'eight by text': await train(softwareText, mini, 16, { chunk: 2 }, 3),
    };
    for (const [name, found] of Object.entries(parts)) {
      expect(worst(found, whole), `gradients of ${name}`).toBeLessThan(1e-5);
      for (const [step, loss] of whole.losses.entries())
        expect(Math.abs(found.losses[step]! - loss) / loss, `${name}, step ${step}`).toBeLessThan(1e-5);
    }
  });

  it('give the gradients of the whole batch in mixed precision', async () => {
    const mixed = (on: Runner, chunk?: number) =>
      train(on, mini, 16, { precision: 'mixed', ...(chunk === undefined ? {} : { chunk }) });
    // The first pass over chunks keeps no activations: there an activation function is the epilogue of its
    // product, whose own result is then stored, and rounded, nowhere. What differs is one rounding of halves:
    // found 2.5e-3, and held to what the gradients of golden sets are in mixed precision.
    const whole = await mixed(softwareText);
    const parts = await mixed(softwareText, 4);
    expect(worst(parts, whole)).toBeLessThan(1e-2);
    expect(worst(await mixed(device(), 4), whole)).toBeLessThan(1e-2);
    // With one fused as the other, nothing differs but the order of sums.
    expect(worst(await mixed(softwareText, 2), parts)).toBeLessThan(1e-5);
  });

  it('combine with rematerialisation', async () => {
    const whole = await train(softwareText, mini, 16, {});
    const parts = await train(device(), mini, 16, { chunk: 4, remat: ['**.resblocks.*'] });
    expect(worst(parts, whole)).toBeLessThan(1e-5);
  });

  it.each([
    ['on the adapter', mini, 'contrastive', 16, 4, 5],
    ['by text', mini, 'contrastive', 192, 64, 70],
    ['by text', 'pairs.zoo#mini_sigmoid', 'sigmoid_loss', 201, 67, 70],
  ])('compute %s the loss of %s in strips: %s, %i', async (by, name, objective, pairs, chunk, rows) => {
    const on = by === 'by text' ? softwareText : device();
    const whole = await train(softwareText, name, pairs, { objective });
    const strips = await train(on, name, pairs, { objective, chunk, strips: pairs * rows });
    expect(worst(strips, whole)).toBeLessThan(2e-5);
    expect(Math.abs(strips.losses[0]! / whole.losses[0]! - 1)).toBeLessThan(1e-6);
  });

  it('give the same bits on every run', async () => {
    const first = await train(device(), 'tiny_rn', 8, { chunk: 4 }, 2);
    const again = await train(device(), 'tiny_rn', 8, { chunk: 4 }, 2);
    expect(again.losses).toEqual(first.losses);
    for (const part of ['gradients', 'state'] as const) {
      expect([...again[part].keys()]).toEqual([...first[part].keys()]);
      for (const [name, data] of first[part])
        expect(bytes(data).equals(bytes(again[part].get(name)!)), name).toBe(true);
    }
    expect(first.state.get('visual.bn1.running_mean')).not.toEqual(
      weightValues(fixtureModel('tiny_rn')).get('visual.bn1.running_mean'),
    );
  });
});
