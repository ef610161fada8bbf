/**
 * One process's share of a training run: from the first weights or a checkpoint to the final weights.
 *
 * Works on any `TrainSession` and `BatchSource`. The order on disk is what makes a kill harmless: metrics
 * durable, checkpoint durable, `latest.json` durable, older checkpoints removed; the final weights last.
 */
import { join } from 'node:path';
import type { Recipe, Weight } from '../../../compiler/model/types.ts';
import { averagePrefix } from '../../../compiler/optimizers.ts';
import type { Plan } from '../../../compiler/plan/types.ts';
import { type TensorToWrite, writeSafetensors } from '../../data/safetensors/file.ts';
import type { BatchSource } from '../../data/types.ts';
import type { Collective } from '../../dist/collective.ts';
import { beginState, CarriedWeights, toFloat32 } from '../carried.ts';
import type { RunSettings } from '../changes.ts';
import { evaluationsOf, type PlannedEvaluation } from '../evaluations.ts';
import { agreedBeginning, shareState } from '../ranks.ts';
import { inSteps, type Schedule } from '../schedule.ts';
import { trainLoop } from '../trainer.ts';
import type { MetricsRow, TrainSession, UpdateSettings } from '../types.ts';
import { type Checkpoint, type CheckpointStore, restoreState } from './checkpoints.ts';
import type { RunLock } from './lock.ts';
import { RunLogs, type Showing } from './log.ts';
import { MetricsFile } from './metrics.ts';
import type { RunTeller } from './progress.ts';
import type { StopSignal } from './signals.ts';

/** What a run needs to know of its recipe and its caller. */
export interface RunOptions {
  readonly recipe: Pick<Recipe, 'model' | 'batch' | 'gradClip' | 'checkpoint'>;
  /** The run folder. */
  readonly out: string;
  /** End before this step, counted from the run's beginning; the schedule's length by default. */
  readonly steps?: number;
  /** Starting values of one weight, row-major in its shape. Not asked when a checkpoint is resumed. */
  initialWeight(weight: Weight): Promise<Float32Array>;
  readonly teller: RunTeller;
  /** What is evaluated on the way. */
  readonly evaluations?: readonly PlannedEvaluation[];
  /** What shows the run beside `metrics.jsonl`. */
  readonly logs?: readonly Showing[];
}

export interface TrainResult {
  /** Steps done since the run's beginning. */
  readonly steps: number;
  /** Ended early by a signal; resume to go on. */
  readonly stopped: boolean;
  /** The row of the last step of this process. */
  readonly last?: MetricsRow;
  /** The final weights; absent where the run was stopped. */
  readonly weights?: string;
  readonly seconds: number;
}

/** Without a `checkpoint` line in the recipe. */
export const defaultCheckpoint = { every: { value: 500, unit: 'steps' }, keep: 2 } as const;

/** What a run works with. */
export interface RunParts {
  readonly session: TrainSession;
  /** The ranks of the run; this one is rank 0. */
  readonly group: Collective;
  /** Of one step on the device; absent on the reference. */
  readonly plan?: Plan;
  readonly source: BatchSource;
  readonly schedule: Schedule;
  readonly settings: UpdateSettings;
  readonly store: CheckpointStore;
  /** Of the run folder. */
  readonly lock: RunLock;
  /** What its checkpoints must agree on. */
  readonly modelHash: string;
  /** What they are compared by. */
  readonly compared: RunSettings;
  /** Weights that count batches seen by batch norm, and how many a step shows it: one for each chunk. */
  readonly counters: ReadonlySet<string>;
  readonly seenPerStep: number;
}

/** One process's share of a run. */
export class Run {
  readonly #options: RunOptions;
  readonly #parts: RunParts;
  /** Weights that no step uses. */
  readonly #carried: CarriedWeights;

  constructor(options: RunOptions, parts: RunParts) {
    this.#options = options;
    this.#parts = parts;
    this.#carried = new CarriedWeights(parts.counters, parts.seenPerStep);
  }

