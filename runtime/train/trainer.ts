/**
 * The training loop: batches in, steps out, metrics late, checkpoints in between.
 *
 * The loop never waits for the device but to read the numbers of a step two behind, which also bounds
 * the work in flight. Before a checkpoint everything is drained, so no checkpoint ever holds the
 * result of a step whose loss was not finite. Nothing here touches files; what to do with rows and
 * checkpoints is given by the caller.
 */
import type { OwnColumns } from '../../compiler/metrics.ts';
import { fail } from '../../grammar/diagnostics.ts';
import type { Batch, BatchSource, DataCursor, ShardLosses } from '../data/types.ts';
import { allNumbers, bytesOf, type Collective } from '../dist/collective.ts';
import { countRepeated, jointCursor } from '../dist/share.ts';
import { type DropCounts, dropNumbers, dropsOf, totalOf } from '../drops.ts';
import type { Evaluations } from './evaluations.ts';
import { learningRate, type Schedule } from './schedule.ts';
import type {
  LossScaling,
  MetricsRow,
  StepHyper,
  StepResult,
  TrainSession,
  UpdateSettings,
} from './types.ts';

export interface TrainLoop {
  readonly session: TrainSession;
  /** The ranks that take the steps together; each has its rows of a batch. */
  readonly group: Collective;
  readonly source: BatchSource;
  readonly schedule: Schedule;
  readonly settings: UpdateSettings;
  /** Largest global gradient norm, if it is bounded. */
  readonly gradClip?: number;
  /** Pairs in a batch. */
  readonly batch: number;
  /** The step to begin with, and the one to end before. */
  readonly start: number;
  readonly end: number;
  /** Steps between checkpoints; the last step is always saved. */
  readonly saveEvery?: number;
  /** Called with what a step takes, before it. */
  fed?(step: number, batch: Batch): void;
  /** Called for every step, in order. */
  row(row: MetricsRow): void;
  /** Saves the state after `step` steps; `cursor` names the batch to go on with. */
  save(step: number, cursor: DataCursor): Promise<void>;
  /** What is looked at between steps, by all ranks together. */
  readonly evaluations?: Evaluations | undefined;
  /** Asked before every step: true on one rank ends the run of all with a checkpoint. */
  stopRequested(): boolean;
  /** Milliseconds of a steady clock. */
  now(): number;
}

/** Steps whose numbers may be outstanding. */
const inFlight = 2;
/** Overflows in a row that end a run: from 65 536 they take a scale below 1. */
const mostOverflows = 20;

/** What is counted of the data of a step. */
interface BatchCounts {
  readonly skippedBy: DropCounts;
  readonly repeatedTexts: number | undefined;
  readonly lacked: ShardLosses | undefined;
}

interface Started {
  readonly step: number;
  readonly lr: number;
  readonly dataWait: number;
  readonly counts: BatchCounts;
  readonly epoch: number;
  readonly result: Promise<StepResult>;
}

/** The optimizer's values at a step. */
export function hyperAt(
  loop: Pick<TrainLoop, 'schedule' | 'settings' | 'gradClip'>,
  step: number,
  seed: number,
): StepHyper {
  const { rule } = loop.settings;
  const correction = (beta: number) => 1 - beta ** (step + 1);
  return {
    lr: learningRate(loop.schedule, step),
    biasCorrection1: rule.kind === 'adamw' ? correction(rule.beta1) : 1,
    biasCorrection2: rule.kind === 'adamw' ? correction(rule.beta2) : 1,
    clipNorm: loop.gradClip ?? 0,
    random: { seed, step },
  };
}

/**
 * Trains from `start` to `end`, or until a stop is requested.
 * @returns the number of steps done in all, saved in a checkpoint
 * @throws DiagnosticError Z609 when a loss or gradient is not finite; checkpoints stay as they were
 */
export async function trainLoop(loop: TrainLoop): Promise<number> {
  const started: Started[] = [];
  let last = loop.now();

  const report = async (): Promise<void> => {
    const { step, lr, dataWait, counts, epoch, result } = started.shift()!;
    const { loss, terms, gradNorm, scalars, scaling, exchangeMs, textLength } = await result;
    checkStep(step, { loss, gradNorm, ...(scaling === undefined ? {} : { scaling }) }, lr);
    const now = loop.now();
    const samples = loop.batch / Math.max((now - last) / 1000, 1e-9);
    last = now;
    loop.row({
      step,
      loss,
      ...terms,
      lr,
      ...scalars,
      grad_norm: gradNorm,
      ...(scaling ? { loss_scale: scaling.scale, overflow: scaling.overflow } : {}),
      samples_per_second: rounded(samples),
      data_wait_ms: rounded(dataWait),
      ...(exchangeMs === undefined ? {} : { exchange_wait_ms: rounded(exchangeMs) }),
      ...(textLength === undefined ? {} : { text_length: textLength }),
      ...columnsOf(counts),
      epoch,
    });
  };
  const drain = async (): Promise<void> => {
    while (started.length > 0) await report();
  };

  let step = loop.start;
  let saved = loop.start;
  try {
    while (step < loop.end && !(await stopAgreed(loop, step))) {
      const asked = loop.now();
      const { epoch, seed } = loop.source.cursor();
      const batch = await loop.source.next();
      const dataWait = loop.now() - asked;
      const counts = await countsOf(loop, batch, step);
      const hyper = hyperAt(loop, step, seed);
      loop.fed?.(step, batch);
      const result = loop.session.step(batch, hyper);
      // A failure is seen when the step's turn to report comes.
      result.catch(() => {});
      started.push({
        step,
        lr: hyper.lr,
        dataWait,
        counts,
        epoch,
        result,
      });
      step++;
      await loop.session.taken?.();
      while (started.length > inFlight) await report();
      const evaluates = loop.evaluations?.due(step) === true;
      const saves = loop.saveEvery !== undefined && step % loop.saveEvery === 0;
      if (!evaluates && !saves) continue;
      await drain();
      // Before it is saved: a run that goes on from here has been evaluated here.
      if (evaluates) await loop.evaluations?.run(step);
      if (saves) {
        await saveAt(loop, step);
        saved = step;
      }
      // The rate is that of training.
      last = loop.now();
    }
    await drain();
  } finally {
    await Promise.allSettled(started.map((s) => s.result));
  }
  if (saved !== step) await saveAt(loop, step);
  return step;
}

