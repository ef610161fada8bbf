/**
 * Every word over tensors: small cases by the text of kernels for both kinds of devices, in f32 and mixed precision, values and
 * gradients; gradients against central differences too. `npm run words` prints all sizes, on the adapter at hand.
 */
import { describe, expect, it, test } from 'vitest';
import { reachedNames } from '../../compiler/autodiff/differentiate.ts';
import { builtinNamed, builtinNames } from '../../compiler/model/builtins/builtins.ts';
import { opNames, opOf } from '../../compiler/ops/index.ts';
import { graphOf } from '../support/ops/tensor-words.ts';
import { differentiable, measure } from './measure.ts';
import { type Sample, samplesOf } from './samples.ts';

const small = samplesOf('small');

describe('words over tensors by WebGPU as by the reference', () => {
  test.each(small.map((sample) => [sample.expression, sample] as const))('%s', async (_, sample) => {
    const { errors, faults } = await measure(sample);
    expect(faults).toEqual([]);
    expect(errors.size).toBe(4);
  });

  it('a gradient that is no derivative differs from the differences', async () => {
    const stopped = small.find((sample) => sample.expression.includes('stop_gradient'))!;
    const { faults } = await measure({ ...stopped, differences: true });
    expect(faults[0]).toMatch(/^grad\.w0\[0\] is \S+, difference \S+$/);
  });
});

describe('the cases', () => {
  const graphs = small.map((sample) => [sample, graphOf(sample)] as const);
  const says =
    (word: string) =>
    ({ expression }: Sample) =>
      new RegExp(`\\b${word}\\(`).test(expression);
  /** Initialisers, `len` and `has_entry` give no tensor. */
  const words = builtinNames().filter((name) => {
    const { shapes } = builtinNamed(name)!;
    return !['of a weight', 'a number', 'a bool'].includes(shapes);
  });

  it('say every word of docs/reference/words.md', () => {
    expect(words.length).toBeGreaterThan(50);
    expect(words.filter((word) => !small.some(says(word)))).toEqual([]);
  });

  it.each(['odd', 'large'] as const)('can be said in size %s', (size) => {
    for (const sample of samplesOf(size)) expect(graphOf(sample).nodes.length).toBeGreaterThan(2);
  });

  it('have a gradient of every word that has one', () => {
    const flows = words.filter((word) => !['none', '0'].includes(builtinNamed(word)!.gradient));
    const reached = graphs.filter(
      ([sample, graph]) => reachedNames(graph, 'loss', differentiable(sample)).size > 0,
    );
    expect(flows.filter((word) => !reached.some(([sample]) => says(word)(sample)))).toEqual([]);
  });

  it('reach every op that the language says', () => {
    const used = new Set(graphs.flatMap(([, { nodes }]) => nodes.map((n) => n.op)));
    const said = opNames.filter((op) => {
      const { language } = opOf(op);
      return language !== 'none' && !('fuses' in language);
    });
    expect(said.filter((op) => !used.has(op))).toEqual([]);
  });
});
