import { describe, expect, it } from 'vitest';
import { createBuilder } from '../../compiler/graph/create-builder.ts';
import { compare, device } from './compiled.ts';
import { type Product, productGraph, products, tolerance } from './products.ts';

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
