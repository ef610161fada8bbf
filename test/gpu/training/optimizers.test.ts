/**
 * Ten steps of each optimizer by plans, against PyTorch's: in f32 and in mixed precision, on the adapter at hand
 * with the schedules for software adapters and with those for GPUs. A step's gradients are given: the loss is
 * the sum of weight × input.
 */
import { describe, expect, it } from 'vitest';
import { compileGraph } from '../../../compiler/compile.ts';
import { createBuilder } from '../../../compiler/graph/create-builder.ts';
import type { Graph } from '../../../compiler/graph/types.ts';
import { Expressions } from '../../../compiler/ops/expressions.ts';
import { averagePrefix } from '../../../compiler/optimizers.ts';
import type { VerifiedPlan } from '../../../compiler/plan/types.ts';
import {
  type DeviceKind,
  type DeviceProfile,
  defaultLimits,
  discreteProfile,
} from '../../../compiler/profile.ts';
import type { Session } from '../../../runtime/types.ts';
import {
  adamw,
  hyperOf,
  type OptimizerRun,
  optimizerFixture,
  settingsOf,
} from '../../support/training/optimizers.ts';
import type { Runner } from '../../support/wgsl/text-device.ts';
import { deviceForTests } from '../support/device.ts';

const device = deviceForTests();

const { weights, gradients, runs } = optimizerFixture;
const names = Object.keys(weights);

const evenRates = Object.fromEntries(names.map((name) => [name, { scale: 1, decay: 0 }]));

function graph(): Graph {
  const e = new Expressions(createBuilder());
  const terms = names.map((name) => {
    const { shape } = weights[name]!;
    const weight = e.b.add('param', [], { name, shape, role: 'param' });
    const given = e.b.add('input', [], { name: `given.${name}`, dtype: 'f32', shape });
    return e.sum(
      e.mul(weight, given),
      shape.map((_, axis) => axis),
    );
  });
  return e.b.finish([{ name: 'loss', node: terms.reduce((a, b) => e.add(a, b)) }]);
}

function planOf(run: OptimizerRun, profile: DeviceProfile, precision: 'f32' | 'mixed'): VerifiedPlan {
  return compileGraph(graph(), {
    model: 'given',
    entry: 'loss',
    batch: 1,
    mode: 'train',
    profile,
    precision,
    training: {
      ...settingsOf(run),
      ...(run.clip === undefined ? {} : { clip: run.clip }),
      ...(precision === 'mixed' ? { lossScale: 'dynamic' as const } : {}),
    },
  });
}

async function begin(run: OptimizerRun, on: Runner, precision: 'f32' | 'mixed'): Promise<Session> {
  const session = await on.open(planOf(run, on.profile, precision));
  for (const name of names)
    for (const state of run.ema === undefined ? [name] : [name, averagePrefix + name])
      session.writeWeight(state, Float32Array.from(weights[name]!.start));
  return session;
}

function step(session: Session, run: OptimizerRun, number: number, times = 1): void {
  const { lr, biasCorrection1, biasCorrection2, clipNorm } = hyperOf(run, number);
  for (const name of names)
    session.writeInput(
      `given.${name}`,
      Float32Array.from(gradients[name]![number]!, (g) => g * times),
    );
  session.writeHyper([lr, biasCorrection1, biasCorrection2, clipNorm]);
  session.run();
}

async function stateOf(session: Session): Promise<Map<string, Float32Array>> {
  const { weights: kept, optimizer = [] } = session.plan;
  const state = new Map<string, Float32Array>();
  for (const { name } of [...kept, ...optimizer]) state.set(name, await session.readWeight(name));
  return state;
}

/** The adapter with the schedules of a kind. */
const scheduledFor = (kind: DeviceKind): Runner => ({
  profile: { ...device().profile, kind },
  open: (plan) => device().open(plan),
});