  /** Trains on, or from the start without a checkpoint, until the end or a stop. */
  async go(checkpoint: Checkpoint | undefined, signal: StopSignal): Promise<TrainResult> {
    const { recipe, out, teller } = this.#options;
    const { session, group, plan, source, schedule, settings, store, lock, modelHash, compared } =
      this.#parts;
    const began = performance.now();
    const start = checkpoint?.state.step ?? 0;
    this.#carried.beginAt(start);
    const end = Math.max(start, this.#options.steps ?? schedule.total);
    if (checkpoint) {
      teller.doing('reading the checkpoint');
      await this.#restore(checkpoint);
      teller.note(`resuming at step ${start} of ${end}`);
    } else await this.#initialise();
    const saveEvery = this.#saveEvery();
    await agreedBeginning(group, { start, end, cursor: source.cursor(), saveEvery });
    await shareState(group, session);
    const logs = await RunLogs.open(
      [() => MetricsFile.open(join(out, 'metrics.jsonl'), start, teller.warn)],
      this.#options.logs ?? [],
      { out, start, end, schedule, updates: settings, compared, ...(plan === undefined ? {} : { plan }) },
      teller.warn,
    );
    let last: MetricsRow | undefined;
    try {
      const steps = await trainLoop({
        session,
        group,
        source,
        schedule,
        settings,
        ...(recipe.gradClip === undefined ? {} : { gradClip: recipe.gradClip }),
        batch: recipe.batch,
        start,
        end,
        saveEvery,
        evaluations: evaluationsOf(
          this.#options.evaluations ?? [],
          {
            ...{ group, session, end, batchesPerEpoch: source.batchesPerEpoch },
            weights: recipe.model.weights,
            carried: (name) => this.#carried.values(name),
          },
          (step, results) => logs.evaluated(step, results),
        ),
        fed: (step, batch) => logs.fed(step, batch),
        row: (row) => {
          last = row;
          logs.row(row);
        },
        save: async (step, cursor) => {
          await lock.check();
          await logs.flush();
          const state = { step, cursor, modelHash, settings: compared };
          await logs.saved(step, await store.save(session, this.#carried.behind(step), state));
        },
        stopRequested: () => signal.requested || lock.lost,
        now: () => performance.now(),
      });
      const stopped = steps < end;
      await lock.check();
      const weights = stopped ? undefined : await this.#writeWeights(steps);
      await logs.ended({ steps, stopped });
      const seconds = (performance.now() - began) / 1000;
      return { steps, stopped, seconds, ...(last ? { last } : {}), ...(weights ? { weights } : {}) };
    } finally {
      await logs.close();
    }
  }

  #saveEvery(): number {
    const { every } = this.#options.recipe.checkpoint ?? defaultCheckpoint;
    return Math.max(1, inSteps(every, this.#parts.source.batchesPerEpoch));
  }

  async #initialise(): Promise<void> {
    const { teller, recipe } = this.#options;
    const read = (weight: Weight) => this.#options.initialWeight(weight);
    const told = (done: number, of: number) => teller.doing('starting weights', done, of);
    await beginState(this.#parts.session, recipe.model.weights, read, this.#carried, told);
  }

  async #restore({ path, state }: Checkpoint): Promise<void> {
    const weights = new Map(this.#options.recipe.model.weights.map((w) => [w.name, w]));
    await restoreState(path, this.#parts.session, (name, data) => {
      const weight = weights.get(name);
      if (weight)
        this.#carried.carry(weight, data instanceof BigInt64Array ? Float32Array.from(data, Number) : data);
    });
    this.#parts.source.seek(state.cursor);
  }

  /**
   * The final weights in state_dict order, as float32; in front of them their moving averages, beside what has
   * none (buffers, frozen weights) as it is.
   */
  async #writeWeights(steps: number): Promise<string> {
    const carried = new Map(this.#carried.behind(steps).map((tensor) => [tensor.name, tensor]));
    const { session } = this.#parts;
    const averaged = new Set(session.state.map((s) => s.name).filter((n) => n.startsWith(averagePrefix)));
    const write = async (file: string, stateOf: (name: string) => string): Promise<string> => {
      const path = join(this.#options.out, file);
      const tensors = this.#options.recipe.model.weights.map((weight): TensorToWrite => {
        const { name, shape } = weight;
        const data = async () => toFloat32(await session.readState(stateOf(name)));
        return carried.get(name) ?? { name, shape, dtype: 'F32', data };
      });
      const metadata = { model: this.#options.recipe.model.name };
      await writeSafetensors(path, tensors, metadata, { checksum: true });
      return path;
    };
    if (this.#parts.settings.ema !== undefined)
      await write('weights_ema.safetensors', (name) =>
        averaged.has(averagePrefix + name) ? averagePrefix + name : name,
      );
    return write('weights.safetensors', (name) => name);
  }
}
