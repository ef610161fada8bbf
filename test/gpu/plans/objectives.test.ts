/** The library's objectives compiled, by the text of their kernels: terms and gradients against the reference, both kinds of schedules. */
import { describe, expect, it } from 'vitest';
import { objectiveCases, objectiveInstance } from '../../support/models/objectives.ts';
import { discreteText, softwareText } from '../../support/wgsl/text-device.ts';
import { compare } from '../support/compiled.ts';

describe.each(objectiveCases)('$name', ({ test }) => {
  it.each([
    ['cpu', softwareText],
    ['gpu', discreteText],
  ] as const)('with %s schedules: terms and gradients', async (kind, on) => {
    const { graph, inputs, params } = objectiveInstance(test);
    const feeds = new Map([...inputs, ...params].map(([name, { data }]) => [name, data]));
    const gradients = Object.keys(test.gradients);
    const { errors } = await compare(on, kind, graph, { gradients, feeds });
    expect([...errors.keys()]).toEqual([...Object.keys(test.terms), ...gradients.map((g) => `grad.${g}`)]);
    // Some ten roundings of f32 behind each other.
    for (const [name, error] of errors) expect(error, name).toBeLessThan(2e-5);
  });
});
