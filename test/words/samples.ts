/** The cases of words in their sizes; among the small ones those of PyTorch's file. */
import { type Said, saidBy, valuesOf, wordCases } from '../support/ops/tensor-words.ts';
import { cases } from './cases.ts';
import { type Size, sizes, type WordCase } from './word-case.ts';

/** One case in one size. */
export interface Sample extends Said {
  readonly range: readonly [low: number, high: number];
  /** Weights that mixed precision has as halves. */
  readonly activations: readonly string[];
  /** Given values by name; the others are made up. */
  readonly values: ReadonlyMap<string, Float64Array>;
  /** Whether gradients are compared with central differences. */
  readonly differences: boolean;
}

function sampleOf(c: WordCase, size: Size): Sample {
  const at = sizes.indexOf(size);
  const { expression, shapes, range = [-2, 2], activations = ['w0'], batch, training = false } = c;
  const names = Object.keys(shapes);
  return {
    expression: typeof expression === 'string' ? expression : expression[at]!,
    shapes: Object.fromEntries(names.map((name) => [name, shapes[name]![at]!])),
    batch: batch?.[at] ?? 1,
    training,
    range,
    activations: activations.filter((name) => names.includes(name)),
    values: new Map(),
    differences: size === 'small' && c.noDerivative === undefined,
  };
}

/** There are ties among these numbers, where there is no derivative; gradients are PyTorch's (test/numeric/tensor-words.test.ts). */
const pytorchSamples: readonly Sample[] = wordCases.map((c) => ({
  ...saidBy(c),
  range: [-2, 2],
  activations: ['w0'],
  values: valuesOf(c),
  differences: false,
}));

export function samplesOf(size: Size): Sample[] {
  return [...cases.map((c) => sampleOf(c, size)), ...(size === 'small' ? pytorchSamples : [])];
}
