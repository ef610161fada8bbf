/**
 * The larger ResNets against the f64 reference, on small pictures and at full width: on the adapter at hand
 * the deepest in all its layers and the widest, by the text of its kernels those in between.
 *
 * Random values (weights in [-1, 1) would explode over a hundred layers) are those of the hash rule, which
 * keeps activations at about one. Tolerance: that of the golden README for features of a float32 device.
 */
import { describe, expect, test } from 'vitest';
import { resolveModel } from '../../../compiler/model/index.ts';
import type { Model } from '../../../compiler/model/types.ts';
import type { Device } from '../../../runtime/types.ts';
import { nodeHost } from '../../../zoo/host.ts';
import type { Executor } from '../../../zoo/run/devices.ts';
import { openEntry } from '../../../zoo/run/entry.ts';
import { hashImages } from '../../../zoo/weights/hash-weights.ts';
import { openWeights } from '../../../zoo/weights/weights.ts';
import { relMax } from '../../support/golden/golden.ts';
import { softwareText } from '../../support/wgsl/text-device.ts';
import { device } from '../support/compiled.ts';

const on = await device();

const small: Readonly<Record<string, readonly string[]>> = {
  RN101: ['vision.resolution=32', 'text.layers=1'],
  RN50x4: ['vision.resolution=32', 'vision.layers=[1, 2, 1, 1]', 'text.layers=1'],
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

const executorOf = (device: Device): Executor => ({ kind: 'device', device, name: 'device', close() {} });

describe('ResNets of other sizes', () => {
  async function check(name: string, device: Device): Promise<void> {
    const model = load(name, small[name]!);
    const expected = await imageFeatures({ kind: 'reference', name: 'f64', close() {} }, model);
    const found = await imageFeatures(executorOf(device), model);
    expect(relMax(found, expected)).toBeLessThan(3e-5);
  }

  test.skipIf(!on).each(['RN101', 'RN50x64'])('%s on the adapter', (name) => check(name, on!));

  test.each(['RN50x4', 'RN50x16'])('%s by the text of kernels', (name) => check(name, softwareText));
});