describe.each(['cpu', 'gpu'] as const)('schedules for a %s', (kind) => {
  const on = () => scheduledFor(kind);
  describe.each(['f32', 'mixed'] as const)('in %s', (precision) => {
    it.each(Object.entries(runs))('%s: the steps of PyTorch', async (_name, run) => {
      const session = await begin(run, on(), precision);
      const check = async (state: string, wanted: readonly number[], number: number) => {
        const found = await session.readWeight(state);
        // f32's roundings of weights around 2 and steps below 0.1, ten times.
        for (const [i, value] of wanted.entries())
          expect(Math.abs(found[i]! - value), `${state}[${i}], step ${number}`).toBeLessThan(2e-6);
      };
      for (const [number, wanted] of run.after.entries()) {
        step(session, run, number);
        for (const name of names) await check(name, wanted[name]!, number);
      }
      for (const [name, wanted] of Object.entries(run.averaged ?? {}))
        await check(averagePrefix + name, wanted, run.after.length);
      session.close();
    });
  });

  it('adamw without a first moment that lasts steps by the sign of the gradient', async () => {
    const run: OptimizerRun = { ...runs.adamw!, rule: { ...adamw, beta1: 0 }, rates: evenRates };
    const session = await begin(run, on(), 'mixed');
    step(session, run, 0);
    const found = await session.readWeight('bias');
    for (const [i, start] of weights.bias!.start.entries()) {
      const moved = run.lr[0]! * Math.sign(gradients.bias![0]![i]!);
      // Epsilon is a 1e-6th of the gradients, and f32's rounding.
      expect(Math.abs(found[i]! - (start - moved))).toBeLessThan(2e-6);
    }
    session.close();
  });

  it.each(Object.entries(runs))('%s: a step that overflows changes nothing', async (_name, run) => {
    const session = await begin(run, on(), 'mixed');
    step(session, run, 0);
    const before = await stateOf(session);
    // The first loss scale, 65 536, times 1e36 is above f32.
    step(session, run, 1, 1e36);
    expect(await stateOf(session)).toEqual(before);
    step(session, run, 1);
    expect(await stateOf(session)).not.toEqual(before);
    session.close();
  });
});

describe('plans', () => {
  const profile = { ...discreteProfile, limits: { ...discreteProfile.limits, ...defaultLimits } };
  const update = (plan: VerifiedPlan) =>
    plan.steps.map((s) => s.label).filter((label) => label.startsWith('optimizer'));

  it.each(Object.entries(runs))('%s: the norm in two dispatches, the update in one', (_name, run) => {
    const all = { ...run, clip: 1, ema: 0.9, clamp: { weight: 'scale', min: 0, max: 1 } };
    for (const precision of ['f32', 'mixed'] as const) {
      // The limits that every adapter has, 8 storage buffers among them.
      const plan = planOf(all, profile, precision);
      expect(update(plan)).toEqual([
        'optimizer: gradient_squares',
        'optimizer: gradient_norm',
        `optimizer: ${run.rule.kind}`,
      ]);
    }
  });

  it('hold what the optimizer keeps and nothing else', () => {
    const { sgd, 'sgd with momentum': momentum, lion, adamw } = runs;
    const memory = (run: OptimizerRun) => planOf(run, profile, 'f32').memory;
    const one = memory(sgd!).gradients;
    expect([sgd, momentum, lion, adamw].map((run) => memory(run!).optimizer)).toEqual([0, one, one, 2 * one]);
    expect(memory({ ...lion!, ema: 0.9 }).optimizer).toBe(2 * one);
    const kept = (run: OptimizerRun) => planOf(run, profile, 'f32').optimizer?.map((s) => s.name);
    expect(kept(sgd!)).toEqual([]);
    expect(kept(momentum!)).toEqual(['sgd.m.table', 'sgd.m.bias', 'sgd.m.scale']);
    expect(kept(lion!)).toEqual(['lion.m.table', 'lion.m.bias', 'lion.m.scale']);
    expect(kept(adamw!)?.slice(0, 2)).toEqual(['adam.m.table', 'adam.v.table']);
  });
});
