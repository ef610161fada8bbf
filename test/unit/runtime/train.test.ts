/** The training loop's parts that need neither files nor a device: schedules, settings, the loop, AdamW. */
import { describe, expect, it } from 'vitest';
import { isOwnColumn } from '../../../compiler/metrics.ts';
import type { Quantity, Recipe } from '../../../compiler/model/types.ts';
import { matchesGlob } from '../../../compiler/model/values/globs.ts';
import { rateOf } from '../../../compiler/optimizers.ts';
import type { BatchSource } from '../../../runtime/data/types.ts';
import { single } from '../../../runtime/dist/collective.ts';
import { loopback } from '../../../runtime/dist/loopback.ts';
import { clipFactor, globalNorm, updateStep } from '../../../runtime/reference/update.ts';
import {
  inSteps,
  learningRate,
  type Schedule,
  scheduleOf,
  warmupWarning,
} from '../../../runtime/train/schedule.ts';
import { checkHostBatch, checkSupported, updateSettings } from '../../../runtime/train/supported.ts';
import { hyperAt, type TrainLoop, trainLoop } from '../../../runtime/train/trainer.ts';
import type { MetricsRow } from '../../../runtime/train/types.ts';
import { FakeSession, FakeSource, settings, weights } from '../../support/training/fake-training.ts';
import { adamw } from '../../support/training/optimizers.ts';

const recipe = {
  name: 'r',
  model: { name: 'm', weights },
  data: { name: 'csv', args: [], named: {} },
  objective: 'contrastive',
  batch: 5,
  optimizer: {
    kind: 'adamw',
    lr: 5e-4,
    beta1: 0.9,
    beta2: 0.98,
    eps: 1e-6,
    weightDecay: 0.2,
    decayMinDims: 2,
  },
  schedule: { kind: 'cosine', warmup: { value: 2, unit: 'steps' }, total: { value: 5, unit: 'steps' } },
  precision: { kind: 'f32' },
  clamps: [{ weight: 'logit_scale', min: 0, max: Math.log(100) }],
  remat: [],
  freeze: [],
  rates: [],
  init: [],
  evaluate: [],
  seed: 1,
  source: { path: 'r.zoo', text: '' },
} as unknown as Recipe;

