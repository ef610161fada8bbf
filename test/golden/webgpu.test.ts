/**
 * Features, logits, loss and every gradient on the machine's own adapter against PyTorch, with the schedules of both kinds
 * of device, at the tolerances that the golden README asks of a float32 device (20 to 50 times the noise between
 * PyTorch's f32 and f64). On a machine without an adapter one line says so.
 */
import { describe, expect, test } from 'vitest';
import { compileGraph } from '../../compiler/compile.ts';
import { resolveModel, traceEntry } from '../../compiler/model/index.ts';
import type { Result } from '../../compiler/model/types.ts';
import { nodeHost } from '../../zoo/host.ts';
import { device, profileFor } from '../gpu/compiled.ts';
import { goldenPath, readGolden, relL2, relMax } from '../support/golden.ts';

const on = await device();

function unwrap<T>(result: Result<T>): T {
  if (!result.ok) throw new Error(result.diagnostics.map((d) => d.message).join('\n'));
  return result.value;
}

const sets = ['tiny_vit', 'tiny_vit2'].filter((set) => {
  const present = goldenPath(`${set}.golden.safetensors`) !== undefined;
  if (!present) console.warn(`${set}: no golden data on this machine`);
  return present;
});

describe.skipIf(!on)('a compiled model on the adapter', () => {
  const cases = sets.flatMap((set) => (['cpu', 'gpu'] as const).map((kind) => [set, kind] as const));
  test.each(cases)('%s with %s schedules meets PyTorch, forward and backward', async (set, kind) => {
    const golden = readGolden(`${set}.golden.safetensors`).tensors;
    const weights = readGolden(`${set}.weights.safetensors`).tensors;
    const model = unwrap(resolveModel(nodeHost(), `test/fixtures/models/tiny.zoo#${set}`));
    const batch = golden.get('in.images')!.shape[0]!;
    const plan = compileGraph(unwrap(traceEntry(model, 'loss', { batch })), {
      model: set,
      entry: 'loss',
      batch,
      mode: 'eval',
      profile: profileFor(on!, kind),
      gradients: model.weights.map((w) => w.name),
    });
    const session = await on!.open(plan);
    for (const { name } of plan.weights) session.writeWeight(name, new Float32Array(weights.get(name)!.data));
    session.writeInput('images', new Float32Array(golden.get('in.images')!.data));
    session.writeInput('tokens', new Int32Array(golden.get('in.tokens')!.data));
    session.run();
    const read = async (name: string) => Float64Array.from(await session.read(name));
    const want = (name: string) => golden.get(name)!.data;
    for (const name of ['image_features', 'text_features', 'logits_per_image']) {
      expect(relMax(await read(name), want(`eval.${name}`)), name).toBeLessThan(3e-5);
    }
    expect(relMax(await read('loss'), want('eval.loss'))).toBeLessThan(1e-5);
    for (const { name } of model.weights) {
      expect(relL2(await read(`grad.${name}`), want(`grad.${name}`)), name).toBeLessThan(1e-4);
    }
    session.close();
  });
});
