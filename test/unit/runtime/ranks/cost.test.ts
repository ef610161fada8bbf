/** What a step on several ranks costs by arithmetic, against other arithmetic and against what a step really sends. */
import { describe, expect, it } from 'vitest';
import { resolveRecipe } from '../../../../compiler/model/index.ts';
import type { Recipe } from '../../../../compiler/model/types.ts';
import type { VerifiedPlan } from '../../../../compiler/plan/types.ts';
import { discreteProfile } from '../../../../compiler/profile.ts';
import type { Collective } from '../../../../runtime/dist/collective.ts';
import { costOfStep, usualAssumptions } from '../../../../runtime/dist/cost.ts';
import { DeviceExchange } from '../../../../runtime/dist/exchange.ts';
import { loopback } from '../../../../runtime/dist/loopback.ts';
import { NullDevice } from '../../../../runtime/null/device.ts';
import { planTraining } from '../../../../runtime/train/plan.ts';
import { DeviceTrainSession } from '../../../../runtime/train/session.ts';
import { memoryHost } from '../../../errors/report.ts';
import { batchValues, fixtureModel } from '../../../support/models/training-models.ts';

function recipeOf(model: string, batch: number, chunk: number): Recipe {
  const text = `train "r" of "${model}" {
    data = csv("pairs.csv")
    batch = ${batch}
    chunk = ${chunk}
    optimizer = adamw(lr = 1e-3)
    schedule = constant(total = 1 steps)
  }`;
  const recipe = resolveRecipe(memoryHost({ 'r.zoo': text }), 'r.zoo', []);
  if (!recipe.ok) throw new Error(recipe.diagnostics.map((d) => d.message).join('\n'));
  return recipe.value;
}

const batch = 32_768;

/** Chunks of 128 divide what each of 8, 64 and 256 ranks has, and cost what larger ones do. */
const plans = new Map<string, VerifiedPlan>();
function planOf(model: string, ranks = 1): VerifiedPlan {
  const share = ranks === 1 ? {} : { share: { rank: 0, ranks } };
  const plan =
    plans.get(`${model} ${ranks}`) ?? planTraining(recipeOf(model, batch, 128), discreteProfile, share).plan;
  plans.set(`${model} ${ranks}`, plan);
  return plan;
}

/** Without latency, as in estimates on paper. */
const paper = { ...usualAssumptions, latency: 0 };

