import { describe, expect, it } from 'vitest';
import { createBuilder } from '../../../../compiler/graph/create-builder.ts';
import { appleProfile, discreteProfile } from '../../../../compiler/profile.ts';
import type { Product } from '../../../../runtime/selftest/cases.ts';
import { compare, device } from '../../support/compiled.ts';
import { productGraph, products, tolerance } from '../../support/products.ts';

const on = await device();

describe.skipIf(!on)('matrix products with a fused epilogue equal the f64 reference', () => {
  const wide: Product = {
    batch: 2,
    m: 64,
    n: 512,
    k: 96,
    transposeA: false,
    transposeB: true,
    batchedB: false,
  };
  for (const kind of ['cpu', 'gpu'] as const) {
    it(`for random shapes and transposes with ${kind} schedules`, async () => {
      for (const product of [...products(12), wide]) {
        const { errors, plan } = await compare(on!, kind, productGraph(product));
        expect(errors.get('y'), JSON.stringify(product)).toBeLessThan(tolerance);
        expect(plan.steps.filter((s) => s.label.includes('map'))).toHaveLength(0);
      }
    });
  }

  it('with K in pieces that are added in front of the epilogue, even and with a remainder', async () => {
    const base = { batch: 1, transposeA: true, transposeB: false, batchedB: false };
    const long: Product[] = [
      { ...base, m: 20, n: 12, k: 640 },
      { ...base, m: 33, n: 7, k: 1021 },
      { ...base, m: 5, n: 9, k: 521, batch: 3, batchedB: true, transposeB: true },
      { ...base, m: 3, n: 64, k: 514, transposeA: false },
    ];
    const plain = (product: Product) => {
      const b = createBuilder();
      const a = b.add('input', [], { name: 'a', dtype: 'f32', shape: [product.k, product.m] });
      const w = b.add('param', [], { name: 'w', shape: [product.k, product.n], role: 'param' });
      return b.finish([
        { name: 'y', node: b.add('matmul', [a, w], { transposeA: true, transposeB: false }) },
      ]);
    };
    for (const profile of [discreteProfile, appleProfile].map((p) => ({ ...p, limits: on!.profile.limits })))
      for (const product of long) {
        const { errors, plan } = await compare(on!, profile, productGraph(product));
        // Sums of up to 1021 terms in pieces of about 128: fewer roundings in a row than the tolerance allows for.
        expect(errors.get('y'), JSON.stringify(product)).toBeLessThan(tolerance);
        expect(plan.steps.map((s) => s.label).join()).toMatch(/column_sum.*epilogue/);
        if (product.batch > 1 || !product.transposeA) continue;
        const gradient = await compare(on!, profile, plain(product));
        expect(gradient.errors.get('y'), JSON.stringify(product)).toBeLessThan(tolerance);
        expect(gradient.plan.steps.at(-1)!.label).toMatch(/column_sum/);
      }
  });

  it('for more tiles than a dispatch takes workgroups in one dimension', async () => {
    for (const [kind, m] of [
      ['cpu', 16 * 65535 + 21],
      ['gpu', 128 * 65535 + 85],
    ] as const) {
      const b = createBuilder();
      const x = b.add('input', [], { name: 'x', dtype: 'f32', shape: [m, 1] });
      const w = b.add('param', [], { name: 'w', shape: [1, 1], role: 'param' });
      const product = b.add('matmul', [x, w], { transposeA: false, transposeB: false });
      const { errors, plan } = await compare(on!, kind, b.finish([{ name: 'y', node: product }]));
      expect(Math.max(...plan.steps.flatMap((s) => s.workgroups))).toBe(65535);
      expect(errors.get('y')).toBeLessThan(tolerance);
    }
  });

  it('gives the same bits when run again', async () => {
    const graph = productGraph(wide);
    const first = await compare(on!, 'cpu', graph);
    const second = await compare(on!, 'cpu', graph);
    expect(first.values.get('y')).toEqual(second.values.get('y'));
  });

  it('reads an operand that is also the residual through one binding', async () => {
    const b = createBuilder();
    const x = b.add('input', [], { name: 'x', dtype: 'f32', shape: [20, 20] });
    const square = b.add('matmul', [x, x], { transposeA: false, transposeB: false });
    const graph = b.finish([{ name: 'y', node: b.add('add', [square, x], {}) }]);
    for (const kind of ['cpu', 'gpu'] as const) {
      const { errors } = await compare(on!, kind, graph);
      expect(errors.get('y')).toBeLessThan(tolerance);
    }
  });
});
