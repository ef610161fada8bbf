/**
 * The oracle for gradients: central differences of the f64 reference.
 *
 * A case builds a value from named weights; it is made a scalar by weighing its elements with fixed random
 * numbers, so that every element matters differently. With h = 1e-5 the difference quotient is good to about
 * 1e-9 of the scale.
 */
import { expect } from 'vitest';
import { differentiate } from '../../../compiler/autodiff/differentiate.ts';
import type { Builder } from '../../../compiler/graph/builder.ts';
import { createBuilder } from '../../../compiler/graph/create-builder.ts';
import { executeReference, type Feeds } from '../../../compiler/graph/reference.ts';
import { formatShape, type Graph, numericShape, sameShape } from '../../../compiler/graph/types.ts';
import { verify } from '../../../compiler/graph/verify.ts';
import type { RefTensor } from '../../../compiler/ops/op.ts';
import { randomNumbers, randomTensor, weight } from '../../../runtime/selftest/values.ts';

export { randomTensor, weight };

export interface GradientCase {
  /** Weights by name with their shapes: what is differentiated. */
  readonly weights: Readonly<Record<string, readonly number[]>>;
  /** Builds the value; `w` are the ids of the weights in order. */
  readonly build: (b: Builder, w: readonly number[]) => number;
  /** Range of the random weights. */
  readonly range?: readonly [low: number, high: number];
  /** Values of weights, in place of random ones. */
  readonly values?: Readonly<Record<string, RefTensor>>;
  /** Fixed integers fed as inputs by name. */
  readonly integers?: Readonly<Record<string, RefTensor>>;
}

const step = 1e-5;

/** `loss = sum(value * r)` for fixed random r. */
function scalarGraph(c: GradientCase): { graph: Graph; size: readonly number[] } {
  const b = createBuilder();
  const ids = Object.entries(c.weights).map(([name, shape]) => weight(b, name, shape));
  const value = c.build(b, ids);
  const size = numericShape(b.type(value));
  const r = b.add('input', [], { name: 'r', dtype: 'f32', shape: size });
  const weighed = b.add('mul', [value, r], {});
  const sum = (x: number) => b.add('sum', [x], { axes: b.type(x).shape.map((_, i) => i), keep: false });
  // Every weight has a gradient, if only 0.
  const zero = b.add('constant', [], { value: 0, dtype: 'f32', shape: [] });
  const loss = ids.reduce(
    (total, id) => b.add('add', [total, b.add('mul', [sum(id), zero], {})], {}),
    sum(weighed),
  );
  return { graph: b.finish([{ name: 'loss', node: loss }]), size };
}

/** Compares every element of every gradient with its central difference. */
export function expectGradients(c: GradientCase, seed = 1): void {
  const random = randomNumbers(seed);
  const { graph, size } = scalarGraph(c);
  const params = new Map(
    Object.entries(c.weights).map(([name, shape]) => [
      name,
      c.values?.[name] ?? randomTensor(shape, random, ...(c.range ?? [-1, 1])),
    ]),
  );
  const inputs = new Map([['r', randomTensor(size, random)], ...Object.entries(c.integers ?? {})]);
  const feeds = { inputs, params };
  for (const { name, element, rule, difference } of differencesOf(graph, Object.keys(c.weights), feeds))
    expect(
      Math.abs(rule - difference),
      `d loss / d ${name}[${element}]: rule ${rule}, difference ${difference}`,
    ).toBeLessThan(1e-6 * (1 + Math.abs(difference)));
}

interface Difference {
  readonly name: string;
  readonly element: number;
  /** The gradient by the rules. */
  readonly rule: number;
  /** The central difference of the output `loss`. */
  readonly difference: number;
}

/** Every element of the gradients of some weights. */
export function* differencesOf(graph: Graph, names: readonly string[], feeds: Feeds): Generator<Difference> {
  const shapeOf = (name: string) => feeds.params.get(name)!.shape;
  const wrt = names.map((name) => ({ name, shape: shapeOf(name) }));
  const whole = verify(differentiate(verify(graph), { loss: 'loss', wrt }));
  const gradients = executeReference(whole, feeds);
  for (const name of names) {
    const { shape, data } = feeds.params.get(name)!;
    const moved = data.slice();
    const params = new Map([...feeds.params, [name, { shape, data: moved }]]);
    const lossAt = () => executeReference(graph, { ...feeds, params }).get('loss')!.data[0]!;
    const gradient = gradients.get(`grad.${name}`)!;
    if (!sameShape(gradient.shape, shape)) throw new Error(`grad.${name} is ${formatShape(gradient.shape)}`);
    for (const [element, kept] of data.entries()) {
      moved[element] = kept + step;
      const up = lossAt();
      moved[element] = kept - step;
      const down = lossAt();
      moved[element] = kept;
      yield { name, element, rule: gradient.data[element]!, difference: (up - down) / (2 * step) };
    }
  }
}

/** The gradient of a scalar built from one weight `x`, at a given point. */
export function gradientAt(x: RefTensor, build: (b: Builder, x: number) => number): number[] {
  const b = createBuilder();
  const loss = build(b, weight(b, 'x', x.shape));
  const graph = differentiate(b.finish([{ name: 'loss', node: loss }]), { loss: 'loss', wrt: ['x'] });
  const feeds = { inputs: new Map(), params: new Map([['x', x]]) };
  return [...executeReference(verify(graph), feeds).get('grad.x')!.data];
}
