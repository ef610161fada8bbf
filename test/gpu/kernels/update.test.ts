/**
 * The optimizer's kernels against PyTorch's AdamW written out in f64: norm, clipping, rates of parts, clamps,
 * windows.
 */
import { describe, expect, test } from 'vitest';
import { updateKernels } from '../../../compiler/kernels/update/update.ts';
import type { RateRun, UpdateSpec } from '../../../compiler/kernels/update/update-spec.ts';
import type { DeviceProfile } from '../../../compiler/profile.ts';
import { hyperSlots } from '../../../compiler/slots.ts';
import { adamw } from '../../support/training/optimizers.ts';
import { expectClose, kinds, randomInput } from '../support/check-op.ts';
import { openGpu, profileOf, runKernels } from '../support/harness.ts';
import { Memory } from '../support/memory.ts';

const gpu = await openGpu();

interface Setting {
  readonly elements: number;
  readonly rates: readonly RateRun[];
  readonly clip?: number;
  readonly clamps?: UpdateSpec['clamps'];
}

/** Decay of the first `decayed` elements, as without groups. */
const front = (elements: number, decayed: number): RateRun[] =>
  [
    { end: decayed, scale: 1, decay: 0.2 },
    { end: elements, scale: 1, decay: 0 },
  ].filter(({ end }, i) => end > (i === 0 ? 0 : decayed));
const hyper = { lr: 0.01, bias_correction1: 1 - 0.9 ** 3, bias_correction2: 1 - 0.98 ** 3 };

/** Two steps' worth of state, from seeds. */
function state(elements: number): Record<'weights' | 'gradients' | 'moment1' | 'moment2', Float32Array> {
  const values = (seed: number, scale: number, shift = 0) =>
    Float32Array.from(randomInput([elements], seed, {}, { scale, shift }).data);
  return {
    weights: values(1, 1),
    gradients: values(2, 0.1),
    moment1: values(3, 0.05),
    moment2: values(4, 0.004, 0.005),
  };
}

async function step(setting: Setting, profile: DeviceProfile) {
  const memory = new Memory();
  const start = state(setting.elements);
  const storages = {
    weights: memory.storage(start.weights.slice(), 'weights'),
    gradients: memory.storage(start.gradients, 'gradients'),
    moment1: memory.storage(start.moment1.slice(), 'moment1'),
    moment2: memory.storage(start.moment2.slice(), 'moment2'),
    normOut: memory.storage(new Float32Array(1), 'norm'),
    hyper: memory.storage(
      Float32Array.from(hyperSlots.map((slot) => ({ ...hyper, clip_norm: setting.clip ?? 0 })[slot])),
      'hyper',
    ),
  };
  const { squares, moves } = updateKernels({
    ...storages,
    moments: [storages.moment1, storages.moment2],
    rule: adamw,
    elements: setting.elements,
    parts: [{ start: 0, elements: setting.elements, kept: 0 }],
    rates: setting.rates,
    clip: setting.clip !== undefined,
    clamps: setting.clamps ?? [],
    profile,
    scratch: (elements, dtype, label) => memory.scratch(elements, dtype, label),
  });
  const kernels = [...squares, ...moves];
  const { weights, moment1, moment2, normOut } = storages;
  const found = await runKernels(gpu!, kernels, memory, [weights, moment1, moment2, normOut]);
  return { start, found, kernels };
}

/** PyTorch's single-tensor AdamW in f64. */
function expectedStep(setting: Setting) {
  const { weights, gradients, moment1, moment2 } = state(setting.elements);
  const norm = Math.sqrt(gradients.reduce((sum, g) => sum + g * g, 0));
  const factor = setting.clip === undefined ? 1 : Math.min(1, setting.clip / (norm + 1e-6));
  const [p, m, v] = [weights, moment1, moment2].map((a) => Float64Array.from(a)) as [
    Float64Array,
    Float64Array,
    Float64Array,
  ];
  for (let i = 0; i < setting.elements; i++) {
    const g = gradients[i]! * factor;
    const { scale, decay } = setting.rates.find(({ end }) => i < end)!;
    const lr = hyper.lr * scale;
    p[i]! -= lr * decay * p[i]!;
    m[i]! += (g - m[i]!) * (1 - adamw.beta1);
    v[i] = adamw.beta2 * v[i]! + (1 - adamw.beta2) * g * g;
    const deviation = Math.sqrt(v[i]!) / Math.sqrt(hyper.bias_correction2) + adamw.eps;
    p[i]! -= ((lr / hyper.bias_correction1) * m[i]!) / deviation;
  }
  for (const { index, min, max } of setting.clamps ?? []) p[index] = Math.min(max, Math.max(min, p[index]!));
  return { p, m, v, norm };
}

