/**
 * Trainable weights that the loss does not read, on the adapter at hand: gradients of zeros, the same bits
 * behind training.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openExecutor } from '../../../zoo/run/devices.ts';
import { openEntry } from '../../../zoo/run/entry.ts';
import { openWeights } from '../../../zoo/weights/weights.ts';
import { batchValues } from '../../support/models/training-models.ts';
import { trainUnread, unreadNames, unreadRecipe } from '../../support/training/unread.ts';

let executor: Awaited<ReturnType<typeof openExecutor>>;
beforeAll(async () => {
  executor = await openExecutor('webgpu', { tune: false, notify: () => {} });
});
afterAll(() => executor.close());

describe('weights that the loss does not read', () => {
  it.each([{}, { batch: 8, chunk: 4 }, { precision: { kind: 'mixed', lossScale: 256 } } as const])(
    'stay as they are: %o',
    async (changes) => {
      const { before, after, notes } = await trainUnread('webgpu', changes);
      for (const name of unreadNames) expect(after.get(name), name).toEqual(before.get(name));
      expect(after.get('visual.proj')).not.toEqual(before.get('visual.proj'));
      expect(notes.filter((text) => text.includes('Z616'))).toHaveLength(1);
    },
  );

  it.each(['f32', 'mixed'] as const)('have gradients of zeros in %s', async (precision) => {
    const { model } = unreadRecipe();
    const weights = await openWeights(model, 'init:3');
    const request = { entry: 'loss', batch: 4, mode: 'train', gradients: true, precision } as const;
    const entry = await openEntry(executor, model, weights, request);
    const { inputs } = batchValues(model, 4);
    const images = inputs.get('images') as Float32Array;
    const tokens = inputs.get('tokens') as Int32Array;
    const results = await entry.run(
      new Map<string, Float32Array | Int32Array>(Object.entries({ images, tokens })),
    );
    for (const name of ['grad.spare', 'grad.other'])
      expect(results.get(name)).toEqual({ shape: [4, 4], data: new Float32Array(16) });
    expect(results.get('grad.logit_scale')!.data[0]).not.toBe(0);
    entry.close();
  });
});
