/** Ten steps of each optimizer on the reference, against PyTorch's in f64. */
import { describe, expect, it } from 'vitest';
import { gradientPrefix } from '../../compiler/graph/types.ts';
import { averagePrefix } from '../../compiler/optimizers.ts';
import { ReferenceTrainSession } from '../../runtime/reference/session.ts';
import { hyperOf, type OptimizerRun, optimizerFixture, settingsOf } from '../support/training/optimizers.ts';

const { weights, gradients, runs } = optimizerFixture;
const names = Object.keys(weights);
const noBatch = { inputs: new Map(), skipped: 0 };

function open(run: OptimizerRun): ReferenceTrainSession {
  const shapes = names.map((name) => ({ name, shape: weights[name]!.shape, kind: 'param' as const }));
  const session = new ReferenceTrainSession(
    async (_batch, _params, { step }) =>
      new Map([
        ['loss', { shape: [], data: Float64Array.of(0) }],
        ...shapes.map(
          ({ name, shape }) =>
            [gradientPrefix + name, { shape, data: Float64Array.from(gradients[name]![step]!) }] as const,
        ),
      ]),
    shapes,
    settingsOf(run),
  );
  for (const name of names)
    for (const state of run.ema === undefined ? [name] : [name, averagePrefix + name])
      session.writeState(state, Float64Array.from(weights[name]!.start));
  return session;
}

describe('optimizers in f64', () => {
  it.each(Object.entries(runs))('%s: the steps of PyTorch', async (_name, run) => {
    const session = open(run);
    const check = async (state: string, wanted: readonly number[], step: number) => {
      const found = await session.readState(state);
      // Both in f64: some roundings of numbers around 1 a step.
      for (const [i, value] of wanted.entries())
        expect(Math.abs(found[i]! - value), `${state}[${i}], step ${step}`).toBeLessThan(1e-13);
    };
    for (const [step, wanted] of run.after.entries()) {
      await session.step(noBatch, hyperOf(run, step));
      for (const name of names) await check(name, wanted[name]!, step);
    }
    for (const [name, wanted] of Object.entries(run.averaged ?? {}))
      await check(averagePrefix + name, wanted, run.after.length);
  });
});
