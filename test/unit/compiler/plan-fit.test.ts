/**
 * Plans that a device cannot hold are refused before anything is allocated, and the message names a batch
 * that fits.
 */
import { describe, expect, test } from 'vitest';
import { planFitting } from '../../../compiler/compile.ts';
import { resolveModel } from '../../../compiler/model/index.ts';
import type { Model } from '../../../compiler/model/types.ts';
import { type DeviceProfile, lavapipeProfile } from '../../../compiler/profile.ts';
import { type Diagnostic, DiagnosticError, fail } from '../../../grammar/diagnostics.ts';
import { nodeHost } from '../../../zoo/host.ts';
import { compileEntry, compileFitting, type EntryRequest, openEntry } from '../../../zoo/run/entry.ts';
import { openWeights } from '../../../zoo/weights/weights.ts';

const host = nodeHost();

function tiny(name: string): Model {
  const found = resolveModel(host, `test/fixtures/models/tiny.zoo#${name}`);
  if (!found.ok) throw new Error(found.diagnostics[0]!.message);
  return found.value;
}

const model = tiny('tiny_vit');
const request = (batch: number): EntryRequest => ({ entry: 'loss', batch, mode: 'train', gradients: true });
const total = (batch: number) => compileEntry(model, request(batch), lavapipeProfile).memory.total;

function diagnosticsOf(run: () => unknown): readonly Diagnostic[] {
  try {
    run();
  } catch (error) {
    if (error instanceof DiagnosticError) return error.diagnostics;
    throw error;
  }
  return [];
}

describe('sizes far beyond any machine', () => {
  const huge = 1e9;
  const inBrief = { ...request(huge), entry: 'encode_text', mode: 'eval', gradients: false } as const;

  test('are refused at once, with a batch that fits', () => {
    // Buffers of one mebibyte, so that what fits is small and the search for it short.
    const profile = { ...lavapipeProfile, limits: { ...lavapipeProfile.limits, maxBufferSize: 2 ** 20 } };
    expect(() => compileFitting(model, inBrief, profile)).toThrow(
      /Z605.*tokens takes .* GiB, more than one buffer/,
    );
    expect(() => compileFitting(model, { ...inBrief, batch: 2 ** 53 - 1 }, lavapipeProfile)).toThrow(/Z313/);
  });

  test('are refused by the reference, too, before the host makes any input', async () => {
    const executor = { kind: 'reference', name: 'reference', close: () => {} } as const;
    const weights = await openWeights(model, 'init:0');
    try {
      await openEntry(executor, model, weights, inBrief);
      expect.unreachable();
    } catch (error) {
      const [found] = (error as { diagnostics: { code: string; help: string }[] }).diagnostics;
      expect(found).toMatchObject({ code: 'Z605', help: expect.stringMatching(/^a batch of \d+ fits$/) });
    }
  });
});

describe('memory of a device', () => {
  test('the largest batch that fits is named, and it does fit', () => {
    const memory = total(11);
    const profile: DeviceProfile = { ...lavapipeProfile, memory };
    expect(() => compileFitting(model, request(16), profile)).toThrow(
      /needs \d+\.\d\d GiB \(.*\), llvmpipe has/,
    );
    try {
      compileFitting(model, request(16), profile);
    } catch (error) {
      expect((error as { diagnostics: { help: string }[] }).diagnostics[0]!.help).toBe('a batch of 11 fits');
    }
    expect(compileFitting(model, request(11), profile).plan.memory.total).toBeLessThanOrEqual(memory);
    expect(total(12)).toBeGreaterThan(memory);
  });

  test('a batch far beyond it is refused by what small ones take, without its plan', () => {
    const planned: number[] = [];
    const plan = (batch: number) => {
      planned.push(batch);
      if (batch > 100) fail('Z605', `${batch} is too large`);
      return batch;
    };
    const outlook = {
      memory: 100,
      total: (batch: number) => batch,
      refuse: (size: number, bytes: number) => fail('Z605', `${size} would need ${bytes}`),
    };
    const found = diagnosticsOf(() => planFitting(4096, plan, { noun: 'batch', outlook }));
    expect(found).toMatchObject([{ message: '4096 would need 4096', help: 'a batch of 100 fits' }]);
    expect(planned).toEqual([32, 64, 100, 104]);

    const profile: DeviceProfile = { ...lavapipeProfile, memory: total(80) };
    expect(diagnosticsOf(() => compileFitting(model, request(4096), profile))).toMatchObject([
      {
        message: expect.stringMatching(
          /^tiny_vit loss at batch 4096 would need about [\d.]+ GiB, llvmpipe has/,
        ),
        help: 'a batch of 80 fits',
      },
    ]);
  });

  test('where nothing fits, that is said', () => {
    const profile: DeviceProfile = { ...lavapipeProfile, memory: 1000 };
    try {
      compileFitting(model, request(2), profile);
      expect.unreachable();
    } catch (error) {
      expect((error as { diagnostics: unknown[] }).diagnostics).toMatchObject([
        { code: 'Z605', help: 'not even a batch of 1 fits; use a smaller model or another device' },
      ]);
    }
  });

  test('a value larger than a buffer may be is refused with a batch that fits', () => {
    const limits = { ...lavapipeProfile.limits, maxBufferSize: 2 ** 20 };
    const profile: DeviceProfile = { ...lavapipeProfile, limits };
    try {
      compileFitting(model, request(64), profile);
      expect.unreachable();
    } catch (error) {
      const [found] = (error as { diagnostics: { code: string; message: string; help: string }[] })
        .diagnostics;
      expect(found!.code).toBe('Z605');
      expect(found!.message).toMatch(/more than one buffer of this device may \(1\.0 MiB\)$/);
      const fits = Number(/^a batch of (\d+) fits$/.exec(found!.help)![1]);
      expect(compileFitting(model, request(fits), profile).plan.batch).toBe(fits);
    }
  });
});
