/**
 * The larger ResNets on the adapter at hand against the f64 reference, on small pictures: full depth where that is quick,
 * full width for the largest.
 *
 * Random values (weights in [-1, 1) would explode over a hundred layers) are those of the hash rule, which keeps
 * activations at about one. Tolerance: that of the golden README for features of a float32 device.
 */
import { describe, expect, test } from 'vitest';
import { resolveModel } from '../../compiler/model/index.ts';
import type { Model } from '../../compiler/model/types.ts';
import { nodeHost } from '../../zoo/host.ts';
import type { Executor } from '../../zoo/run/devices.ts';
import { openEntry } from '../../zoo/run/entry.ts';
import { hashImages } from '../../zoo/weights/hash-weights.ts';
import { openWeights } from '../../zoo/weights/weights.ts';
import { relMax } from '../support/golden.ts';
import { device } from './compiled.ts';

const on = await device();

const small: Readonly<Record<string, readonly string[]>> = {
  RN101: ['vision.resolution=32', 'text.layers=1'],
  RN50x4: ['vision.resolution=32', 'text.layers=1'],
  RN50x16: ['vision.resolution=32', 'vision.layers=[2, 1, 2, 1]', 'text.layers=1'],
  RN50x64: ['vision.resolution=32', 'vision.layers=[1, 2, 1, 1]', 'text.layers=1'],
};

function load(name: string, overrides: readonly string[]): Model {
  const pairs = overrides.map((o) => {
    const [path, value] = o.split('=') as [string, string];
    return { path, value };
  });
  const found = resolveModel(nodeHost(), name, pairs);
  if (!found.ok) throw new Error(found.diagnostics.map((d) => d.message).join('\n'));
  return found.value;
}

async function imageFeatures(executor: Executor, model: Model): Promise<Float64Array> {
  const weights = await openWeights(model, 'hash');
  const request = { entry: 'encode_image', batch: 1, mode: 'eval', gradients: false } as const;
  const entry = await openEntry(executor, model, weights, request);
  const results = await entry.run(
    new Map([['images', hashImages([1, 3, model.resolution!, model.resolution!])]]),
  );
  entry.close();
  return Float64Array.from(results.get('image_features')!.data);
}

describe.skipIf(!on)('ResNets of other sizes', () => {
  test.each(Object.entries(small))('%s', async (name, overrides) => {
    const model = load(name, overrides);
    const expected = await imageFeatures({ kind: 'reference', name: 'f64', close() {} } as Executor, model);
    const found = await imageFeatures(
      { kind: 'device', device: on!, name: 'device', close() {} } as Executor,
      model,
    );
    expect(relMax(found, expected)).toBeLessThan(3e-5);
  });
});