// A few roundings of f32 on values of order 1; the norm sums up to 2^18 squares in blocks.
const tolerance = { rtol: 2e-6, atol: 5e-7 };

async function check(setting: Setting, profile: DeviceProfile): Promise<void> {
  const { found } = await step(setting, profile);
  const { p, m, v, norm } = expectedStep(setting);
  expectClose(found[0]!, p, tolerance, 'weights');
  expectClose(found[1]!, m, tolerance, 'moment1');
  expectClose(found[2]!, v, tolerance, 'moment2');
  expectClose(found[3]!, [norm], tolerance, 'norm');
}

describe.skipIf(gpu === undefined)('the optimizer', () => {
  for (const kind of kinds) {
    test.each([
      [4, 4],
      [64, 0],
      [200, 128],
      [70_004, 65_536],
      [262_144, 262_144],
    ])(`${kind}: %i weights, %i of them decayed`, async (elements, decayed) => {
      const rates = front(elements, decayed);
      await check({ elements, rates }, profileOf(kind));
      await check({ elements, rates, clip: 0.05 }, profileOf(kind));
    });

    test.each([3, 8, 37])(`${kind}: %i parts with rates of their own, in windows as well`, async (parts) => {
      const elements = 10_000;
      const rates = Array.from({ length: parts }, (_, i): RateRun => {
        const end = i === parts - 1 ? elements : Math.floor(((i + 1) * elements) / parts / 64) * 64;
        return { end, scale: 0.75 ** (parts - 1 - i), decay: (i % 3) * 0.1 };
      });
      const setting = { elements, rates };
      await check(setting, profileOf(kind));
      await check(setting, profileOf(kind, { maxStorageBufferBindingSize: 4 * 3000 }));
      expect((await step(setting, profileOf(kind))).kernels).toHaveLength(3);
    });

    test(`${kind}: gradients below the clipping norm stay as they are`, () =>
      check({ elements: 128, rates: front(128, 64), clip: 1000 }, profileOf(kind)));

    test(`${kind}: arenas beyond a binding's limit are updated in windows`, async () => {
      const profile = profileOf(kind, { maxStorageBufferBindingSize: 4 * 3000 });
      const setting = { elements: 10_000, rates: front(10_000, 5000), clip: 0.5 };
      await check(setting, profile);
      const { kernels } = await step(setting, profile);
      const sizes = kernels.flatMap((k) => k.args.map((a) => a.window?.elements ?? a.storage.elements));
      expect(Math.max(...sizes)).toBeLessThanOrEqual(3000);
    });

    test(`${kind}: clamps keep scalar weights within bounds`, () =>
      check(
        {
          elements: 200,
          rates: front(200, 100),
          clamps: [
            { index: 130, min: 0.2, max: 0.3 },
            { index: 199, min: -0.1, max: 4.6052 },
          ],
        },
        profileOf(kind),
      ));
  }

  test('reruns give the same bits', async () => {
    const setting = { elements: 70_004, rates: front(70_004, 100), clip: 0.1 };
    const first = await step(setting, profileOf('cpu'));
    const second = await step(setting, profileOf('cpu'));
    expect(first.found).toEqual(second.found);
  });

  test('refuses arenas that are no multiple of a vec4', async () => {
    const setting = { elements: 6, rates: front(6, 4) };
    await expect(step(setting, profileOf('cpu'))).rejects.toThrow(/multiples of 4/);
  });
});