describe('the cost of a step', () => {
  // An estimate on paper: 14.78 and 175.33 GFLOP a pair, four forward passes' worth with chunks, of the traffic the
  // gradients in f32 at 10 GB/s and once each way through the host at 12 GB/s; efficiency counts the features at 10 GB/s, too.
  it.each([
    ['ViT-B/32', 50, 8, 4.84, 0.21, 0.96],
    ['ViT-B/32', 50, 64, 0.61, 0.22, 0.72],
    ['ViT-B/32', 50, 256, 0.15, 0.22, 0.39],
    ['ViT-L/14', 50, 64, 7.18, 0.62, 0.92],
    ['ViT-L/14', 50, 256, 1.8, 0.63, 0.74],
    ['ViT-L/14', 200, 256, 0.45, 0.63, 0.41],
  ])('of %s at %d TFLOP/s on %d ranks has the towers and the wire of an estimate on paper', (...row) => {
    const [model, tflops, ranks, compute, communication, efficiency] = row;
    const { work, traffic, pairs } = costOfStep(planOf(model, ranks), ranks, { ...paper, tflops });
    expect(pairs).toBe(batch / ranks);
    const towers = work.encode!.seconds + work.backward!.seconds;
    // Kernels of attention compute scores again for each of their three gradients, which counts with L/14's 257 tokens:
    // 2.2 % more. Of the last layer a tower's one token is computed behind keys and values: 5 to 7 % less of 12 layers.
    expect(towers / compute).toBeGreaterThan(0.93);
    expect(towers / compute).toBeLessThan(1.03);
    const gradients = planOf(model).memory.gradients;
    const wire = traffic.gradients.network / 10e9 + (2 * gradients) / 12e9;
    expect(wire).toBeCloseTo(communication, 2);
    // Half a unit in the last place of the table, and what the towers take more or less.
    const found = towers / (towers + wire + traffic.features.network / 10e9);
    expect(Math.abs(found - efficiency)).toBeLessThan(0.02);
  });

  it('counts what the estimate leaves out: a rank’s rows of the loss, the sums of gradients through the host', () => {
    const [plan, alone] = [planOf('ViT-B/32', 64), planOf('ViT-B/32')];
    const cost = costOfStep(plan, 64, paper, undefined, alone);
    expect(cost.loss).toBe('rows');
    const product = 2 * batch ** 2 * 512;
    // One rank alone: similarities both ways and their gradients, with strips computed again, eight products of
    // N × N × 512. A share of 512 rows is a strip itself, whose similarities are there for both gradients: four.
    expect(costOfStep(alone, 1).work.loss!.flops / product).toBeCloseTo(8, 1);
    expect((64 * cost.work.loss!.flops) / product).toBeCloseTo(4, 1);
    // Of eight ranks each has 4096 rows in strips of 512, whose similarities are computed once more: six.
    expect((8 * costOfStep(planOf('ViT-B/32', 8), 8).work.loss!.flops) / product).toBeCloseTo(6, 1);
    // Five results of rows (the right one, and the largest and the sum, both ways; of columns the right one is the
    // same), and three numbers of each rank, in two exchanges.
    expect(cost.traffic.loss.network).toBe((63 / 64) * 4 * (5 * batch + 3 * 64));
    expect(cost.traffic.loss.messages).toBe(2 * 6);
    const { gradients } = alone.memory;
    expect(cost.traffic.gradients.staged).toBe(gradients * (3 + 1 / 64));
    expect(cost.features).toBe(2 * batch * 512 * 4);
    expect(cost.traffic.features).toMatchObject({
      network: (cost.features * 63) / 64,
      staged: (cost.features * 65) / 64,
    });
    // The estimate says 0.72; sums go through the host once more, the loss of one rank alone counts, and towers take less.
    expect(cost.efficiency).toBeCloseTo(0.66, 2);
    const { work, seconds, lossShare } = cost;
    expect(lossShare).toBe(work.loss!.seconds / seconds.total);
    expect(lossShare).toBeLessThan(0.01);
  });

  it('has a loss of all pairs on every rank where that cannot be shared', () => {
    const cost = costOfStep(planOf('ViT-B/32'), 64, paper);
    expect([cost.loss, cost.traffic.loss.messages]).toEqual(['whole', 0]);
    expect(cost.work.loss!.flops).toBe(costOfStep(planOf('ViT-B/32'), 1).work.loss!.flops);
    expect(cost.lossShare).toBeGreaterThan(0.1);
  });

  it('has half the gradients on the wire and through the host where they cross in halves', () => {
    const { traffic } = costOfStep(planOf('ViT-B/32'), 64, paper);
    const { gradients, ...rest } = costOfStep(planOf('ViT-B/32'), 64, paper, 'f16').traffic;
    const { network, staged, messages, seconds } = traffic.gradients;
    expect(gradients).toEqual({
      network: network / 2,
      staged: staged / 2,
      messages,
      seconds: seconds / 2,
    });
    expect({ ...rest, gradients: traffic.gradients }).toEqual(traffic);
  });

  it('has the weights in place of the sums of gradients where ranks divide what the optimizer keeps', () => {
    const recipe: Recipe = { ...recipeOf('ViT-B/32', batch, 128), shard: 'optimizer' };
    const { plan } = planTraining(recipe, discreteProfile, { share: { rank: 0, ranks: 64 } });
    const [own, whole] = [plan, planOf('ViT-B/32', 64)].map((p) => costOfStep(p, 64, paper));
    const bytes = ({ traffic: { gradients, weights } }: typeof own & object) =>
      gradients.network + weights.network;
    // The parts of the norm, a number for each 16384.
    expect(bytes(own!) / bytes(whole!)).toBeCloseTo(1, 4);
    // Of the last turn, which is not whole, rank 0 has a whole part.
    const part = 4 * plan.shard!.part;
    expect(own!.memory.optimizer).toBeLessThan(whole!.memory.optimizer / 64 + 2 * part);
    const halves = costOfStep(plan, 64, paper, 'f16').traffic;
    expect(halves.gradients.network).toBe(own!.traffic.gradients.network / 2);
    expect(halves.weights).toEqual(own!.traffic.weights);
  });

  it('is that of one rank where there is one', () => {
    const alone = costOfStep(planOf('ViT-B/32'), 1);
    expect(alone).toMatchObject({ pairs: batch, chunks: 256, efficiency: 1, seconds: { communication: 0 } });
    const whole = planTraining(recipeOf('RN50', 4, 4), discreteProfile).plan;
    const { work, chunks, efficiency } = costOfStep(whole, 1);
    expect([work.whole!.flops, chunks, efficiency]).toEqual([whole.flops, 1, 1]);
  });

  it('is the time of one rank that takes all chunks over what ranks take together', () => {
    const alone = costOfStep(planOf('ViT-B/32'), 1);
    const cost = costOfStep(planOf('ViT-B/32', 64), 64, undefined, undefined, planOf('ViT-B/32'));
    expect(cost.efficiency).toBeCloseTo(alone.seconds.total / (64 * cost.seconds.total), 10);
  });

  it('hides of the gradients what travels while the last chunk goes back', () => {
    const plan = planOf('ViT-B/32', 64);
    const cost = costOfStep(plan, 64, paper);
    const gradients = cost.traffic.gradients.seconds;
    const last = cost.work.backward!.seconds / cost.chunks;
    const hidden = cost.seconds.total - cost.overlapped.seconds;
    // No more than there is time for; a piece holds two layers, and the first is complete when those have gone back.
    expect(hidden).toBeLessThanOrEqual(last);
    expect(hidden).toBeGreaterThan(0.5 * last);
    expect(cost.overlapped.efficiency / cost.efficiency).toBeCloseTo(
      cost.seconds.total / cost.overlapped.seconds,
      10,
    );
    // A device so slow that the network has all the time: what is left is what is complete last: of 25 pieces fewer than 3.
    const slow = costOfStep(plan, 64, { ...paper, tflops: 0.05 });
    const left = slow.traffic.gradients.seconds - (slow.seconds.total - slow.overlapped.seconds);
    expect(left).toBeLessThan((3 / 25) * gradients);
    // Without pieces, and on one rank, there is nothing to hide.
    for (const [p, ranks] of [
      [planOf('ViT-B/32'), 64],
      [planOf('ViT-B/32'), 1],
    ] as const) {
      const { seconds, overlapped, efficiency } = costOfStep(p, ranks, paper);
      expect(overlapped).toEqual({ seconds: seconds.total, efficiency });
    }
  });

  it('grows by a message of every round of a collective', () => {
    const slow = costOfStep(planOf('ViT-B/32'), 64, { ...paper, latency: 1 });
    const { traffic } = costOfStep(planOf('ViT-B/32'), 64, paper);
    // Two kinds of features, 605 MB in pieces of 25 MB, each handed out and handed back; R - 1 rounds in a ring.
    expect(slow.traffic.features.messages).toBe(2 * 63);
    expect(slow.traffic.gradients.messages).toBe(2 * 25 * 63);
    expect(slow.traffic.agreement.messages).toBe(6);
    expect(slow.traffic.gradients.seconds - traffic.gradients.seconds).toBeCloseTo(3.15, 5);
  });
});

