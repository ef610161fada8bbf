/** x ^ n for whole n: any sign of x and n, forward and gradient, as factors and by exponents that only the device knows. */
import { describe, expect, test } from 'vitest';
import { differentiate } from '../../compiler/autodiff/differentiate.ts';
import { compileGraph } from '../../compiler/compile.ts';
import { createBuilder } from '../../compiler/graph/create-builder.ts';
import { executeReference } from '../../compiler/graph/reference.ts';
import type { Graph } from '../../compiler/graph/types.ts';
import { Expressions } from '../../compiler/ops/expressions.ts';
import { device, profileFor } from './compiled.ts';

const on = await device();
const exponents = [-1024, -7, -3, -2, -1, 0, 1, 2, 3, 5, 8, 1025];
/** Whole vec4s, none of them 0. */
const numbers = [-1.003, -1, -0.999, 0.998, 1, 1.002, -0.9985, 1.0015];

/** sum of w · x^n over all n and its gradients; exponents as constants, or as an input. */
function powers(fixed: boolean, width: number): Graph {
  const b = createBuilder();
  const e = new Expressions(b);
  const x = b.add('param', [], { name: 'x', shape: [width], role: 'param' });
  const y = b.add('input', [], { name: 'y', dtype: 'f32', shape: [exponents.length, 1] });
  const results = fixed ? exponents.map((n) => e.binary('pow', x, e.scalar(x, n))) : [e.binary('pow', x, y)];
  const sums = results.map((r) =>
    e.sum(
      r,
      e.shape(r).map((_, axis) => axis),
    ),
  );
  const loss = sums.reduce((sum, s) => e.add(sum, s));
  return b.finish([{ name: 'loss', node: loss }, ...results.map((node, i) => ({ name: `r${i}`, node }))]);
}

async function compareOn(kind: 'cpu' | 'gpu', graph: Graph, x: readonly number[]): Promise<void> {
  const values = Float32Array.from(x);
  const y = Float32Array.from(exponents);
  const gradients = graph.outputs.length > 1 ? ['x'] : [];
  const plan = compileGraph(graph, {
    model: 'powers',
    entry: 'loss',
    batch: 1,
    mode: 'eval',
    profile: profileFor(on!, kind),
    gradients,
  });
  const session = await on!.open(plan);
  session.writeWeight('x', values);
  if (plan.inputs.length > 0) session.writeInput('y', y);
  session.run();
  const wanted = executeReference(differentiate(graph, { loss: 'loss', wrt: gradients }), {
    params: new Map([['x', { shape: [x.length], data: Float64Array.from(values) }]]),
    inputs: new Map([['y', { shape: [y.length, 1], data: Float64Array.from(y) }]]),
  });
  expect(wanted.size).toBeGreaterThan(2);
  for (const [name, { data }] of wanted) {
    const found = await session.read(name);
    const largest = Math.max(...data.map(Math.abs)) || 1;
    for (const [i, value] of data.entries())
      expect(
        Math.abs(found[i]! - value) / largest,
        `${name}[${i}] is ${found[i]}, not ${value}`,
      ).toBeLessThan(1e-4);
  }
  session.close();
}

describe.skipIf(on === undefined)('whole powers', () => {
  test.each(['cpu', 'gpu'] as const)('known to the compiler, on a %s', async (kind) => {
    await compareOn(kind, powers(true, 8), numbers);
    await compareOn(kind, powers(true, 7), numbers.slice(1));
  });

  test.each(['cpu', 'gpu'] as const)('known to the device alone, on a %s', async (kind) => {
    await compareOn(kind, powers(false, 8), numbers);
    await compareOn(kind, powers(false, 7), numbers.slice(1));
  });

  test.each(['cpu', 'gpu'] as const)('of 0, on a %s', async (kind) => {
    const b = createBuilder();
    const e = new Expressions(b);
    const x = b.add('param', [], { name: 'x', shape: [4], role: 'param' });
    const results = [0, 1, 2, 3].map((n) => e.binary('pow', x, e.scalar(x, n)));
    const loss = results.map((r) => e.sum(r, [0])).reduce((sum, s) => e.add(sum, s));
    const graph = b.finish([
      { name: 'loss', node: loss },
      ...results.map((node, i) => ({ name: `r${i}`, node })),
    ]);
    const wanted = differentiate(graph, { loss: 'loss', wrt: ['x'] });
    const zeros = new Map([['x', { shape: [4], data: new Float64Array(4) }]]);
    const values = executeReference(wanted, { params: zeros, inputs: new Map() });
    expect([...values.get('grad.x')!.data]).toEqual([1, 1, 1, 1]);
    expect([...values.get('r0')!.data]).toEqual([1, 1, 1, 1]);
    await compareOn(kind, graph, [0, 0, 0, 0]);
  });
});
