/**
 * Five optimizer steps on the machine's own adapter against PyTorch, at the tolerances that the golden README asks of a
 * float32 device; and the same bits on a rerun and on a rerun from saved state.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { compileGraph } from '../../compiler/compile.ts';
import { openGpu } from '../../runtime/node/gpu.ts';
import { DeviceTrainSession } from '../../runtime/train/session.ts';
import { hyperAt } from '../../runtime/train/trainer.ts';
import type { StateArray, TrainSession } from '../../runtime/train/types.ts';
import type { WebGpuDevice } from '../../runtime/webgpu/device.ts';
import { goldenPath } from '../support/golden.ts';
import {
  checkGoldenTraining,
  type GoldenTraining,
  goldenTraining,
  type TrainingTolerances,
} from '../support/golden-training.ts';

const transformers: TrainingTolerances = {
  loss: 1e-4,
  logitScale: 1e-5,
  element: 4e-4,
  moved: 1e-2,
  movedInProjBias: 1e-1,
  keyBias: 1e-4,
  statistics: 5e-4,
};
const all: Readonly<Record<string, TrainingTolerances>> = {
  tiny_vit: transformers,
  tiny_vit2: transformers,
  tiny_rn: { ...transformers, loss: 1e-3, element: 5e-4, moved: 2e-2 },
};

let device: WebGpuDevice;
beforeAll(async () => {
  device = (await openGpu()).device;
});
afterAll(() => device.close());

async function open({ graph, settings, train }: GoldenTraining): Promise<TrainSession> {
  const plan = compileGraph(graph, {
    model: 'tiny',
    entry: 'loss',
    batch: train.tensors.get('in.images')!.shape[1]!,
    mode: 'train',
    profile: device.profile,
    training: settings,
  });
  return new DeviceTrainSession(await device.open(plan));
}

const sets = Object.entries(all).filter(([set]) => {
  const present = goldenPath(`${set}.train.safetensors`) !== undefined;
  if (!present) console.warn(`${set}: no golden data on this machine`);
  return present;
});

describe('training on WebGPU', () => {
  test.each(sets)('%s meets the golden run', { timeout: 300_000 }, async (set, tolerances) => {
    const golden = goldenTraining(set);
    const session = await open(golden);
    await checkGoldenTraining(golden, session, tolerances);
    session.close();
  });

  test('goes on from saved state with the same bits', async () => {
    const golden = goldenTraining('tiny_vit');
    const images = golden.train.tensors.get('in.images')!.data;
    const tokens = golden.train.tensors.get('in.tokens')!.data;
    const schedule = { kind: 'constant', lr: 5e-4, warmup: 0, total: 6 } as const;
    const step = (session: TrainSession, i: number) => {
      const part = (data: Float64Array) =>
        data.subarray(((i % 5) * data.length) / 5, (((i % 5) + 1) * data.length) / 5);
      const batch = {
        images: Float32Array.from(part(images)),
        tokens: Int32Array.from(part(tokens)),
        skipped: 0,
      };
      return session.step(batch, hyperAt({ schedule, settings: golden.settings }, i));
    };
    const stateOf = async (session: TrainSession) => {
      const state = new Map<string, StateArray>();
      for (const { name } of session.state) state.set(name, await session.readState(name));
      return state;
    };
    const whole = await open(golden);
    for (const [name, { data }] of golden.weights.tensors) whole.writeState(name, Float32Array.from(data));
    for (let i = 0; i < 3; i++) await step(whole, i);
    const saved = await stateOf(whole);
    for (let i = 3; i < 6; i++) await step(whole, i);

    const resumed = await open(golden);
    for (const [name, data] of saved) resumed.writeState(name, data);
    for (let i = 3; i < 6; i++) await step(resumed, i);
    expect(await stateOf(resumed)).toEqual(await stateOf(whole));
    whole.close();
    resumed.close();
  });
});
