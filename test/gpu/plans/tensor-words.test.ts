/**
 * Words over tensors, forward and backward, on WebGPU against the f64 reference (which is compared with
 * PyTorch in test/numeric/tensor-words.test.ts), with both kinds of schedules; those made of other ops over
 * stored halves too, and those with kernels of their own in slices.
 */
import { describe, expect, test } from 'vitest';
import type { Builder } from '../../../compiler/graph/builder.ts';
import { createBuilder } from '../../../compiler/graph/create-builder.ts';
import { feedsOf, graphOf, weightNames, wordCases } from '../../support/tensor-words.ts';
import { kinds } from '../support/check-op.ts';
import { compare, device, profileFor } from '../support/compiled.ts';

const on = await device();
const unit = 2 ** -11;

describe.skipIf(!on)('words over tensors in a plan', () => {
  test.each(wordCases.map((c) => [c.expression, c] as const))('%s', async (expression, c) => {
    const graph = graphOf(c);
    const gradients = c.gradients === undefined ? {} : { gradients: weightNames(c) };
    const composed = /avg_pool|conv1d|upsample/.test(expression);
    for (const kind of kinds)
      for (const precision of composed ? (['f32', 'mixed'] as const) : (['f32'] as const)) {
        const options = { feeds: feedsOf(c), least: 1e-2, precision, ...gradients };
        const { errors } = await compare(on!, kind, graph, options);
        expect(errors.size).toBe(2 + (c.gradients?.length ?? 0));
        const exact = c.gradients === undefined ? 0 : 2e-6;
        for (const [name, error] of errors)
          expect(error, `${kind} ${precision} ${name}`).toBeLessThanOrEqual(
            precision === 'mixed' ? 3 * unit : name === 'y' ? exact : 2e-6,
          );
      }
  });
});

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
