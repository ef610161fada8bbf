/** Words with kernels of their own over values larger than a binding: in slices, forward and backward, with both kinds of schedules. */
import { describe, expect, test } from 'vitest';
import type { Builder } from '../../../compiler/graph/builder.ts';
import { createBuilder } from '../../../compiler/graph/create-builder.ts';
import { kinds } from '../support/check-op.ts';
import { compare, device, profileFor } from '../support/compiled.ts';

const on = await device();

/** What is larger than a binding, by name: rows [64, 300] or images [64, 2, 10, 15]. */
const sliced: Readonly<Record<string, (b: Builder, rows: number, images: number) => number>> = {
  flip: (b, rows) => b.add('flip', [rows], { axis: 1 }),
  cumsum: (b, rows) => b.add('cumsum', [rows], { axis: 1, reverse: false }),
  pick: (b, rows) => b.add('pick', [rows, b.add('argsort', [rows], { descending: true })], { count: 200 }),
  max_pool: (b, _, images) => b.add('max_pool', [images], { kernel: 3, stride: 1, padding: 1 }),
};

describe.skipIf(!on)('words over tensors larger than a binding', () => {
  test.each(Object.entries(sliced))('%s, forward and backward', async (_, of) => {
    const b = createBuilder();
    const rows = b.add('param', [], { name: 'rows', shape: [64, 300], role: 'param' });
    const y = of(b, rows, b.add('reshape', [rows], { shape: [64, 2, 10, 15] }));
    const axes = b.type(y).shape.map((_, axis) => axis);
    const loss = b.add('mean', [b.add('mul', [y, y], {})], { axes, keep: false });
    const graph = b.finish([
      { name: 'y', node: y },
      { name: 'loss', node: loss },
    ]);
    const most = 16 * 1024;
    for (const kind of kinds) {
      const profile = profileFor(on!, kind);
      const limits = { ...profile.limits, maxStorageBufferBindingSize: most };
      const { errors, plan } = await compare(on!, { ...profile, limits }, graph, { gradients: ['rows'] });
      const bound = plan.steps.flatMap(({ bindings }) => bindings.map(({ size }) => size));
      expect(Math.max(...bound)).toBeLessThanOrEqual(most);
      for (const [name, error] of errors) expect(error, `${kind} ${name}`).toBeLessThan(1e-5);
    }
  });
});
