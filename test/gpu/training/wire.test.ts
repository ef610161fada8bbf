/**
 * Gradients that cross between ranks as scaled halves: what one reduction loses, and training with it beside PyTorch's
 * in f64.
 */
import { describe, expect, it } from 'vitest';
import { compileGraph } from '../../../compiler/compile.ts';
import { createBuilder } from '../../../compiler/graph/create-builder.ts';
import type { Recipe } from '../../../compiler/model/types.ts';
import type { Share } from '../../../compiler/shards.ts';
import type { Collective } from '../../../runtime/dist/collective.ts';
import { loopback } from '../../../runtime/dist/loopback.ts';
import { openReduction } from '../../../runtime/dist/reduction.ts';
import { dividedAmong } from '../../../runtime/dist/share.ts';
import { planTraining, traceLoss } from '../../../runtime/train/plan.ts';
import { settingsFor } from '../../../runtime/train/supported.ts';
import type { Device } from '../../../runtime/types.ts';
import { randomNumbers } from '../../support/random.ts';
import { ranksOn } from '../../support/training/ranks.ts';
import { checkSteps, stepBatch, stepRecipe, stepRuns, writeStart } from '../../support/training/steps.ts';
import { discreteText, softwareText } from '../../support/wgsl/text-device.ts';
import { device } from '../support/compiled.ts';

const ranks = 3;

/** The sums that each rank has behind one reduction of `own[rank]`, in pieces of `most` numbers. */
async function reduced(
  on: Pick<Device, 'open' | 'profile'>,
  own: readonly Float32Array[],
  most: number,
  through = (group: Collective) => group,
): Promise<Float32Array[]> {
  const { length } = own[0]!;
  const b = createBuilder();
  const held = b.add('input', [], { name: 'held', dtype: 'f32', shape: [length] });
  const options = { model: 'held', entry: 'held', batch: 1, mode: 'eval', profile: on.profile } as const;
  const plan = compileGraph(b.finish([{ name: 'twice', node: b.add('add', [held, held], {}) }]), options);
  const [slot] = plan.inputs;
  return Promise.all(
    loopback(ranks).map(async (group) => {
      const session = await on.open(plan);
      const reduction = await openReduction(through(group), on, most / ranks, 'f16');
      session.writeInput('held', own[group.rank]!);
      for (let at = 0; at < length; at += reduction.piece) {
        const shape = [Math.min(reduction.piece, length - at)];
        const range = { ...slot!, offset: slot!.offset + 4 * at, shape };
        const { sum } = await reduction.sum(await reduction.take(session, range), 'numbers');
        await reduction.share(await sum, session, range, 'numbers');
      }
      const sums = (await session.readSlot(slot!)) as Float32Array;
      reduction.close();
      session.close();
      return sums;
    }),
  );
}

/** Numbers of either sign and of magnitudes from 2^-`orders` to 1, with zeros among them, by rank. */
function numbersOf(length: number, orders: number): Float32Array[] {
  const random = randomNumbers(7);
  return Array.from({ length: ranks }, () =>
    Float32Array.from({ length }, (_, i) =>
      i % 11 === 0 ? 0 : (random() - 0.5) * 2 ** (1 - orders * random()),
    ),
  );
}

const software = await device();
const devices = [
  ['software text', softwareText],
  ['gpu text', discreteText],
  ...(software === undefined ? [] : ([['device', software]] as const)),
] as const;

