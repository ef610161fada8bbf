/**
 * Texts cut behind their ends: loss and gradients are those of the whole graph in double precision, whatever stands behind the
 * ends; models whose values depend on it are refused, with what reads it.
 */
import { describe, expect, it } from 'vitest';
import { differentiate } from '../../compiler/autodiff/differentiate.ts';
import { stepOf } from '../../compiler/graph/create-builder.ts';
import { executeReference } from '../../compiler/graph/reference.ts';
import { cutTexts, describeTail, textsOf } from '../../compiler/graph/strips/cut-texts.ts';
import { type Graph, numericShape } from '../../compiler/graph/types.ts';
import { verify } from '../../compiler/graph/verify.ts';
import { fixtureModel, noise, traceTraining, weightValues } from '../support/models/training-models.ts';

const [rows, context, length] = [3, 12, 7];

const modelOf = (name: string) => fixtureModel(`lengths.zoo#${name}`);
const lossOf = (name: string) => stepOf(traceTraining(modelOf(name), rows));

function cutOf(name: string): Graph {
  const cut = cutTexts(lossOf(name), length);
  if ('nodes' in cut) return cut;
  throw new Error(describeTail(cut).message);
}

/** Loss and gradients, of texts that end before `length`. */
function results(graph: Graph, name: string) {
  const weights = modelOf(name).weights.map((w) => ({ name: w.name, shape: w.shape }));
  const tokens = Float64Array.from(noise(rows * context, 5), (x) => Math.floor(19 * (x + 1)));
  for (const [row, end] of [6, 2, 4].entries()) tokens[row * context + end] = 39;
  const values = weightValues(modelOf(name));
  return executeReference(verify(differentiate(graph, { loss: 'loss', wrt: weights })), {
    inputs: new Map([
      ['images', { shape: [rows, 3, 8, 8], data: Float64Array.from(noise(rows * 192, 1)) }],
      ['tokens', { shape: [rows, context], data: tokens }],
    ]),
    params: new Map(
      weights.map((w) => [w.name, { shape: w.shape, data: Float64Array.from(values.get(w.name)!) }]),
    ),
  });
}

describe('texts cut behind their ends', () => {
  it.each(['short', 'lora', 'rotary', 'causal'])(
    '%s: the loss and the gradients of all positions',
    (name) => {
      const whole = results(lossOf(name), name);
      const cut = results(cutOf(name), name);
      expect([...cut.keys()].sort()).toEqual([...whole.keys()].sort());
      for (const [output, { data }] of whole) {
        const most = data.reduce((m, x) => Math.max(m, Math.abs(x)), 1e-3);
        // The order of sums.
        const apart = cut.get(output)!.data.reduce((m, x, i) => Math.max(m, Math.abs(x - data[i]!)), 0);
        expect(apart / most, output).toBeLessThan(1e-13);
      }
    },
  );

  it.each(['short', 'rotary', 'causal'])('%s: nothing computed has more positions', (name) => {
    const { nodes } = cutOf(name);
    const computed = nodes.filter(({ inputs }) => inputs.length > 0);
    const long = computed.filter(({ type }) => numericShape(type).includes(context));
    // Angles of rotary positions are constants of the whole context.
    const fed: boolean[] = [];
    for (const { op, inputs } of nodes) fed.push(op === 'input' || inputs.some((id) => fed[id]!));
    expect(long.filter(({ id }) => fed[id]).map(({ op }) => op)).toEqual([]);
  });

  it('keeps the blocks that nodes come from', () => {
    const paths = (graph: Graph) => [...new Set(graph.nodes.map(({ origin }) => origin.path))].sort();
    expect(paths(cutOf('short'))).toEqual(paths(lossOf('short')));
  });

  it('names the inputs that end', () => {
    expect(textsOf(lossOf('short'))).toEqual([{ name: 'tokens', context }]);
    expect(textsOf(lossOf('mean'))).toEqual([]);
  });

  it.each([
    ['mean', 'it takes no value at the end of a text'],
    ['seen', 'attention of attn reads positions behind the end of a text'],
    ['written-out', 'mask_future mixes positions, also those behind the end of a text'],
    ['both', 'mean reads positions behind the end of a text'],
  ])('is refused for %s', (name, message) => {
    expect(() => cutOf(name)).toThrow(message);
  });
});
