/** The objectives of the library against open_clip's and PyTorch's losses and the papers' formulas, both sides in f64. */
import { describe, expect, it } from 'vitest';
import { differentiate } from '../../compiler/autodiff/differentiate.ts';
import { executeReference } from '../../compiler/graph/reference.ts';
import { numericShape, sizeOf } from '../../compiler/graph/types.ts';
import { verify } from '../../compiler/graph/verify.ts';
import { resolveModel, traceEntry } from '../../compiler/model/index.ts';
import { memoryHost } from '../errors/report.ts';
import { relL2 } from '../support/golden/golden.ts';
import { unwrap } from '../support/models/families.ts';
import { objectiveCases, objectiveInstance } from '../support/models/objectives.ts';

describe.each(objectiveCases)('$name', ({ test }) => {
  it('has the terms and the gradients of the published loss', () => {
    const { graph, inputs, params } = objectiveInstance(test);
    const wrt = Object.keys(test.gradients);
    const whole = verify(differentiate(verify(graph), { loss: 'loss', wrt }));
    const results = executeReference(whole, { inputs, params });
    expect(graph.outputs.map((o) => o.name)).toEqual(Object.keys(test.terms));
    for (const [name, wanted] of Object.entries(test.terms))
      expect(Math.abs(results.get(name)!.data[0]! - wanted), name).toBeLessThan(1e-12 * Math.abs(wanted));
    for (const [name, wanted] of Object.entries(test.gradients))
      expect(relL2(results.get(`grad.${name}`)!.data, Float64Array.from(wanted)), name).toBeLessThan(1e-11);
  });
});

describe('bag_of_words', () => {
  it('computes nothing for each word of the vocabulary at each token', () => {
    const { test } = objectiveCases.find(({ test }) => test.objective === 'bag_of_words')!;
    const { graph, inputs, params } = objectiveInstance(test);
    const whole = differentiate(verify(graph), { loss: 'loss', wrt: ['words'] });
    const [batch, context] = inputs.get('tokens')!.shape;
    const [, vocab] = params.get('words')!.shape;
    expect(context).toBeLessThan(vocab!);
    for (const node of whole.nodes)
      expect(sizeOf(numericShape(node.type)), node.op).toBeLessThan(batch! * context! * vocab!);
  });
});

describe('reversed_caption', () => {
  it('begins with the last token and leaves padding behind, also where a token has its id', () => {
    const source = `
block T { forward(tokens: i32[B, 5] in 0..9) -> [B, 5] = float(reversed_caption(tokens)) }
model "m" = T()`;
    const model = unwrap(resolveModel(memoryHost({ 'main.zoo': source }), 'main.zoo#m'));
    const graph = unwrap(traceEntry(model, 'forward', { batch: 4 }));
    const texts = [7, 1, 2, 3, 8, 7, 1, 8, 0, 0, 7, 0, 2, 8, 0, 0, 0, 0, 0, 0];
    const inputs = new Map([['tokens', { shape: [4, 5], data: Float64Array.from(texts) }]]);
    const { data } = executeReference(verify(graph), { inputs, params: new Map() }).get('out')!;
    expect([...data]).toEqual([8, 3, 2, 1, 7, 8, 1, 7, 0, 0, 8, 2, 0, 7, 0, 0, 0, 0, 0, 0]);
  });
});
