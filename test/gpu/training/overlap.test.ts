/**
 * Gradients that ranks add up while they compute others: complete where the plan says so, and the same bits as added up
 * at the end.
 */
import { describe, expect, it } from 'vitest';
import { compileChunked } from '../../../compiler/compile-chunked.ts';
import type { Recipe } from '../../../compiler/model/types.ts';
import type { Plan, VerifiedPlan } from '../../../compiler/plan/types.ts';
import { verifyPlan } from '../../../compiler/plan/verify.ts';
import type { Share } from '../../../compiler/shards.ts';
import { dividedAmong } from '../../../runtime/dist/share.ts';
import { traceLoss } from '../../../runtime/train/plan.ts';
import { scheduleOf } from '../../../runtime/train/schedule.ts';
import { settingsFor } from '../../../runtime/train/supported.ts';
import { hyperAt } from '../../../runtime/train/trainer.ts';
import { ranksOn } from '../../support/training/ranks.ts';
import { stepBatch, stepRecipe, writeStart } from '../../support/training/steps.ts';
import { type Runner, softwareText } from '../../support/wgsl/text-device.ts';
import { device } from '../support/compiled.ts';

const bucket = 1024;

interface Overlap {
  readonly early: boolean;
  readonly sharded?: boolean;
}

const first: Share = { rank: 0, ranks: 2 };

function planFor(on: Runner, recipe: Recipe, share: Share, sharded = false): VerifiedPlan {
  const { ranks } = share;
  const own = dividedAmong(recipe, { size: ranks });
  const graph = traceLoss(own);
  const { settings } = settingsFor(own, graph);
  const { batch, gradClip } = own;
  const chunk = own.chunk!;
  return compileChunked(graph, traceLoss({ ...own, batch: chunk }, ranks), {
    model: recipe.model.name,
    entry: 'loss',
    mode: 'train',
    profile: on.profile,
    precision: recipe.precision.kind,
    batch,
    chunk,
    training: { ...settings, ...(gradClip && { clip: gradClip }) },
    share,
    bucket,
    ...(sharded && { shard: 'optimizer' }),
  });
}

/** The same steps, with all gradients added up behind them. */
function late({ sections, ...plan }: VerifiedPlan, on: Runner): VerifiedPlan {
  const uncut = sections!.map(({ ready: _, ...section }) => section);
  return verifyPlan({ ...plan, sections: uncut }, on.profile);
}

/** Losses, norms and weights behind two steps. */
async function train(on: Runner, recipe: Recipe, ranks: number, { early, sharded }: Overlap) {
  const planOf = (share: Share) => {
    const plan = planFor(on, recipe, share, sharded);
    return early ? plan : late(plan, on);
  };
  const session = await ranksOn(on, planOf, ranks);
  const names = writeStart(recipe, session);
  const { settings } = settingsFor(recipe, traceLoss(recipe));
  const results = [];
  for (let step = 0; step < 2; step++) {
    const hyper = hyperAt(
      { schedule: scheduleOf(recipe, 10), settings, gradClip: recipe.gradClip ?? 0 },
      step,
      0,
    );
    const { exchangeMs: _, ...result } = await session.step(stepBatch(step), hyper);
    results.push(result);
  }
  const weights = [];
  for (const name of names) weights.push([name, await session.readState(name)]);
  session.close();
  return { results, weights };
}

const software = await device();
const runs = ['coca', 'distill', 'virtex'] as const;
/** A device, where one piece is read while others are computed. */
const cases = [
  ...runs.map((run) => ({ name: 'software text', on: softwareText as Runner, run })),
  ...(software === undefined ? [] : [{ name: 'device', on: software, run: 'distill' as const }]),
];

describe('gradients that are added up early', () => {
  it.each(cases)('have the bits of those added up at the end: $run on $name', async ({ on, run }) => {
    for (const [ranks, chunk] of [
      [2, undefined],
      [2, 1],
      [4, undefined],
    ] as const) {
      const recipe = stepRecipe(run, chunk);
      const wanted = await train(on, recipe, ranks, { early: false });
      expect(await train(on, recipe, ranks, { early: true })).toEqual(wanted);
      expect(await train(on, recipe, ranks, { early: true, sharded: true })).toEqual(wanted);
    }
  });

  it.each(runs)('are complete behind the last step that touches them, and not before: %s', (run) => {
    const { sections, steps, buffers } = planFor(softwareText, stepRecipe(run), first);
    const { id, bytes } = buffers.find((b) => b.role === 'gradients')!;
    const backward = sections!.filter(({ name }) => name === 'backward');
    const pieces = backward.flatMap(({ ready = [], end }) => ready.map((piece) => ({ ...piece, end })));
    expect(pieces.reduce((sum, piece) => sum + piece.bytes, 0)).toBe(bytes);
    for (const { offset, bytes: length, end } of pieces) {
      const touching = [...steps.entries()].filter(
        ([step, { bindings }]) =>
          step < backward.at(-1)!.end &&
          bindings.some((b) => b.buffer === id && b.offset < offset + length && offset < b.offset + b.size),
      );
      // What the loss alone touches waits for the first step of the pass back.
      expect(end).toBe(Math.max(touching.at(-1)![0], backward[0]!.first) + 1);
    }
    // Some of them long before the end.
    if (pieces.length > 1) expect(pieces.some(({ end }) => end < backward.at(-1)!.end)).toBe(true);
  });

  it('are refused by the verifier where they are not complete, twice there or missing', () => {
    const plan = planFor(softwareText, stepRecipe('coca'), first);
    const { profile } = softwareText;
    const changed = (change: (sections: NonNullable<Plan['sections']>) => Plan['sections']): Plan => ({
      ...plan,
      sections: change(plan.sections!)!,
    });
    const at = plan.sections!.findIndex(({ ready }) => ready !== undefined);
    const late = plan.sections!.findLastIndex(({ ready }) => ready !== undefined);
    const swapped = changed((all) =>
      all.map((s, i) => ({
        ...s,
        ...(i === at ? { ready: all[late]!.ready! } : i === late ? { ready: all[at]!.ready! } : {}),
      })),
    );
    expect(() => verifyPlan(swapped, profile)).toThrow('before they are complete');
    const missing = changed((all) => all.map((s, i) => (i === at ? { ...s, ready: s.ready!.slice(1) } : s)));
    expect(() => verifyPlan(missing, profile)).toThrow('twice or never');
    const twice = changed((all) =>
      all.map((s, i) => (i === late ? { ...s, ready: [...s.ready!, ...all[at]!.ready!] } : s)),
    );
    expect(() => verifyPlan(twice, profile)).toThrow('twice or never');
    expect(() => verifyPlan(plan, profile)).not.toThrow();
  });
});
