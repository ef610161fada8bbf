/**
 * Tensors larger than a binding: the same models under a limit of a few KiB, where nearly every operation must be done in
 * slices, against the same plans without a limit.
 */
import { describe, expect, test } from 'vitest';
import { resolveModel } from '../../compiler/model/index.ts';
import type { VerifiedPlan } from '../../compiler/plan/types.ts';
import type { DeviceKind } from '../../compiler/profile.ts';
import { nodeHost } from '../../zoo/host.ts';
import { compileEntry, type EntryRequest } from '../../zoo/run/entry.ts';
import { hashImages, hashTokens, hashWeight } from '../../zoo/weights/hash-weights.ts';
import { relL2 } from '../support/golden.ts';
import { device, profileFor } from './compiled.ts';

const on = await device();

function model(name: string) {
  const found = resolveModel(nodeHost(), `test/fixtures/models/tiny.zoo#${name}`);
  if (!found.ok) throw new Error(found.diagnostics[0]!.message);
  return found.value;
}

/** Compiled as if a binding could hold no more than `limit` bytes. */
function plan(name: string, kind: DeviceKind, request: EntryRequest, limit?: number): VerifiedPlan {
  const profile = profileFor(on!, kind);
  const limits = limit === undefined ? {} : { maxStorageBufferBindingSize: limit };
  return compileEntry(model(name), request, { ...profile, limits: { ...profile.limits, ...limits } });
}

async function results(verified: VerifiedPlan): Promise<Map<string, Float64Array>> {
  const session = await on!.open(verified);
  for (const { name, shape } of verified.weights) session.writeWeight(name, hashWeight(name, shape));
  const { batch } = verified;
  for (const { name, shape } of verified.inputs)
    session.writeInput(
      name,
      name === 'images' ? hashImages([batch, ...shape.slice(1)]) : hashTokens(batch, shape[1]!, 500),
    );
  session.run();
  const found = new Map<string, Float64Array>();
  for (const { name } of verified.outputs) found.set(name, Float64Array.from(await session.read(name)));
  session.close();
  return found;
}

const largestBinding = ({ steps }: VerifiedPlan) =>
  Math.max(...steps.flatMap((step) => step.bindings.map((b) => b.size)));

describe.skipIf(!on)('tensors larger than a binding', () => {
  test.each([
    ['tiny_vit', 'cpu', 256, 66, 'f32'],
    ['tiny_rn', 'cpu', 1056, 48, 'f32'],
    ['tiny_vit', 'cpu', 256, 66, 'mixed'],
  ] as const)(
    '%s with %s schedules, bindings of %i KiB: forward and backward as without',
    async (name, kind, kib, batch, precision) => {
      const request: EntryRequest = { entry: 'loss', batch, mode: 'train', gradients: true, precision };
      // Sums in another order round to other halves here and there: one unit of 2^-11 in some of a gradient's terms.
      const tolerance = precision === 'mixed' ? 2e-3 : 2e-4;
      const whole = plan(name, kind, request);
      const split = plan(name, kind, request, kib * 1024);
      expect(largestBinding(whole)).toBeGreaterThan(2 * kib * 1024);
      expect(largestBinding(split)).toBeLessThanOrEqual(kib * 1024);
      const [found, expected] = [await results(split), await results(whole)];
      expect([...found.keys()]).toEqual([...expected.keys()]);
      for (const [tensor, values] of found)
        if (!tensor.endsWith('k_proj.bias'))
          expect(relL2(values, expected.get(tensor)!), tensor).toBeLessThan(tolerance);
    },
  );
});
