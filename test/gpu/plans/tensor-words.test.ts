/**
 * Words over tensors, forward and backward, on WebGPU against the f64 reference (which is compared with
 * PyTorch in test/numeric/tensor-words.test.ts), with both kinds of schedules.
 */
import { describe, expect, test } from 'vitest';
import { feedsOf, graphOf, weightNames, wordCases } from '../../support/tensor-words.ts';
import { kinds } from '../support/check-op.ts';
import { compare, device } from '../support/compiled.ts';

const on = await device();

describe.skipIf(!on)('words over tensors in a plan', () => {
  test.each(wordCases.map((c) => [c.expression, c] as const))('%s', async (_, c) => {
    const graph = graphOf(c);
    const gradients = c.gradients === undefined ? {} : { gradients: weightNames(c) };
    for (const kind of kinds) {
      const { errors } = await compare(on!, kind, graph, { feeds: feedsOf(c), least: 1e-2, ...gradients });
      expect(errors.size).toBe(2 + (c.gradients?.length ?? 0));
      for (const [name, error] of errors)
        expect(error, `${kind} ${name}`).toBeLessThan(
          c.gradients === undefined && name === 'y' ? 1e-9 : 2e-6,
        );
    }
  });
});
