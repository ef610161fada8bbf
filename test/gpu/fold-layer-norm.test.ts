/**
 * A layer norm between two products, done by the products, against the definition in f64: every class of schedules, odd shapes, large means.
 */
import { describe, expect, it } from 'vitest';
import { createBuilder } from '../../compiler/graph/create-builder.ts';
import type { Graph } from '../../compiler/graph/types.ts';
import { scheduleIds, scheduleKey } from '../../compiler/kernels/schedules/schedules.ts';
import {
  appleProfile,
  type DeviceProfile,
  discreteProfile,
  lavapipeProfile,
} from '../../compiler/profile.ts';
import { compare, device } from './compiled.ts';

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

function classes(): DeviceProfile[] {
  const { limits, features } = on!.profile;
  return [lavapipeProfile, appleProfile, discreteProfile].map((p) => ({ ...p, limits, features }));
}

/**
 * Two products in a row, each with rounding of about sqrt(K) 2^-24 for K <= 768 relative to the largest value, and the norm's own 5e-6
 * (its op's tolerance).
 */
const tolerance = 6e-6;

const shapes: readonly Shape[] = [
  { rows: 1, width: 64 },
  { rows: 7, width: 192 },
  { batch: 2, rows: 25, width: 768 },
  { rows: 77, width: 192 },
  { rows: 197, width: 64 },
  { batch: 4, rows: 50, width: 64 },
];

describe.skipIf(!on)('a layer norm between products', () => {
  for (const shape of shapes)
    it(`of ${shape.batch ?? 1}×${shape.rows} rows of ${shape.width} equals its definition, without a kernel`, async () => {
      for (const profile of classes()) {
        const { errors, plan } = await compare(on!, profile, layerGraph(shape));
        for (const name of ['y', 'z']) expect(errors.get(name), profile.name).toBeLessThan(tolerance);
        expect(plan.steps.map((s) => s.label).filter((l) => /norm|moments/.test(l))).toEqual([]);
        expect(plan.steps.filter((s) => s.label.includes('matmul'))).toHaveLength(3);
      }
    });

  it('keeps its kernel where rows are no multiple of 64 columns', async () => {
    for (const profile of classes()) {
      const { errors, plan } = await compare(on!, profile, layerGraph({ rows: 50, width: 96 }));
      for (const name of ['y', 'z']) expect(errors.get(name), profile.name).toBeLessThan(tolerance);
      expect(plan.steps.filter((s) => s.label.includes('layer_norm'))).toHaveLength(1);
    }
  });

  it('loses no more than the ratio of mean to deviation, where that is 30', async () => {
    for (const profile of classes()) {
      const { errors } = await compare(on!, profile, layerGraph({ rows: 50, width: 768, offset: 30 }));
      expect(errors.get('y'), profile.name).toBeLessThan(30 * tolerance);
    }
  });

  it('gives the same bits with other schedules, and when run again', async () => {
    const graph = layerGraph({ batch: 4, rows: 9, width: 128, inner: 16 });
    for (const profile of classes()) {
      const first = await compare(on!, profile, graph);
      const again = await compare(on!, profile, graph);
      expect(again.values.get('z')).toEqual(first.values.get('z'));
      const keys = first.plan.steps.flatMap(({ schedule }) => (schedule ? [schedule] : []));
      const ids = scheduleIds(profile, 'contract');
      // The first, the last and one in between: each takes seconds to compile.
      for (const id of [ids[0]!, ids[ids.length >> 1]!, ids.at(-1)!]) {
        const tuned = Object.fromEntries(keys.map(({ family, key }) => [scheduleKey(family, key), id]));
        const other = await compare(on!, { ...profile, tuned }, graph);
        expect(other.values.get('z'), `${profile.name} ${id}`).toEqual(first.values.get('z'));
      }
    }
  });
});
