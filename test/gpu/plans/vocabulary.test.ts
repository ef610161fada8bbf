/**
 * Ids that are sliced, joined and computed with on the adapter at hand: the reference's rows, and nothing
 * from outside.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openExecutor } from '../../../zoo/run/devices.ts';
import { openEntry } from '../../../zoo/run/entry.ts';
import { openWeights } from '../../../zoo/weights/weights.ts';
import { fixtureModel } from '../../support/models/training-models.ts';

let executor: Awaited<ReturnType<typeof openExecutor>>;
beforeAll(async () => {
  executor = await openExecutor('webgpu', { tune: false, notify: () => {} });
});
afterAll(() => executor.close());

describe('computed ids', () => {
  it.each(['words', 'halves'])('name the rows of the reference in %s, or are refused', async (name) => {
    const model = fixtureModel(`vocabulary.zoo#${name}`);
    const weights = await openWeights(model, 'init:1');
    const request = { entry: 'encode_text', batch: 3, mode: 'eval', gradients: false } as const;
    const reference = { kind: 'reference', name: 'reference', close: () => {} } as const;
    const [found, wanted] = [
      await openEntry(executor, model, weights, request),
      await openEntry(reference, model, weights, request),
    ];
    const tokens = Int32Array.from({ length: 36 }, (_, i) => (i * 7919) % model.vocab!);
    const inputs = new Map([['tokens', tokens]]);
    const rows = (await found.run(inputs)).get('text_features')!.data;
    const exact = (await wanted.run(inputs)).get('text_features')!.data;
    expect(Math.max(...rows.map((x, i) => Math.abs(x - exact[i]!)))).toBeLessThan(1e-5);
    tokens[35] = model.vocab!;
    await expect(found.run(inputs)).rejects.toThrow(/Z404.*position 35/);
    found.close();
  });
});
