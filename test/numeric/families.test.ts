/**
 * Encoders of the library against timm's, transformers' and PyTorch's own, with weights under the checkpoints'
 * names: outputs and the gradient of every weight, both sides in f64.
 */
import { describe, expect, it } from 'vitest';
import { differentiate } from '../../compiler/autodiff/differentiate.ts';
import { executeReference } from '../../compiler/graph/reference.ts';
import { verify } from '../../compiler/graph/verify.ts';
import { relL2, relMax } from '../support/golden/golden.ts';
import { families, instanceOf, readers } from '../support/models/families.ts';

describe.each([...families, ...readers])('$name', (family) => {
  it('has the output and the gradients of the published implementation', () => {
    const { model, graph, params, inputs, output, gradients, unread } = instanceOf(family);
    expect(unread).toEqual([]);
    expect(gradients.size).toBeGreaterThan(0.6 * model.weights.length);
    for (const { name, shape } of model.weights) expect(params.get(name)!.shape, name).toEqual(shape);
    const whole = verify(differentiate(verify(graph), { loss: 'loss', wrt: [...gradients.keys()] }));
    const results = executeReference(whole, { inputs, params });
    expect(relMax(results.get('out')!.data, output)).toBeLessThan(1e-9);
    const scale = Math.max(...[...gradients.values()].map((g) => Math.hypot(...g)));
    for (const [name, wanted] of gradients) {
      const got = results.get(`grad.${name}`)!.data;
      // A gradient that is zero in exact arithmetic (a bias of keys) is judged against the others.
      if (Math.hypot(...wanted) > 1e-9 * scale) expect(relL2(got, wanted), name).toBeLessThan(1e-9);
      else expect(Math.hypot(...got), name).toBeLessThan(1e-9 * scale);
    }
  });
});