/** All ranks give what they keep, and say where they are in the data; one writes. */
async function saveAt(loop: TrainLoop, step: number): Promise<void> {
  await loop.session.collect?.();
  await loop.save(step, await jointCursor(loop.source, loop.group));
}

/** Ranks take the same steps, so they stop before the same one. */
async function stopAgreed({ group, stopRequested }: TrainLoop, step: number): Promise<boolean> {
  if (group.size === 1) return stopRequested();
  const asked = await allNumbers(group, `whether to stop before step ${step}`, [stopRequested() ? 1 : 0]);
  return asked.some(([flag]) => flag === 1);
}

/** What is counted of a batch, on several ranks over all their rows. */
async function countsOf({ group, source }: TrainLoop, batch: Batch, step: number): Promise<BatchCounts> {
  const { skippedBy = {}, repeatedTexts, texts, lacked } = batch;
  if (group.size === 1 || !source.shared) return { skippedBy, repeatedTexts, lacked };
  const what = `the data of step ${step}`;
  const own = [dropNumbers(skippedBy), dropNumbers(lacked?.leftOut ?? {}), [lacked?.inError ?? 0]];
  const all = await allNumbers(group, what, own.flat());
  const [skipped, leftOut, inError] = own.map((part, i) => {
    const at = own.slice(0, i).flat().length;
    return part.map((_, n) => all.reduce((sum, numbers) => sum + numbers[at + n]!, 0));
  }) as [number[], number[], number[]];
  const gathered: Float64Array[] = [];
  for (const own of texts ?? []) {
    const digests = new Float64Array(own.length * group.size);
    await group.allGather(what, bytesOf(own), bytesOf(digests));
    gathered.push(digests);
  }
  return {
    skippedBy: dropsOf(skipped),
    repeatedTexts: texts === undefined ? undefined : countRepeated(gathered),
    lacked: lacked && { leftOut: dropsOf(leftOut), inError: inError[0]! },
  };
}

/** Kinds of drops have columns of their own, named behind the column of their sum. */
function columnsOf({ skippedBy, repeatedTexts, lacked }: BatchCounts): Pick<OwnColumns, 'skipped'> {
  const byKind = (column: string, counts: DropCounts) =>
    Object.fromEntries(Object.entries(counts).map(([kind, count]) => [`${column}.${kind}`, count]));
  return {
    skipped: totalOf(skippedBy),
    ...byKind('skipped', skippedBy),
    ...(repeatedTexts === undefined ? {} : { repeated_texts: repeatedTexts }),
    ...(lacked === undefined
      ? {}
      : {
          left_out: totalOf(lacked.leftOut),
          ...byKind('left_out', lacked.leftOut),
          shards_in_error: lacked.inError,
        }),
  };
}

/** @throws DiagnosticError Z609 when the numbers of a step are not finite */
export function checkStep(
  step: number,
  { loss, gradNorm, scaling }: Pick<StepResult, 'loss' | 'gradNorm' | 'scaling'>,
  lr: number,
): void {
  if (scaling?.overflow) checkOverflows(step, scaling);
  else if (!Number.isFinite(loss) || !Number.isFinite(gradNorm)) failNotFinite(step, loss, gradNorm, lr);
}

/** An overflow is how a dynamic scale finds its place; many in a row have another cause. */
function checkOverflows(step: number, { scale, inRow }: LossScaling): void {
  if (inRow < mostOverflows) return;
  fail(
    'Z609',
    `training diverged: ${inRow} steps up to step ${step} overflowed one after the other, the last at a loss scale of ${scale}; the last checkpoint is kept`,
    'precision = f32, a lower learning rate, or a longer warm-up',
  );
}

function failNotFinite(step: number, loss: number, gradNorm: number, lr: number): never {
  const what = Number.isFinite(loss) ? `the gradient's norm is ${gradNorm}` : `the loss is ${loss}`;
  fail(
    'Z609',
    `training diverged at step ${step}: ${what} (learning rate ${lr.toPrecision(3)}); the last checkpoint is kept`,
    'lower the learning rate, lengthen the warm-up or set grad_clip = norm(1.0)',
  );
}

function rounded(value: number): number {
  return Number(value.toPrecision(5));
}
