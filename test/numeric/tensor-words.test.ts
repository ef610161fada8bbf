/** Words over tensors and their gradients, by the f64 reference, against PyTorch. */
import { describe, expect, test } from 'vitest';
import { differentiate } from '../../compiler/autodiff/differentiate.ts';
import { executeReference } from '../../compiler/graph/reference.ts';
import { verify } from '../../compiler/graph/verify.ts';
import { graphOf, saidBy, valuesOf, wordCases } from '../support/ops/tensor-words.ts';

function expectClose(found: Float64Array, wanted: readonly number[], label: string): void {
  expect(found.length, label).toBe(wanted.length);
  // The file holds twelve digits.
  for (const [i, v] of wanted.entries())
    expect(Math.abs(found[i]! - v), `${label}[${i}]: ${found[i]}, not ${v}`).toBeLessThan(
      1e-10 * (1 + Math.abs(v)),
    );
}

describe('words over tensors mean what PyTorch does', () => {
  test.each(wordCases.map((c) => [c.expression, c] as const))('%s', (_, c) => {
    const graph = graphOf(saidBy(c));
    const values = valuesOf(c);
    const wrt = c.gradients === undefined ? [] : c.weights.map((_, i) => `w${i}`);
    const params = new Map(c.weights.map(({ shape }, i) => [`w${i}`, { shape, data: values.get(`w${i}`)! }]));
    const inputs = new Map([['r', { shape: c.y.shape, data: values.get('r')! }]]);
    const results = executeReference(verify(differentiate(graph, { loss: 'loss', wrt })), { inputs, params });
    expectClose(results.get('y')!.data, c.y.data, 'y');
    for (const [i, name] of wrt.entries())
      expectClose(results.get(`grad.${name}`)!.data, c.gradients![i]!, `grad.${name}`);
  });
});
