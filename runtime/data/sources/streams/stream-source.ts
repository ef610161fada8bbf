/**
 * Batches of shards that stream by: place i of a batch is the next sample of lane i modulo the number of lanes.
 *
 * Which samples a batch has is a function of the shards' content, the seed and the step, whatever the threads; with a
 * number of ranks that divides the lanes, each rank reads its own lanes alone.
 */
import { fail } from '../../../../grammar/diagnostics.ts';
import type { Batch, BatchSource, DataCursor, DataIdentity, ShardLosses } from '../../types.ts';
import { BatchArrays } from '../batches/sample-batches.ts';
import type { UnreadablePictures } from '../columns/unreadable.ts';
import type { FedColumns, ReadSample } from '../samples.ts';
import type { SourceContext } from '../source-context.ts';
import type { Lane, LaneSample, LaneState } from './lane.ts';

interface StreamParts {
  readonly context: SourceContext;
  readonly columns: FedColumns;
  readonly unreadable: UnreadablePictures;
  readonly identity: DataIdentity;
  readonly lanes: number;
  /** Samples of an epoch, where they are known. */
  readonly samples: number | undefined;
  /** What messages call the shards. */
  readonly name: string;
  openLane(lane: number, state: LaneState): Lane;
  /** Ends what is being read. */
  close(): void;
  lacked(): ShardLosses;
  /** Shards that are being read, in words. */
  waiting(): string;
}

interface Made {
  readonly batch: Batch;
  /** Where the lanes stand behind it. */
  readonly states: readonly LaneState[];
}

const begin: LaneState = { shard: 0, before: 0, given: 0 };
/** Batches made while one is in use. */
const ahead = 2;

export class StreamSource implements BatchSource {
  readonly identity: DataIdentity;
  readonly batchesPerEpoch?: number;
  readonly #parts: StreamParts;
  readonly #arrays: BatchArrays;
  #lanes: Lane[];
  /** Batches handed out, and where the lanes stood behind them. */
  #count = 0;
  #states: readonly LaneState[];
  #queue: Promise<Made>[] = [];
  #last: Promise<unknown> = Promise.resolve();
  #lent: Batch | undefined;
  readonly #old: Promise<void>[] = [];

  constructor(parts: StreamParts) {
    const { context, samples, lanes, identity } = parts;
    this.#parts = parts;
    this.identity = identity;
    if (samples !== undefined) this.batchesPerEpoch = Math.max(1, Math.floor(samples / context.batch));
    this.#arrays = new BatchArrays(context);
    this.#states = Array.from({ length: lanes }, () => begin);
    this.#lanes = this.#states.map((state, lane) => parts.openLane(lane, state));
  }

  async next(): Promise<Batch> {
    if (this.#lent !== undefined) this.#arrays.recycle(this.#lent.inputs);
    this.#lent = undefined;
    this.#fill();
    const { batch, states } = await this.#queue[0]!;
    this.#queue.shift();
    this.#states = states;
    this.#count++;
    this.#lent = batch;
    this.#fill();
    return batch;
  }

  cursor(): DataCursor {
    const perEpoch = this.batchesPerEpoch ?? Number.POSITIVE_INFINITY;
    const epoch = Math.floor(this.#count / perEpoch);
    const batch = epoch === 0 ? this.#count : this.#count % perEpoch;
    const lanes = this.#states.map(({ shard, before, given }) => [shard, before, given] as const);
    return { epoch, batch, seed: this.#parts.context.seed, lanes };
  }

  /** @throws DiagnosticError Z524 for a cursor of other lanes */
  seek({ epoch, batch, seed, lanes }: DataCursor): void {
    const { context, openLane } = this.#parts;
    if (seed !== context.seed)
      fail('Z524', `the place in the data is of a run with seed ${seed}, this one has seed ${context.seed}`);
    const fresh = lanes === undefined && epoch === 0 && batch === 0;
    if (!fresh && lanes?.length !== this.#states.length)
      fail(
        'Z524',
        `the place in the data is of ${lanes?.length ?? 'no'} lanes, now there are ${this.#states.length}`,
      );
    for (const lane of this.#lanes) this.#old.push(lane.close());
    this.#states =
      lanes?.map(([shard, before, given]) => ({ shard, before, given })) ?? this.#states.map(() => begin);
    this.#count = epoch * (this.batchesPerEpoch ?? 0) + batch;
    this.#lanes = this.#states.map((state, lane) => openLane(lane, state));
    this.#queue = [];
    this.#last = Promise.resolve();
  }

  waitingFor(): string {
    return this.#parts.waiting();
  }

  async close(): Promise<void> {
    this.#queue = [];
    const { close, unreadable, columns } = this.#parts;
    close();
    unreadable.close();
    await Promise.allSettled([this.#last, ...this.#old, ...this.#lanes.map((lane) => lane.close())]);
    await columns.close();
  }

  #fill(): void {
    while (this.#queue.length < ahead) {
      const lanes = this.#lanes;
      const made = this.#last.then(() => this.#make(lanes));
      // A failure is told to whoever takes the batch.
      made.catch(() => {});
      this.#last = made;
      this.#queue.push(made);
    }
  }

  async #make(lanes: readonly Lane[]): Promise<Made> {
    const { context, unreadable } = this.#parts;
    const inputs = this.#arrays.take();
    const seen = new Set<number>();
    let open = Array.from({ length: context.batch }, (_, place) => place);
    let skipped = 0;
    while (open.length > 0) {
      const taken: LaneSample[] = [];
      // One after the other, so that nothing depends on which lane is quick.
      for (const place of open) taken.push(await this.#take(lanes, place, seen));
      const read = await Promise.all(taken.map((sample, i) => this.#read(inputs, open[i]!, sample)));
      for (const [i, failure] of read.entries()) unreadable.note(taken[i]!.index, failure);
      unreadable.check();
      open = open.filter((_, i) => read[i] !== undefined);
      if (skipped === 0) skipped = open.length;
    }
    unreadable.tell();
    return {
      batch: this.#arrays.finish(inputs, skipped, this.#parts.lacked()),
      states: lanes.map(({ state }) => state),
    };
  }

  /** The next sample of a place's lane, or of the next one where that has come to nothing; none that the batch has. */
  async #take(lanes: readonly Lane[], place: number, seen: Set<number>): Promise<LaneSample> {
    for (let other = 0; other < lanes.length; other++) {
      const lane = lanes[(place + other) % lanes.length]!;
      for (let repeated = 0; repeated < mostRepeated; repeated++) {
        const sample = await lane.next();
        if (sample === undefined) break;
        if (seen.has(sample.index)) continue;
        seen.add(sample.index);
        return sample;
      }
    }
    const { name } = this.#parts;
    return fail(
      'Z452',
      `${name}: a batch of ${this.#parts.context.batch} cannot be filled: no shard has samples that can be used, or there are too few`,
    );
  }

  async #read(inputs: Batch['inputs'], place: number, { row, epoch, index }: LaneSample) {
    const { columns } = this.#parts;
    const sample = await columns.read(index, row);
    if ('reason' in sample) return sample;
    await columns.fill(inputs, place, sample satisfies ReadSample, epoch, index);
    return undefined;
  }
}

/** Samples of a lane in a row that a batch has already; more mean that there are too few for a batch. */
const mostRepeated = 100_000;