describe('schedules', () => {
  it('give the learning rates of the golden runs', () => {
    const schedule: Schedule = { kind: 'cosine', lr: 5e-4, warmup: 2, total: 5, floor: 0 };
    const rates = [0, 1, 2, 3, 4].map((step) => learningRate(schedule, step));
    // Exact up to the rounding of cos in f64.
    for (const [i, rate] of [2.5e-4, 5e-4, 5e-4, 3.75e-4, 1.25e-4].entries())
      expect(Math.abs(rates[i]! - rate)).toBeLessThan(1e-18);
  });

  it('stay constant, or at zero behind the cosine', () => {
    expect(learningRate({ kind: 'constant', lr: 3, warmup: 0, total: 10 }, 99)).toBe(3);
    expect(learningRate({ kind: 'cosine', lr: 3, warmup: 0, total: 10, floor: 0 }, 12)).toBe(0);
    expect(learningRate({ kind: 'cosine', lr: 3, warmup: 10, total: 10, floor: 0 }, 10)).toBe(0);
  });

  it('end at a fraction of the base rate, by half a cosine or by a line', () => {
    const span = { lr: 2, warmup: 2, total: 10, floor: 0.1 };
    const cosine = (step: number) => learningRate({ kind: 'cosine', ...span }, step);
    const line = (step: number) => learningRate({ kind: 'linear', ...span }, step);
    // eta_min + (eta_max - eta_min) / 2 * (1 + cos(pi t / T)) of torch.optim.lr_scheduler.CosineAnnealingLR.
    for (const step of [2, 5, 9])
      expect(cosine(step)).toBeCloseTo(0.2 + (1.8 / 2) * (1 + Math.cos((Math.PI * (step - 2)) / 8)), 14);
    expect([0, 1, 2, 6, 10, 99].map(line)).toEqual([1, 2, 2, 1.1, 0.2, 0.2]);
    expect([10, 99].map(cosine)).toEqual([0.2, 0.2]);
  });

  it('fall by the root of the steps, from the end of the warm-up or with a scale of their own', () => {
    const rate = (warmup: number, timescale: number, step: number) =>
      learningRate({ kind: 'inverse_sqrt', lr: 3, warmup, total: 1e6, timescale }, step);
    expect([1, 3, 4, 16, 64].map((step) => rate(4, 4, step))).toEqual([1.5, 3, 3, 1.5, 0.75]);
    expect([0, 300].map((step) => rate(0, 100, step))).toEqual([3, 1.5]);
  });

  it('stay and cool down at the end, as const_lr_cooldown of open_clip', () => {
    const rate = (power: number, floor: number, step: number) =>
      learningRate({ kind: 'cooldown', lr: 4, warmup: 2, total: 12, steps: 4, power, floor }, step);
    expect([0, 1, 2, 7, 8, 9, 11, 12].map((step) => rate(1, 0, step))).toEqual([2, 4, 4, 4, 4, 3, 1, 0]);
    // decay * (base_lr - end_lr) + end_lr with decay = (1 - 1 / 4)^2, end_lr = 1
    expect(rate(2, 0.25, 9)).toBe(0.75 ** 2 * 3 + 1);
  });

  it('are counted over the data', () => {
    const steps = (value: number) => ({ value, unit: 'steps' }) as const;
    const of = (schedule: Recipe['schedule'], length?: number) =>
      scheduleOf({ ...recipe, schedule }, 7, length);
    const lasting = { warmup: steps(2), total: { value: 2, unit: 'epochs' } } as const;
    const counted = { lr: 5e-4, warmup: 2, total: 14 };
    const sqrt = { kind: 'inverse_sqrt', ...lasting } as const;
    expect(of(sqrt)).toEqual({ kind: 'inverse_sqrt', ...counted, timescale: 2 });
    expect(of({ ...sqrt, warmup: steps(0) })).toMatchObject({ timescale: 10_000 });
    const epoch = { value: 1, unit: 'epochs' } as const;
    expect(of({ ...sqrt, timescale: epoch })).toMatchObject({ timescale: 7 });
    const cooldown = { kind: 'cooldown', ...lasting, steps: epoch, power: 1, floor: 0 } as const;
    expect(of(cooldown)).toEqual({ kind: 'cooldown', ...counted, steps: 7, power: 1, floor: 0 });
    const endless = { ...cooldown, total: undefined } as unknown as Recipe['schedule'];
    expect(of(endless, 9)).toMatchObject({ total: 9 });
    expect(() => of(endless, 8)).toThrow(/Z610.*warm-up of 2 steps and the cooldown of 7.*the 8 steps/);
  });

  it('tell of a warm-up that the length of the data or of the run shows to be too long, Z507', () => {
    const told = (warmup: Quantity, total?: Quantity, length?: number) => {
      const of = { ...recipe, schedule: { kind: 'constant', warmup, ...(total && { total }) } as const };
      return warmupWarning(of, scheduleOf(of, 7, length)).map((d) => d.message);
    };
    const steps = (value: number) => ({ value, unit: 'steps' }) as const;
    const epochs = (value: number) => ({ value, unit: 'epochs' }) as const;
    const rest = 'of the run: its rate is never reached';
    expect(told(steps(15), epochs(2))).toEqual([
      `the warm-up of 15 steps is longer than the 14 steps ${rest}`,
    ]);
    expect(told(epochs(2), steps(13))).toEqual([
      `the warm-up of 2 epochs (14 steps) is longer than the 13 steps ${rest}`,
    ]);
    expect(told(steps(9), undefined, 8)).toHaveLength(1);
    // The recipe's own length, which --steps does not change.
    expect(told(steps(14), epochs(2), 3)).toEqual([]);
    // `check` has told.
    expect(told(steps(9), steps(8))).toEqual([]);
  });

  it('count epochs in steps, and refuse where there are none', () => {
    expect(inSteps({ value: 2, unit: 'epochs' }, 7)).toBe(14);
    expect(inSteps({ value: 0.5, unit: 'epochs' }, 7)).toBe(4);
    expect(() => inSteps({ value: 2, unit: 'epochs' }, undefined)).toThrow(/Z610.*2 epochs/);
    const { total: _, ...endless } = recipe.schedule;
    expect(() => scheduleOf({ ...recipe, schedule: endless }, 7)).toThrow(/Z610.*how long/);
    expect(scheduleOf({ ...recipe, schedule: endless }, 7, 9).total).toBe(9);
    expect(scheduleOf(recipe, 7, 3).total).toBe(5);
  });
});

