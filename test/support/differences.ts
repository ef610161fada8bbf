/**
 * The oracle for gradients: central differences of the f64 reference.
 *
 * A case builds a value from named weights; it is made a scalar by weighing its elements with fixed random numbers, so
 * that every element matters differently. With h = 1e-5 the difference quotient is good to about 1e-9 of the scale.
 */
import { expect } from 'vitest';
import { differentiate } from '../../compiler/autodiff/differentiate.ts';
import type { Builder } from '../../compiler/graph/builder.ts';
import { createBuilder } from '../../compiler/graph/create-builder.ts';
import { executeReference } from '../../compiler/graph/reference.ts';
import { type Graph, numericShape, sizeOf } from '../../compiler/graph/types.ts';
import { verify } from '../../compiler/graph/verify.ts';
import type { RefTensor } from '../../compiler/ops/op.ts';
import { randomNumbers } from './random.ts';

/** Values in [low, high). */
export function randomTensor(shape: readonly number[], random: () => number, low = -1, high = 1): RefTensor {
  return { shape, data: Float64Array.from({ length: sizeOf(shape) }, () => low + (high - low) * random()) };
}

/** Adds a weight to the builder. */
export function weight(b: Builder, name: string, shape: readonly number[]): number {
  return b.add('param', [], { name, shape, role: 'param' });
}

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

/** What the differences may write to. */
function copyOf(x: RefTensor | undefined): RefTensor | undefined {
  return x && { shape: x.shape, data: x.data.slice() };
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
      copyOf(c.values?.[name]) ?? randomTensor(shape, random, ...(c.range ?? [-1, 1])),
    ]),
  );
  const inputs = new Map([['r', randomTensor(size, random)], ...Object.entries(c.integers ?? {})]);
  const names = Object.keys(c.weights);
  const wrt = names.map((name) => ({ name, shape: [...c.weights[name]!] }));
  const whole = verify(differentiate(verify(graph), { loss: 'loss', wrt }));
  const results = executeReference(whole, { inputs, params });
  const lossAt = () => executeReference(graph, { inputs, params }).get('loss')!.data[0]!;
  for (const name of names) {
    const { data } = params.get(name)!;
    const gradient = results.get(`grad.${name}`)!;
    expect(gradient.shape, name).toEqual(c.weights[name]);
    for (let i = 0; i < data.length; i++) {
      const kept = data[i]!;
      data[i] = kept + step;
      const up = lossAt();
      data[i] = kept - step;
      const down = lossAt();
      data[i] = kept;
      const difference = (up - down) / (2 * step);
      const error = Math.abs(gradient.data[i]! - difference);
      expect(
        error,
        `d loss / d ${name}[${i}]: rule ${gradient.data[i]}, difference ${difference}`,
      ).toBeLessThan(1e-6 * (1 + Math.abs(difference)));
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