describe.each(devices)('a reduction in halves, %s', (_, on) => {
  // Two pieces, the second of which is not whole.
  const [length, most] = [900, 576];
  const unit = 2 ** -11;

  it.each([
    ['of about one', 1, 2],
    ['of many magnitudes', 1, 40],
    ['that are huge', 2 ** 120, 20],
    ['that are tiny', 2 ** -110, 3],
  ] as const)('of numbers %s', async (_name, factor, orders) => {
    const own = numbersOf(length, orders).map((numbers) => numbers.map((x) => x * factor));
    const sums = await reduced(on, own, most);
    for (const other of sums) expect(new Uint32Array(other.buffer)).toEqual(new Uint32Array(sums[0]!.buffer));
    // The largest of any row is one at most.
    const lost = ranks * factor * 2 ** -28;
    for (const [i, sum] of sums[0]!.entries()) {
      const parts = own.map((numbers) => numbers[i]!);
      const exact = parts.reduce((a, b) => a + b, 0);
      const magnitudes = parts.reduce((a, b) => a + Math.abs(b), 0);
      // Each part is rounded once, and so is the sum; f32 in between is 2^-24.
      const most = unit * (magnitudes + Math.abs(exact)) * (1 + 2 * unit) + 2 * lost;
      expect(Math.abs(sum - exact), `${i}: ${exact}`).toBeLessThanOrEqual(most);
      if (magnitudes === 0) expect(sum).toBe(0);
    }
  });

  it('sends half the bytes, and a word for each part', async () => {
    let bytes = 0;
    const counted = (group: Collective): Collective => ({
      ...group,
      allToAll: (what, send, receive) => {
        bytes += send.length;
        return group.allToAll(what, send, receive);
      },
      allGather: (what, send, receive) => {
        bytes += send.length;
        return group.allGather(what, send, receive);
      },
    });
    await reduced(on, numbersOf(most, 1), most, counted);
    // Every rank sends a whole piece and the sum of its part.
    expect(bytes).toBe(ranks * (2 * most + 4 * ranks) + (2 * most + 4 * ranks));
  });

  it('of zeros', async () => {
    const zeros = Array.from({ length: ranks }, () => new Float32Array(length));
    for (const sums of await reduced(on, zeros, most)) expect(sums.every((x) => x === 0)).toBe(true);
  });

  it.each([Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN])(
    'keeps %d of one rank, where it was',
    async (value) => {
      const own = numbersOf(length, 2);
      own[1]![700] = value;
      for (const sums of await reduced(on, own, most)) {
        expect(sums[700]).not.toSatisfy(Number.isFinite);
        // The other piece is as ever.
        expect(sums.subarray(0, most).every(Number.isFinite)).toBe(true);
      }
    },
  );
});

/** A session of two ranks whose gradients cross in halves. */
function inHalves(recipe: Recipe) {
  const divided = dividedAmong(recipe, { size: 2 });
  const planOf = (share: Share) => planTraining(divided, softwareText.profile, { share }).plan;
  return ranksOn(softwareText, planOf, 2, { wire: 'f16' });
}

describe('training in halves', () => {
  it.each(stepRuns)('%s: the losses and weights of PyTorch, as far as halves go', async (name) => {
    const recipe = stepRecipe(name);
    const session = await inHalves(recipe);
    // A gradient is rounded twice, by 2^-11 each time, and so far AdamW's moves are off; losses, by their square.
    await checkSteps(recipe, settingsFor(recipe, traceLoss(recipe)).settings, session, {
      loss: 1e-5,
      moved: 2 * 2 ** -10,
      movedInProjBias: 1e-2,
    });
    session.close();
  });

  it.each([
    [2 ** 8, false],
    [2 ** 120, true],
  ])('with a loss scale of %d overflows: %s, on all ranks', async (lossScale, overflow) => {
    const recipe: Recipe = { ...stepRecipe('sigmoid_loss'), precision: { kind: 'mixed', lossScale } };
    // Whose results and states are those of both.
    const session = await inHalves(recipe);
    const names = writeStart(recipe, session);
    const stateOf = () => Promise.all(names.map((name) => session.readState(name)));
    const before = await stateOf();
    const hyper = {
      lr: 1e-3,
      biasCorrection1: 1,
      biasCorrection2: 1,
      clipNorm: 0,
      random: { seed: 1, step: 0 },
    };
    const { scaling } = await session.step(stepBatch(0), hyper);
    expect(scaling?.overflow).toBe(overflow);
    if (overflow) expect(await stateOf()).toEqual(before);
    else expect(await stateOf()).not.toEqual(before);
    session.close();
  });
});