describe('what a recipe trains', () => {
  it.each([
    ['visual.**', 'visual.conv1.weight', true],
    ['visual.**', 'visual', false],
    ['**.bias', 'a.b.bias', true],
    ['**.resblocks.*', 'transformer.resblocks.0', true],
    ['**.resblocks.*', 'transformer.resblocks.0.attn', false],
    ['token_embedding.*', 'token_embedding.weight', true],
    ['a.b', 'aXb', false],
    ['w*', 'weight', true],
  ])('%s fits %s: %s', (pattern, name, fits) => {
    expect(matchesGlob(pattern, name)).toBe(fits);
  });

  it('freezes what the recipe names, and says where that makes no sense', () => {
    expect(updateSettings({ ...recipe, freeze: ['w'] }).trainable).toEqual([
      'logit_scale',
      'unused',
      'batches',
    ]);
    const trainable = (...freeze: string[]) => updateSettings({ ...recipe, freeze }).trainable;
    expect(trainable('**', '!w', '!unus*')).toEqual(['w', 'unused']);
    expect(trainable('!w', '**', '!unused')).toEqual(['unused']);
    expect(() => trainable('*', '!other')).toThrow(/Z608.*"!other" fits no/);
    expect(() => updateSettings({ ...recipe, freeze: ['visual.**'] })).toThrow(
      /Z608.*"visual\.\*\*" fits no/,
    );
    expect(() => updateSettings({ ...recipe, freeze: ['*'] })).toThrow(/Z608.*nothing is left/);
  });

  it('refuses weights that are called like what a checkpoint keeps of others', () => {
    const twin = { ...weights[0]!, name: 'ema.w' };
    const model = { ...recipe.model, weights: [...weights, twin] };
    expect(updateSettings({ ...recipe, model }).trainable).toContain('ema.w');
    expect(() => updateSettings({ ...recipe, model, ema: 0.9 })).toThrow(/Z608.*m has a weight ema\.w/);
    expect(updateSettings({ ...recipe, model, ema: 0.9, freeze: ['w'] }).ema).toBe(0.9);
  });

  it('refuses everything that cannot run yet, at once', () => {
    const ambitious = {
      ...recipe,
      precision: { kind: 'mixed', lossScale: 'dynamic' },
      batchNorm: 'sync',
    } as const satisfies Partial<Recipe>;
    try {
      checkSupported({ ...recipe, ...ambitious }, true, 2);
      expect.unreachable();
    } catch (error) {
      const { diagnostics } = error as { diagnostics: { code: string; message: string; help: string }[] };
      expect(diagnostics.map((d) => d.message)).toEqual([
        'recipe r: precision = mixed(...) on the reference is not supported by this version',
        'recipe r: batch_norm = sync on several ranks of the reference is not supported by this version',
      ]);
      expect(diagnostics.every((d) => d.code === 'Z607' && d.help.length > 0)).toBe(true);
    }
    checkSupported({ ...recipe, chunk: 1, remat: ['**'] });
    for (const [set, words] of [
      [{ wire: 'f16' }, /Z607.*wire = f16 on several ranks of the reference/],
      [{ shard: 'optimizer' }, /Z607.*shard = optimizer on several ranks of the reference/],
    ] as const) {
      expect(() => checkSupported({ ...recipe, ...set }, true, 2)).toThrow(words);
      checkSupported({ ...recipe, ...set }, true);
      checkSupported({ ...recipe, ...set }, false, 2);
    }
  });

  it('refuses batches whose pictures fit no array of the host', () => {
    const inputs = [{ name: 'images', dtype: 'f32', sizes: [3, 224, 224] }] as const;
    const at = (batch: number) => ({ ...recipe, batch, inputs });
    expect(() => checkHostBatch(at(28532))).not.toThrow();
    expect(() => checkHostBatch(at(28533))).toThrow(/Z607.*batch = 28533 rows of images \[3, 224, 224\]/);
  });
});

