/**
 * Every schedule of every family: right against the f64 reference on awkward sizes, and the same bits as the others.
 */
import { describe, expect, it } from 'vitest';
import { compileGraph } from '../../compiler/compile.ts';
import { createBuilder } from '../../compiler/graph/create-builder.ts';
import type { Graph } from '../../compiler/graph/types.ts';
import { type ScheduleFamily, scheduleIds, scheduleKey } from '../../compiler/kernels/schedules.ts';
import {
  appleProfile,
  type DeviceProfile,
  discreteProfile,
  lavapipeProfile,
} from '../../compiler/profile.ts';
import { type Comparison, compare, device } from './compiled.ts';
import { productGraph, products, tolerance } from './products.ts';

const on = await device();

/** Each class's schedules within what the adapter at hand allows. */
function classProfiles(): DeviceProfile[] {
  const { limits, features } = on!.profile;
  return [lavapipeProfile, appleProfile, discreteProfile].map((profile) => ({
    ...profile,
    limits,
    features,
  }));
}

/** The profile with `id` chosen for all work of a family that the graph has. */
function forced(
  profile: DeviceProfile,
  graph: Graph,
  family: ScheduleFamily,
  id: string,
  gradients: readonly string[] = [],
): DeviceProfile {
  const plan = compileGraph(graph, { model: 't', entry: 't', batch: 1, mode: 'eval', profile, gradients });
  const keys = plan.steps.flatMap(({ schedule }) => (schedule?.family === family ? [schedule.key] : []));
  return { ...profile, tuned: Object.fromEntries(keys.map((key) => [scheduleKey(family, key), id])) };
}

function used({ plan }: Comparison, family: ScheduleFamily): string[] {
  return plan.steps.flatMap(({ schedule }) => (schedule?.family === family ? [schedule.id] : []));
}

/** A padded, strided convolution with a bias-like addend, and its mean square. */
function convolutionGraph(): Graph {
  const b = createBuilder();
  const x = b.add('input', [], { name: 'x', dtype: 'f32', shape: [2, 6, 9, 7] });
  const w = b.add('param', [], { name: 'w', shape: [10, 6, 3, 3], role: 'param' });
  const y = b.add('conv2d', [x, w], { stride: 2, padding: 1, groups: 1 });
  const loss = b.add('mean', [b.add('mul', [y, y], {})], { axes: [0, 1, 2, 3], keep: false });
  return b.finish([{ name: 'loss', node: loss }]);
}

/** softmax of rows, and attention of 21 queries over 9 keys, as one graph. */
function rowsGraph(): Graph {
  const b = createBuilder();
  const input = (name: string, shape: number[]) => b.add('input', [], { name, dtype: 'f32', shape });
  const [q, k, v] = [input('q', [2, 3, 21, 8]), input('k', [2, 3, 9, 8]), input('v', [2, 3, 9, 8])];
  const attended = b.add('attention', [q, k, v], { causal: false, scale: 0.35 });
  const soft = b.add('softmax', [input('x', [37, 19])], {});
  return b.finish([
    { name: 'attended', node: attended },
    { name: 'soft', node: soft },
  ]);
}

describe.skipIf(!on)('schedules', () => {
  const shapes = products(2, 7).map(productGraph);

  it('of the contract family all give what the reference gives, and one another’s bits', async () => {
    for (const profile of classProfiles()) {
      const first = new Map<Graph, Float32Array | Int32Array>();
      const ran = new Set<string>();
      for (const id of scheduleIds(profile, 'contract')) {
        for (const graph of shapes) {
          const result = await compare(on!, forced(profile, graph, 'contract', id), graph);
          const name = `${profile.name} ${used(result, 'contract')}`;
          for (const chosen of used(result, 'contract')) ran.add(chosen);
          expect(result.errors.get('y'), name).toBeLessThan(tolerance);
          const bits = result.values.get('y')!;
          expect(bits, name).toEqual(first.get(graph) ?? bits);
          first.set(graph, bits);
        }
      }
      expect([...ran].sort()).toEqual(scheduleIds(profile, 'contract').sort());
    }
  });

  it('of the contract family serve convolutions and their gradients', async () => {
    const graph = convolutionGraph();
    const gradients = ['w'];
    for (const profile of classProfiles())
      for (const id of scheduleIds(profile, 'contract')) {
        const target = forced(profile, graph, 'contract', id, gradients);
        const result = await compare(on!, target, graph, { gradients });
        expect(used(result, 'contract')).toContain(id);
        for (const [name, error] of result.errors) expect(error, `${id} ${name}`).toBeLessThan(1e-5);
      }
  });

  it('of rows and attention do as well', async () => {
    const graph = rowsGraph();
    const [software] = classProfiles();
    const plain = await compare(on!, software!, graph);
    for (const family of ['rows', 'attention'] as const)
      for (const id of scheduleIds(software!, family)) {
        const result = await compare(on!, forced(software!, graph, family, id), graph);
        expect(used(result, family)).toEqual([id]);
        for (const [name, error] of result.errors) expect(error, `${id} ${name}`).toBeLessThan(tolerance);
        expect(result.values).toEqual(plain.values);
      }
  });
});
