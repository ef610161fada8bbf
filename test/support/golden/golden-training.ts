/**
 * Five optimizer steps from the golden weights, judged by the golden run: losses, logit_scale, final weights.
 *
 * The measures are those of the golden README. Adam divides by the gradient's own size, so elements whose
 * gradient is noise move by an arbitrary part of the learning rate: single elements are judged by the largest
 * difference, tensors by the L2 distance relative to how far they moved.
 */
import { expect } from 'vitest';
import type { Graph } from '../../../compiler/graph/types.ts';
import { traceEntry } from '../../../compiler/model/index.ts';
import type { Model } from '../../../compiler/model/types.ts';
import type { Batch, BatchSource } from '../../../runtime/data/types.ts';
import { single } from '../../../runtime/dist/collective.ts';
import type { Schedule } from '../../../runtime/train/schedule.ts';
import { trainLoop } from '../../../runtime/train/trainer.ts';
import type { MetricsRow, TrainSession, UpdateSettings } from '../../../runtime/train/types.ts';
import { pairs } from '../training/batches.ts';
import { adamw } from '../training/optimizers.ts';
import { type GoldenFile, type GoldenSet, goldenSet, relL2, relMax } from './golden.ts';

export interface TrainingTolerances {
  /** Relative. */
  readonly loss: number;
  /** Absolute. */
  readonly logitScale: number;
  /** Largest difference of an element of the final weights. */
  readonly element: number;
  /** ||a - ref|| / ||ref - start|| of each weight. */
  readonly moved: number;
  /** The same for `*in_proj_bias`, whose key third has no gradient in exact arithmetic. */
  readonly movedInProjBias: number;
  /** `attnpool.k_proj.bias`, which has none at all: largest difference. */
  readonly keyBias: number;
  /** Relative to the largest value, running statistics of batch norm. */
  readonly statistics: number;
}

export interface GoldenTraining {
  readonly graph: Graph;
  readonly train: GoldenSet;
  readonly settings: UpdateSettings;
}

export function goldenTraining(set: string): GoldenTraining {
  const train = goldenSet(set, 'train');
  return { ...tinyTraining(train.model, train.tensors.get('in.images')!.shape[1]!), train };
}

/** The loss of a tiny model and its optimizer, without data. */
export function tinyTraining(model: Model, batch: number): Omit<GoldenTraining, 'train'> {
  const settings: UpdateSettings = {
    trainable: model.weights.filter((w) => w.kind === 'param').map((w) => w.name),
    rule: adamw,
    weightDecay: 0.2,
    decayMinDims: 2,
    clamps: [{ weight: 'logit_scale', min: 0, max: Math.log(100) }],
  };
  const traced = traceEntry(model, 'loss', { batch, training: true });
  if (!traced.ok) throw new Error(traced.diagnostics.map((d) => d.message).join('\n'));
  return { graph: traced.value, settings };
}

/** The golden batches, in order. */
function goldenSource(train: GoldenFile): BatchSource {
  const images = train.tensors.get('in.images')!;
  const tokens = train.tensors.get('in.tokens')!;
  const steps = images.shape[0]!;
  let at = 0;
  const part = (data: Float64Array): Float64Array =>
    data.subarray((at * data.length) / steps, ((at + 1) * data.length) / steps);
  return {
    batchesPerEpoch: steps,
    async next(): Promise<Batch> {
      const batch = pairs(Float32Array.from(part(images.data)), Int32Array.from(part(tokens.data)));
      at++;
      return batch;
    },
    cursor: () => ({ epoch: 0, batch: at, seed: 0 }),
    seek: (cursor) => {
      at = cursor.batch;
    },
    close: async () => {},
  };
}

/** Steps `[start, end)` over the golden batches on `session`, which saves nothing. */
export async function goldenLoop(
  { train, settings }: Pick<GoldenTraining, 'train' | 'settings'>,
  session: TrainSession,
  schedule: Schedule,
  { start, end }: { readonly start: number; readonly end: number },
): Promise<MetricsRow[]> {
  const rows: MetricsRow[] = [];
  const source = goldenSource(train);
  source.seek({ epoch: 0, batch: start, seed: 0 });
  await trainLoop({
    group: single,
    session,
    source,
    schedule,
    settings,
    batch: train.tensors.get('in.images')!.shape[1]!,
    start,
    end,
    row: (row) => rows.push(row),
    save: async () => {},
    stopRequested: () => false,
    now: () => performance.now(),
  });
  return rows;
}

/** Runs the five steps on `session` and compares; closes nothing. */
export async function checkGoldenTraining(
  { train, settings }: GoldenTraining,
  session: TrainSession,
  tolerances: TrainingTolerances,
): Promise<void> {
  const stored = [...train.weights].filter(([name]) => !name.endsWith('num_batches_tracked'));
  for (const [name, { data }] of stored) session.writeState(name, Float32Array.from(data));
  const schedule = { kind: 'cosine', lr: 5e-4, warmup: 2, total: 5, floor: 0 } as const;
  const rows = await goldenLoop({ train, settings }, session, schedule, { start: 0, end: 5 });
  const of = (name: string): Float64Array => train.tensors.get(name)!.data;
  for (const [i, row] of rows.entries()) {
    const loss = of('step.loss')[i]!;
    expect(Math.abs(row.loss - loss) / loss, `loss of step ${i}`).toBeLessThan(tolerances.loss);
    const scale = of('step.logit_scale')[i]!;
    expect(Math.abs(Number(row.logit_scale) - scale), `logit_scale of step ${i}`).toBeLessThan(
      tolerances.logitScale,
    );
    expect(row.lr).toBeCloseTo(of('step.lr')[i]!, 9);
  }
  for (const [name, start] of stored) {
    const sample = (data: ArrayLike<number>): Float64Array => train.sample(`final.${name}`, data);
    const found = sample(await session.readState(name));
    const wanted = of(`final.${name}`);
    const begun = sample(start.data);
    const worst = found.reduce((m, x, i) => Math.max(m, Math.abs(x - wanted[i]!)), 0);
    expect(worst, `largest difference of ${name}`).toBeLessThan(tolerances.element);
    if (/\.running_(mean|var)$/.test(name)) {
      expect(relMax(found, wanted), name).toBeLessThan(tolerances.statistics);
      continue;
    }
    if (name.endsWith('attnpool.k_proj.bias')) {
      expect(worst, `largest difference of ${name}`).toBeLessThan(tolerances.keyBias);
      continue;
    }
    const limit = name.endsWith('in_proj_bias') ? tolerances.movedInProjBias : tolerances.moved;
    const moved = relL2(
      found.map((x, i) => x - begun[i]!),
      wanted.map((x, i) => x - begun[i]!),
    );
    expect(moved, `distance of ${name}`).toBeLessThan(limit);
  }
}