describe('AdamW in f64', () => {
  it('takes the step that the paper writes', () => {
    const weight = Float64Array.of(2, -1);
    const m = new Float64Array(2);
    const v = new Float64Array(2);
    const hyper = {
      lr: 0.1,
      biasCorrection1: 0.1,
      biasCorrection2: 0.02,
      clipNorm: 0,
      random: { seed: 0, step: 0 },
    };
    const rates = { scale: 1, decay: 0.2 };
    updateStep({ weight, moments: [m, v] }, Float64Array.of(0.5, -4), hyper, rates, adamw);
    // At the first step m/bc1 = g and v/bc2 = g², so the step is lr * sign(g) up to epsilon.
    const step = (g: number) => (0.1 * g) / (Math.abs(g) + 1e-6);
    expect(weight[0]).toBeCloseTo(2 * (1 - 0.02) - step(0.5), 12);
    expect(weight[1]).toBeCloseTo(-1 * (1 - 0.02) - step(-4), 12);
  });

  it('decays no weight with fewer dimensions than asked, and clips by the global norm', () => {
    expect(rateOf(settings, { name: 'w', shape: [7] }).decay).toBe(0);
    expect(rateOf(settings, { name: 'w', shape: [7, 1] }).decay).toBe(0.2);
    expect(globalNorm([Float64Array.of(3), Float64Array.of(4)])).toBe(5);
    expect(clipFactor(5, 1)).toBeCloseTo(0.2, 6);
    expect(clipFactor(0.5, 1)).toBe(1);
    expect(clipFactor(5, 0)).toBe(1);
  });
});

