/** Ways to train with less memory, on the adapter at hand: the gradients stay what they are. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type CompileOptions, compileGraph } from '../../compiler/compile.ts';
import { openGpu } from '../../runtime/node-gpu.ts';
import { DeviceTrainSession } from '../../runtime/train/session.ts';
import type { Session } from '../../runtime/types.ts';
import type { WebGpuDevice } from '../../runtime/webgpu-device.ts';
import {
  batchValues,
  fixtureModel,
  traceTraining,
  trainableOf,
  weightValues,
} from '../support/training-models.ts';

let device: WebGpuDevice;
beforeAll(async () => {
  device = (await openGpu()).device;
});
afterAll(() => device.close());

const hyper = { lr: 1e-3, biasCorrection1: 0.1, biasCorrection2: 0.02, clipNorm: 0 };

/** The gradients of one step from the fixture's weights. */
async function gradientsOf(
  name: string,
  pairs: number,
  options: Partial<CompileOptions>,
): Promise<Map<string, Float32Array>> {
  const model = fixtureModel(name);
  const trainable = trainableOf(model);
  const plan = compileGraph(traceTraining(model, pairs), {
    model: name,
    entry: 'loss',
    batch: pairs,
    mode: 'train',
    profile: device.profile,
    training: {
      trainable,
      beta1: 0.9,
      beta2: 0.98,
      eps: 1e-6,
      weightDecay: 0.2,
      decayMinDims: 2,
      clamps: [],
    },
    ...options,
  });
  const session: Session = await device.open(plan);
  for (const [weight, values] of weightValues(model)) session.writeWeight(weight, values);
  const training = new DeviceTrainSession(session);
  await training.step(batchValues(model, pairs), hyper);
  const gradients = new Map<string, Float32Array>();
  for (const weight of trainable)
    gradients.set(weight, (await session.read(`grad.${weight}`)) as Float32Array);
  training.close();
  return gradients;
}

/** Largest difference of a gradient, relative to its own largest element or a thousandth of the largest of all. */
function worst(found: ReadonlyMap<string, Float32Array>, wanted: ReadonlyMap<string, Float32Array>): number {
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
    ['tiny_rn', ['visual.layer*.*']],
  ])('leaves the gradients of %s as they are', { timeout: 120_000 }, async (name, remat) => {
    const plain = await gradientsOf(name, 4, {});
    const again = await gradientsOf(name, 4, { remat });
    expect(Math.max(...plain.get('visual.conv1.weight')!)).toBeGreaterThan(0);
    expect(worst(again, plain)).toBeLessThan(1e-6);
  });
});