/** Bytes that a rank receives, and its calls, by what moves. */
function counting(group: Collective) {
  const received: Record<string, number> = {};
  const calls: Record<string, number> = {};
  const count = (what: string, bytes: number) => {
    const kind = what.split(' ')[1]!;
    received[kind] = (received[kind] ?? 0) + bytes;
    calls[kind] = (calls[kind] ?? 0) + 1;
  };
  const counted: Collective = {
    ...group,
    allGather: (what, send, receive) => {
      count(what, receive.length - send.length);
      return group.allGather(what, send, receive);
    },
    allToAll: (what, send, receive) => {
      count(what, receive.length - receive.length / group.size);
      return group.allToAll(what, send, receive);
    },
  };
  return { counted, received, calls };
}

describe('the traffic of a step', () => {
  it.each([
    [undefined, undefined],
    ['f16', undefined],
    [undefined, 'optimizer'],
    ['f16', 'optimizer'],
  ] as const)('is what a rank receives, with wire %s and shard %s', async (wire, shard) => {
    const [ranks, rows] = [4, 16];
    const model = fixtureModel('pairs.zoo#mini_resnet');
    const settings = { batchNorm: 'sync', ...(wire && { wire }), ...(shard && { shard }) } as const;
    const recipe: Recipe = { ...recipeOf('RN50', rows, 2), model, ...settings };
    const device = new NullDevice(discreteProfile);
    const planOf = (rank: number) => planTraining(recipe, discreteProfile, { share: { rank, ranks } }).plan;
    const plan = planOf(0);
    const { traffic } = costOfStep(plan, ranks, usualAssumptions, wire);
    const found = await Promise.all(
      loopback(ranks).map(async (group) => {
        const { counted, received, calls } = counting(group);
        const session = await device.open(planOf(group.rank));
        const rank = new DeviceTrainSession(
          session,
          await DeviceExchange.open(counted, device, session, wire),
        );
        const random = { seed: 1, step: 0 };
        const hyper = { lr: 0, biasCorrection1: 1, biasCorrection2: 1, clipNorm: 0, random };
        await rank.step(batchValues(model, rows / ranks), hyper);
        return { received, calls };
      }),
    );
    for (const { received, calls } of found) {
      expect(received.features).toBe(traffic.features.network);
      expect(received.statistics).toBe(traffic.statistics.network);
      expect(received.loss).toBe(traffic.loss.network);
      // Gradients are padded to a multiple of 64 numbers of each rank, or to a block of their norm; halves have a scale in
      // f32.
      const unit = shard ? 1024 : 64;
      const padding = wire === 'f16' ? 2 * unit + 4 : 4 * unit;
      expect(received.gradients! - traffic.gradients.network).toBeGreaterThanOrEqual(0);
      expect(received.gradients! - traffic.gradients.network).toBeLessThan(2 * padding * (ranks - 1));
      expect((received.weights ?? 0) - traffic.weights.network).toBeGreaterThanOrEqual(0);
      expect((received.weights ?? 0) - traffic.weights.network).toBeLessThan(2 * 4 * unit * (ranks - 1));
      expect((ranks - 1) * (calls.weights ?? 0)).toBe(traffic.weights.messages);
      expect((ranks - 1) * calls.features!).toBe(traffic.features.messages);
      expect((ranks - 1) * calls.gradients!).toBe(traffic.gradients.messages);
      expect(Math.log2(ranks) * calls.statistics!).toBe(traffic.statistics.messages);
      expect(Math.log2(ranks) * calls.loss!).toBe(traffic.loss.messages);
    }
  });
});
