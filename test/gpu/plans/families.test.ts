/**
 * The families of encoders compiled for the adapter at hand: output and every gradient against what the
 * published implementations give in f64.
 */
import { describe, expect, it } from 'vitest';
import { compileGraph } from '../../../compiler/compile.ts';
import { relL2, relMax } from '../../support/golden/golden.ts';
import { families, instanceOf, readers } from '../../support/models/families.ts';
import { discreteText, softwareText } from '../../support/wgsl/text-device.ts';
import { compare, device, profileFor } from '../support/compiled.ts';

const on = await device();

describe.skipIf(!on)('on the adapter', () => {
  // One kind of schedules each: what they are made of is tested with both elsewhere.
  const cases = families.map((family, i) => [family.name, i % 2 === 0 ? 'gpu' : 'cpu', family] as const);
  it.each(cases)('%s with %s schedules: the output and every gradient', async (name, kind, family) => {
    const { graph, batch, params, inputs, output, gradients } = instanceOf(family);
    const plan = compileGraph(graph, {
      model: name,
      entry: 'loss',
      batch,
      mode: 'eval',
      profile: profileFor(on!, kind),
      gradients: [...gradients.keys()],
    });
    const session = await on!.open(plan);
    for (const weight of plan.weights)
      session.writeWeight(weight.name, new Float32Array(params.get(weight.name)!.data));
    for (const { name: input, dtype } of plan.inputs) {
      const { data } = inputs.get(input)!;
      session.writeInput(input, dtype === 'i32' ? new Int32Array(data) : new Float32Array(data));
    }
    session.run();
    const read = async (result: string) => Float64Array.from(await session.read(result));
    expect(relMax(await read('out'), output)).toBeLessThan(3e-5);
    const scale = Math.max(...[...gradients.values()].map((g) => Math.hypot(...g)));
    for (const [weight, wanted] of gradients) {
      const got = await read(`grad.${weight}`);
      // A gradient that is zero in exact arithmetic (a bias of keys) is judged against the others.
      if (Math.hypot(...wanted) > 1e-6 * scale) expect(relL2(got, wanted), weight).toBeLessThan(1e-4);
      else expect(Math.hypot(...got), weight).toBeLessThan(1e-5 * scale);
    }
    session.close();
  });

  // Values and gradients in halves have a relative error of 5e-4 each; norms and softmax pass it on a few times.
  const some = families.filter(({ name }) => ['eva', 'swin', 't5-text', 'moe'].includes(name));
  it.each(some)('$name in mixed precision', async (family) => {
    const { graph, params, inputs, gradients } = instanceOf(family);
    const feeds = new Map([...params, ...inputs].map(([name, { data }]) => [name, data]));
    const wrt = [...gradients.keys()];
    const { errors } = await compare(on!, 'gpu', graph, { gradients: wrt, precision: 'mixed', feeds });
    expect(errors.get('out')).toBeLessThan(3e-3);
    for (const [name, wanted] of gradients)
      if (Math.hypot(...wanted) > 1e-6) expect(errors.get(`grad.${name}`), name).toBeLessThan(2e-2);
  });
});

describe('by the text of their kernels', () => {
  const cases = readers.map((family, i) => [family.name, i % 2 === 0 ? 'gpu' : 'cpu', family] as const);
  it.each(cases)('%s with %s schedules: the output and every gradient', async (_, kind, family) => {
    const { graph, params, inputs, gradients } = instanceOf(family);
    const feeds = new Map([...params, ...inputs].map(([name, { data }]) => [name, data]));
    const scale = Math.max(...[...gradients.values()].map((g) => Math.hypot(...g)));
    // A gradient that is zero in exact arithmetic (a bias of keys) is nothing to compare with.
    const wrt = [...gradients].flatMap(([name, g]) => (Math.hypot(...g) > 1e-6 * scale ? [name] : []));
    const on = kind === 'gpu' ? discreteText : softwareText;
    const { errors } = await compare(on, kind, graph, { gradients: wrt, feeds });
    expect(errors.size).toBe(wrt.length + 2);
    // The bounds on the adapter, of the largest value.
    for (const [name, error] of errors) expect(error, name).toBeLessThan(1e-4);
  });
});
