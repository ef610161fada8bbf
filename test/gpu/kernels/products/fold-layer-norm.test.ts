/**
 * A layer norm between two products, done by the products, against the definition in f64: every class of
 * schedules, odd shapes, large means.
 *
 * All by the text of their kernels, but for the schedules of software adapters on 25 rows and on 77, and those of GPUs on
 * 50 rows: a software adapter compiles each of them for up to seconds.
 */
import { describe, expect, it } from 'vitest';
import { createBuilder } from '../../../../compiler/graph/create-builder.ts';
import type { Graph } from '../../../../compiler/graph/types.ts';
import { scheduleIds, scheduleKey } from '../../../../compiler/kernels/schedules/schedules.ts';
import {
  appleProfile,
  type DeviceProfile,
  discreteProfile,
  lavapipeProfile,
} from '../../../../compiler/profile.ts';
import { type Runner, textDevice } from '../../../support/wgsl/text-device.ts';
import { compare, device } from '../../support/compiled.ts';

const on = await device();

interface Shape {
  readonly batch?: number;
  readonly rows: number;
  readonly width: number;
  readonly inner?: number;
  /** Added to x, in standard deviations of what x is without. */
  readonly offset?: number;
}

/** y = quick GELU(LN(x) W + b) and z = y V + x with x = a U + u + residual: half a layer of a transformer. */
function layerGraph({ batch = 1, rows, width, inner = 40, offset = 0 }: Shape): Graph {
  const b = createBuilder();
  const input = (name: string, shape: number[]) => b.add('input', [], { name, dtype: 'f32', shape });
  const param = (name: string, shape: number[]) => b.add('param', [], { name, shape, role: 'param' });
  const constant = (value: number) => b.add('constant', [], { value, dtype: 'f32', shape: [] });
  const product = (x: number, w: number) => b.add('matmul', [x, w], { transposeA: false, transposeB: true });
  const shape = [batch, rows, width];
  const sum = product(input('a', [batch, rows, inner]), param('U', [width, inner]));
  const plain = b.add('add', [input('residual', shape), b.add('add', [sum, param('u', [width])], {})], {});
  // Products of values in [-1, 1) have variance 1/9; bias and residual have 1/3 each.
  const x = offset === 0 ? plain : b.add('add', [plain, constant(offset * Math.sqrt(inner / 9 + 2 / 3))], {});
  const norm = b.add('layer_norm', [x, param('gain', [width]), param('shift', [width])], { eps: 1e-5 });
  const hidden = b.add('add', [product(norm, param('W', [96, width])), param('b', [96])], {});
  const gate = b.add('sigmoid', [b.add('mul', [hidden, constant(1.702)], {})], {});
  const y = b.add('mul', [hidden, gate], {});
  const z = b.add('add', [x, product(y, param('V', [width, 96]))], {});
  return b.finish([
    { name: 'y', node: y },
    { name: 'z', node: z },
  ]);
}

const classes: readonly DeviceProfile[] = [lavapipeProfile, appleProfile, discreteProfile];

/** A profile within what the device at hand allows. */
function within(profile: DeviceProfile, { limits, features }: DeviceProfile): DeviceProfile {
  return { ...profile, limits, features };
}

/** Every class by text; and on the device those that are named. */
function runs(onDevice: readonly DeviceProfile[] = []): (readonly [Runner, DeviceProfile])[] {
  const byText = classes.map((profile) => [textDevice(profile), profile] as const);
  return on ? [...byText, ...onDevice.map((p) => [on, within(p, on.profile)] as const)] : byText;
}

/**
 * Two products in a row, each with rounding of about sqrt(K) 2^-24 for K <= 768 relative to the largest
 * value, and the norm's own 5e-6 (its op's tolerance).
 */
const tolerance = 6e-6;

/** The last are those classes that run the shape on the device as well. */
const shapes: readonly (readonly [Shape, ...DeviceProfile[]])[] = [
  [{ rows: 1, width: 64 }],
  [{ rows: 7, width: 192 }],
  [{ batch: 2, rows: 25, width: 768 }, lavapipeProfile],
  [{ rows: 77, width: 192 }, lavapipeProfile],
  [{ rows: 197, width: 64 }],
  [{ batch: 4, rows: 50, width: 64 }, appleProfile, discreteProfile],
];

describe('a layer norm between products', () => {
  for (const [shape, ...onDevice] of shapes)
    it(`of ${shape.batch ?? 1}×${shape.rows} rows of ${shape.width} equals its definition, without a kernel`, async () => {
      const graph = layerGraph(shape);
      for (const [runner, profile] of runs(onDevice)) {
        const { errors, plan } = await compare(runner, profile, graph);
        for (const name of ['y', 'z']) expect(errors.get(name), profile.name).toBeLessThan(tolerance);
        expect(plan.steps.map((s) => s.label).filter((l) => /norm|moments/.test(l))).toEqual([]);
        expect(plan.steps.filter((s) => s.label.includes('matmul'))).toHaveLength(3);
      }
    });

  it('keeps its kernel where rows are no multiple of 64 columns', async () => {
    const graph = layerGraph({ rows: 50, width: 96 });
    for (const [runner, profile] of runs()) {
      const { errors, plan } = await compare(runner, profile, graph);
      for (const name of ['y', 'z']) expect(errors.get(name), profile.name).toBeLessThan(tolerance);
      expect(plan.steps.filter((s) => s.label.includes('layer_norm'))).toHaveLength(1);
    }
  });

  it('loses no more than the ratio of mean to deviation, where that is 30', async () => {
    const graph = layerGraph({ rows: 50, width: 768, offset: 30 });
    for (const [runner, profile] of runs([lavapipeProfile])) {
      const { errors } = await compare(runner, profile, graph);
      expect(errors.get('y'), profile.name).toBeLessThan(30 * tolerance);
    }
  });

  const small = layerGraph({ batch: 4, rows: 9, width: 128, inner: 16 });

  it('gives the same bits with other schedules', async () => {
    for (const [runner, profile] of runs()) {
      const first = await compare(runner, profile, small);
      const keys = first.plan.steps.flatMap(({ schedule }) => (schedule ? [schedule] : []));
      for (const id of scheduleIds(profile, 'contract')) {
        const tuned = Object.fromEntries(keys.map(({ family, key }) => [scheduleKey(family, key), id]));
        const other = await compare(runner, { ...profile, tuned }, small);
        expect(other.values.get('z'), `${profile.name} ${id}`).toEqual(first.values.get('z'));
      }
    }
  });

  it.skipIf(!on)('gives the same bits when run again, on the device', async () => {
    for (const profile of classes.map((p) => within(p, on!.profile))) {
      const first = await compare(on!, profile, small);
      const again = await compare(on!, profile, small);
      expect(again.values.get('z')).toEqual(first.values.get('z'));
    }
  });
});
