/**
 * Five optimizer steps on the machine's own adapter against PyTorch, and the same bits on a rerun from saved
 * state.
 */
import { describe, expect, test } from 'vitest';
import { hyperAt } from '../../../runtime/train/trainer.ts';
import type { StateArray, TrainSession } from '../../../runtime/train/types.ts';
import { describeAdapterTraining, openGoldenSession } from '../../golden/training-cases.ts';
import { onAdapter } from '../../golden/ways.ts';
import { goldenTraining } from '../../support/golden/golden-training.ts';
import { pairs } from '../../support/training/batches.ts';
import { deviceForTests } from '../support/device.ts';

describeAdapterTraining(onAdapter, ['tiny_vit', 'hash_rn']);

describe('training on WebGPU, interrupted', () => {
  const device = deviceForTests();

  test('goes on from saved state with the same bits', async () => {
    const golden = goldenTraining('tiny_vit');
    const images = golden.train.tensors.get('in.images')!.data;
    const tokens = golden.train.tensors.get('in.tokens')!.data;
    const schedule = { kind: 'constant', lr: 5e-4, warmup: 0, total: 6 } as const;
    const step = (session: TrainSession, i: number) => {
      const part = (data: Float64Array) =>
        data.subarray(((i % 5) * data.length) / 5, (((i % 5) + 1) * data.length) / 5);
      const batch = pairs(Float32Array.from(part(images)), Int32Array.from(part(tokens)));
      return session.step(batch, hyperAt({ schedule, settings: golden.settings }, i, 0));
    };
    const stateOf = async (session: TrainSession) => {
      const state = new Map<string, StateArray>();
      for (const { name } of session.state) state.set(name, await session.readState(name));
      return state;
    };
    const whole = await openGoldenSession(device(), golden);
    for (const [name, { data }] of golden.train.weights) whole.writeState(name, Float32Array.from(data));
    for (let i = 0; i < 3; i++) await step(whole, i);
    const saved = await stateOf(whole);
    for (let i = 3; i < 6; i++) await step(whole, i);

    const resumed = await openGoldenSession(device(), golden);
    for (const [name, data] of saved) resumed.writeState(name, data);
    for (let i = 3; i < 6; i++) await step(resumed, i);
    expect(await stateOf(resumed)).toEqual(await stateOf(whole));
    whole.close();
    resumed.close();
  });
});
