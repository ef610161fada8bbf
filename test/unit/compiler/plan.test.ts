import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compileGraph } from '../../../compiler/compile.ts';
import { createBuilder } from '../../../compiler/graph/create-builder.ts';
import { planMemory } from '../../../compiler/plan/memory.ts';
import type { Plan } from '../../../compiler/plan/types.ts';
import { verifyPlan } from '../../../compiler/plan/verify.ts';
import { discreteProfile, lavapipeProfile } from '../../../compiler/profile.ts';

const lifetimes = fc
  .array(fc.record({ bytes: fc.integer({ min: 1, max: 5000 }), first: fc.nat(40), length: fc.nat(15) }), {
    minLength: 1,
    maxLength: 60,
  })
  .map((list) => list.map(({ bytes, first, length }, id) => ({ id, bytes, first, last: first + length })));

describe('the memory plan', () => {
  it('never lets two living tensors share bytes, aligns all, and stays above the largest live set', () => {
    fc.assert(
      fc.property(lifetimes, (lives) => {
        const { places, parts, lowerBound } = planMemory(lives, 256, 1e9);
        expect(parts).toHaveLength(1);
        expect(parts[0]!).toBeGreaterThanOrEqual(lowerBound);
        for (const a of lives) {
          const at = places.get(a.id)!;
          expect(at.offset % 256).toBe(0);
          for (const b of lives) {
            if (b.id >= a.id || a.first > b.last || b.first > a.last) continue;
            const other = places.get(b.id)!;
            expect(at.offset + a.bytes <= other.offset || other.offset + b.bytes <= at.offset).toBe(true);
          }
        }
      }),
      { seed: 7, numRuns: 200 },
    );
  });

  it('opens another buffer where one would pass the limit', () => {
    const lives = [0, 1, 2].map((id) => ({ id, bytes: 1024, first: 0, last: 1 }));
    const { places, parts } = planMemory(lives, 256, 2048);
    expect(parts).toEqual([2048, 1024]);
    expect(places.get(2)!.part).toBe(1);
  });
});

/** relu(x @ w.T + bias) over [2, 8, 16]. */
function smallPlan(profile = lavapipeProfile): Plan {
  const b = createBuilder();
  const x = b.add('input', [], { name: 'x', dtype: 'f32', shape: [2, 8, 16] });
  const w = b.add('param', [], { name: 'w', shape: [32, 16], role: 'param' });
  const bias = b.add('param', [], { name: 'bias', shape: [32], role: 'param' });
  const product = b.add('matmul', [x, w], { transposeA: false, transposeB: true });
  const y = b.add('relu', [b.add('add', [product, bias], {})], {});
  const graph = b.finish([{ name: 'y', node: y }]);
  return compileGraph(graph, { model: 'm', entry: 'e', batch: 2, mode: 'eval', profile });
}

describe('plans', () => {
  it('fuse bias and activation into the product; a transposed weight is made once, before the runs', () => {
    const plan = smallPlan();
    expect(plan.steps.map((s) => s.label)).toEqual([expect.stringMatching(/^matmul_/)]);
    expect(plan.setup.map((s) => s.label)).toEqual(['transpose']);
    expect(smallPlan(discreteProfile).setup).toEqual([]);
  });

  it('add products up one by one, so that no two wait for their sum', () => {
    const b = createBuilder();
    const x = b.add('input', [], { name: 'x', dtype: 'f32', shape: [8, 16] });
    const products = [0, 1, 2, 3].map((i) => {
      const w = b.add('param', [], { name: `w${i}`, shape: [16, 32], role: 'param' });
      return b.add('matmul', [x, w], { transposeA: false, transposeB: false });
    });
    const sum = products.reduce((total, product) => b.add('add', [total, product], {}));
    const graph = b.finish([{ name: 'y', node: sum }]);
    const plan = compileGraph(graph, {
      model: 'm',
      entry: 'e',
      batch: 8,
      mode: 'eval',
      profile: discreteProfile,
    });
    expect(plan.steps.map((s) => s.label)).toEqual(Array(4).fill(expect.stringMatching(/^matmul_/)));
  });

  it('are plain data: JSON and back changes nothing', () => {
    const plan = smallPlan();
    expect(JSON.parse(JSON.stringify(plan))).toEqual(plan);
  });

  it('are refused when a binding leaves its buffer, is misaligned, or overlaps what the step writes', () => {
    const plan = smallPlan();
    const damage = (change: (binding: { buffer: number; offset: number; size: number }) => void) => {
      const copy = structuredClone(plan) as unknown as {
        steps: { bindings: { buffer: number; offset: number; size: number }[] }[];
      };
      change(copy.steps[0]!.bindings[0]!);
      return () => verifyPlan(copy as unknown as Plan, lavapipeProfile);
    };
    expect(damage((b) => (b.offset = 2 ** 30))).toThrow(/bytes .* of a buffer/);
    expect(damage((b) => (b.offset = 4))).toThrow(/not aligned/);
    const written = plan.steps[0]!.bindings.at(-1)!;
    expect(damage((b) => Object.assign(b, written))).toThrow(/overlap/);
  });
});
