/**
 * Features, logits, loss and every gradient on the machine's own adapter against PyTorch, with the schedules of both kinds
 * of device, at the tolerances that the golden README asks of a float32 device (20 to 50 times the noise between
 * PyTorch's f32 and f64). On a machine without an adapter one line says so.
 */
import { describe, expect, test } from 'vitest';
import { compileGraph } from '../../compiler/compile.ts';
import { resolveModel, traceEntry } from '../../compiler/model/index.ts';
import type { Result } from '../../compiler/model/types.ts';
import type { DeviceKind } from '../../compiler/profile.ts';
import { nodeHost } from '../../zoo/host.ts';
import { device, profileFor } from '../gpu/compiled.ts';
import { goldenPath, readGolden, relL2, relMax } from '../support/golden.ts';

const on = await device();

function unwrap<T>(result: Result<T>): T {
  if (!result.ok) throw new Error(result.diagnostics.map((d) => d.message).join('\n'));
  return result.value;
}

const sets = ['tiny_vit', 'tiny_vit2', 'tiny_rn'].filter((set) => {
  const present = goldenPath(`${set}.golden.safetensors`) !== undefined;
  if (!present) console.warn(`${set}: no golden data on this machine`);
  return present;
});

/** Values that a run of the golden batch gives, by name. */
async function runGolden(set: string, kind: DeviceKind, mode: 'eval' | 'train', gradients: boolean) {
  const golden = readGolden(`${set}.golden.safetensors`).tensors;
  const weights = readGolden(`${set}.weights.safetensors`).tensors;
  const model = unwrap(resolveModel(nodeHost(), `test/fixtures/models/tiny.zoo#${set}`));
  const trainable = model.weights.filter((w) => w.kind === 'param').map((w) => w.name);
  const batch = golden.get('in.images')!.shape[0]!;
  const plan = compileGraph(unwrap(traceEntry(model, 'loss', { batch, training: mode === 'train' })), {
    model: set,
    entry: 'loss',
    batch,
    mode,
    profile: profileFor(on!, kind),
    ...(gradients ? { gradients: trainable } : {}),
  });
  const session = await on!.open(plan);
  for (const { name } of plan.weights) session.writeWeight(name, new Float32Array(weights.get(name)!.data));
  session.writeInput('images', new Float32Array(golden.get('in.images')!.data));
  session.writeInput('tokens', new Int32Array(golden.get('in.tokens')!.data));
  session.run();
  const found = new Map<string, Float64Array>();
  for (const { name } of plan.outputs) found.set(name, Float64Array.from(await session.read(name)));
  session.close();
  return { found, trainable, want: (name: string) => golden.get(name)!.data };
}

const kinds = ['cpu', 'gpu'] as const;

describe.skipIf(!on)('a compiled model on the adapter', () => {
  const cases = sets.flatMap((set) => kinds.map((kind) => [set, kind] as const));
  const residual = (set: string) => set === 'tiny_rn';

  test.each(cases)('%s with %s schedules meets PyTorch forward', async (set, kind) => {
    const { found, want } = await runGolden(set, kind, 'eval', false);
    for (const name of ['image_features', 'text_features', 'logits_per_image']) {
      expect(relMax(found.get(name)!, want(`eval.${name}`)), name).toBeLessThan(3e-5);
    }
    expect(relMax(found.get('loss')!, want('eval.loss'))).toBeLessThan(1e-5);
  });

  test.each(cases)('%s with %s schedules meets PyTorch backward, in training mode', async (set, kind) => {
    const { found, trainable, want } = await runGolden(set, kind, 'train', true);
    expect(relMax(found.get('loss')!, want('train.loss'))).toBeLessThan(residual(set) ? 5e-5 : 1e-5);
    expect(relMax(found.get('logits_per_image')!, want('train.logits_per_image'))).toBeLessThan(1e-4);
    for (const name of trainable) {
      const gradient = found.get(`grad.${name}`)!;
      // Zero in exact arithmetic: a key bias shifts every score of a query alike.
      if (name === 'visual.attnpool.k_proj.bias')
        expect(Math.max(...gradient.map(Math.abs))).toBeLessThan(1e-6);
      else expect(relL2(gradient, want(`grad.${name}`)), name).toBeLessThan(residual(set) ? 2e-4 : 1e-4);
    }
    const moved = [...found.keys()].filter((name) => name.startsWith('buffer.'));
    expect(moved.length).toBe(residual(set) ? 38 : 0);
    for (const name of moved)
      expect(relMax(found.get(name)!, want(name.replace('buffer.', 'stats.'))), name).toBeLessThan(1e-5);
  });
});