describe('the loop', () => {
  const schedule: Schedule = { kind: 'cosine', lr: 0.05, warmup: 3, total: 10, floor: 0 };
  function loop(session: FakeSession, changes: Partial<TrainLoop> = {}) {
    const rows: MetricsRow[] = [];
    const saves: string[] = [];
    let time = 0;
    const all: TrainLoop = {
      group: single,
      session,
      source: new FakeSource(),
      schedule,
      settings,
      batch: 5,
      start: 0,
      end: 10,
      saveEvery: 4,
      row: (row) => rows.push(row),
      save: async (step, { epoch, batch }) => {
        saves.push(`${step}: epoch ${epoch} batch ${batch}, ${rows.length} rows`);
      },
      stopRequested: () => false,
      now: () => (time += 10),
      ...changes,
    };
    return { all, rows, saves };
  }

  it('reports every step in order, late, and saves after draining', async () => {
    const session = new FakeSession(1);
    const { all, rows, saves } = loop(session);
    expect(await trainLoop(all)).toBe(10);
    expect(rows.map((r) => r.step)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(rows[3]!.lr).toBe(learningRate(schedule, 3));
    expect(rows[9]).toMatchObject({ epoch: 1, skipped: 0 });
    expect(rows[9]!.logit_scale).toBeCloseTo(0.1, 6);
    expect(Object.keys(rows[9]!).filter((name) => !isOwnColumn(name))).toEqual(['logit_scale']);
    expect(saves).toEqual([
      '4: epoch 0 batch 4, 4 rows',
      '8: epoch 1 batch 1, 8 rows',
      '10: epoch 1 batch 3, 10 rows',
    ]);
    expect(session.mostOutstanding).toBe(3);
  });

  it('counts what was left out and what was replaced by kind, of all ranks together', async () => {
    const drops = [
      { skipped: 3, skippedBy: { unreadable: 2, missing: 1 }, lacked: { leftOut: { blank: 4 }, inError: 1 } },
      { skipped: 1, skippedBy: { missing: 1 }, lacked: { leftOut: { blank: 1, encoding: 2 }, inError: 0 } },
    ];
    const sourceOf = (rank: number, more: Partial<BatchSource> = {}): BatchSource => {
      const whole = new FakeSource();
      const next = async () => ({ ...(await whole.next()), ...drops[rank]! });
      return { next, cursor: () => whole.cursor(), seek: () => {}, close: async () => {}, ...more };
    };
    const alone = loop(new FakeSession(), { source: sourceOf(0), end: 1 });
    await trainLoop(alone.all);
    const own = { skipped: 3, 'skipped.unreadable': 2, 'skipped.missing': 1 };
    expect(alone.rows[0]).toMatchObject({ ...own, left_out: 4, 'left_out.blank': 4, shards_in_error: 1 });
    const ranks = loopback(2).map((group, rank) =>
      loop(new FakeSession(), { group, source: sourceOf(rank, { shared: true }), end: 1 }),
    );
    await Promise.all(ranks.map(({ all }) => trainLoop(all)));
    for (const { rows } of ranks) {
      expect(rows[0]).toMatchObject({ skipped: 4, 'skipped.unreadable': 2, 'skipped.missing': 2 });
      expect(rows[0]).toMatchObject({ left_out: 7, 'left_out.blank': 5, 'left_out.encoding': 2 });
      expect(rows[0]!.shards_in_error).toBe(1);
    }
  });

  it('finishes the step and saves when asked to stop', async () => {
    let asked = -1;
    const { all, rows, saves } = loop(new FakeSession(), { stopRequested: () => ++asked === 6 });
    expect(await trainLoop(all)).toBe(6);
    expect(rows).toHaveLength(6);
    expect(saves.at(-1)).toBe('6: epoch 0 batch 6, 6 rows');
  });

  it('stops at a loss that is not finite, names the step and saves nothing more', async () => {
    const session = new FakeSession(0, (steps) => {
      if (steps === 5) session.writeState('w', new Float32Array(37).fill(Number.NaN));
    });
    const { all, rows, saves } = loop(session);
    await expect(trainLoop(all)).rejects.toThrow(/Z609: training diverged at step 5: the loss is NaN/);
    expect(rows).toHaveLength(5);
    expect(saves).toEqual(['4: epoch 0 batch 4, 4 rows']);
  });

  it('passes on what a device reports', async () => {
    const session = new FakeSession(0, (steps) => {
      if (steps === 2) throw new Error('lost');
    });
    await expect(trainLoop(loop(session).all)).rejects.toThrow('lost');
  });

  it('gives the optimizer its bias corrections', () => {
    expect(hyperAt({ schedule, settings, gradClip: 2 }, 0, 7)).toEqual({
      lr: 0.05 / 3,
      biasCorrection1: 1 - 0.9,
      biasCorrection2: 1 - 0.98,
      clipNorm: 2,
      random: { seed: 7, step: 0 },
    });
    expect(hyperAt({ schedule, settings }, 9, 7).biasCorrection2).toBeCloseTo(1 - 0.98 ** 10, 15);
  });
});
