/**
 * Batches made ahead of their use: the order, the cursor and the queue that every data source shares.
 *
 * A source only says how to make batch b of epoch e; because that is a function of (seed, e, b), reading
 * ahead and seeking cannot change what comes out.
 */
import { fail } from '../../../../grammar/diagnostics.ts';
import type { Batch, BatchSource, DataCursor, DataIdentity, LanePlace } from '../../types.ts';

/** A batch, and where the lanes of streams stand behind it. */
export interface MadeBatch extends Batch {
  readonly lanes?: DataCursor['lanes'];
}

export interface BatchMaker {
  /** Absent where nothing says how many samples there are: then there is one endless epoch. */
  readonly batchesPerEpoch?: number;
  readonly identity: DataIdentity;
  /** Makes the rows of its rank alone. */
  readonly shared?: boolean;
  /** Where the lanes of streams stand at the beginning; absent where there are none. */
  readonly lanes?: readonly LanePlace[];
  /** Lets lanes go on from there: what is made next is the batch of that place. */
  seek?(lanes: readonly LanePlace[]): void;
  /** Batch `batch` of epoch `epoch`; calls may overlap, and are in order between calls of `seek`. */
  make(epoch: number, batch: number): Promise<MadeBatch>;
  /** What is being read, in words. */
  waitingFor?(): string;
  /** The arrays of a batch that nobody uses any more. */
  recycle?(batch: Batch): void;
  close(): Promise<void>;
}

interface Coming {
  readonly epoch: number;
  readonly batch: number;
  readonly made: Promise<MadeBatch>;
}

export class PrefetchedSource implements BatchSource {
  readonly batchesPerEpoch?: number;
  readonly identity: DataIdentity;
  readonly shared: boolean;
  readonly #maker: BatchMaker;
  readonly #seed: number;
  readonly #ahead: number;
  #queue: Coming[] = [];
  #epoch = 0;
  #batch = 0;
  #lanes: DataCursor['lanes'];
  #lent: Batch | undefined;

  /** @param ahead batches to make while one is in use */
  constructor(maker: BatchMaker, seed: number, ahead: number) {
    if (maker.batchesPerEpoch !== undefined) this.batchesPerEpoch = maker.batchesPerEpoch;
    this.#lanes = maker.lanes;
    this.identity = maker.identity;
    this.shared = maker.shared ?? false;
    this.#maker = maker;
    this.#seed = seed;
    this.#ahead = ahead;
  }

  async next(): Promise<Batch> {
    if (this.#lent !== undefined) this.#maker.recycle?.(this.#lent);
    this.#lent = undefined;
    this.#fill();
    const { lanes, ...batch } = await this.#queue.shift()!.made;
    this.#lanes = lanes;
    [this.#epoch, this.#batch] = this.#after(this.#epoch, this.#batch);
    this.#lent = batch;
    this.#fill();
    return batch;
  }

  cursor(): DataCursor {
    const place = { epoch: this.#epoch, batch: this.#batch, seed: this.#seed };
    return this.#lanes === undefined ? place : { ...place, lanes: this.#lanes };
  }

  /** @throws DiagnosticError Z524 when the cursor is not one of this data and seed */
  seek(cursor: DataCursor): void {
    const { epoch, batch, seed } = cursor;
    const inside = Number.isSafeInteger(epoch) && epoch >= 0 && Number.isSafeInteger(batch) && batch >= 0;
    if (seed !== this.#seed)
      fail('Z524', `the place in the data is of a run with seed ${seed}, this one has seed ${this.#seed}`);
    if (!inside || batch >= this.#perEpoch)
      fail(
        'Z524',
        `the data has no batch ${batch} in epoch ${epoch}: an epoch has ${this.#perEpoch} batches`,
      );
    this.#seekLanes(cursor);
    this.#queue = [];
    this.#epoch = epoch;
    this.#batch = batch;
  }

  waitingFor(): string {
    return this.#maker.waitingFor?.() ?? 'the next batch';
  }

  async close(): Promise<void> {
    this.#queue = [];
    await this.#maker.close();
  }

  get #perEpoch(): number {
    return this.batchesPerEpoch ?? Number.POSITIVE_INFINITY;
  }

  #seekLanes({ epoch, batch, lanes }: DataCursor): void {
    const begin = this.#maker.lanes;
    if (begin === undefined) return;
    const places = lanes ?? (epoch === 0 && batch === 0 ? begin : []);
    const known = places.filter((place) => place !== null);
    if (known.length !== begin.length)
      fail(
        'Z524',
        `the place in the data is of ${known.length || 'no'} lanes, now there are ${begin.length}`,
      );
    this.#maker.seek?.(known);
    this.#lanes = known;
  }

  #after(epoch: number, batch: number): [number, number] {
    return batch + 1 < this.#perEpoch ? [epoch, batch + 1] : [epoch + 1, 0];
  }

  #fill(): void {
    while (this.#queue.length < this.#ahead) {
      const last = this.#queue.at(-1);
      const [epoch, batch] =
        last === undefined ? [this.#epoch, this.#batch] : this.#after(last.epoch, last.batch);
      const made = this.#maker.make(epoch, batch);
      // A failure is told to whoever takes the batch; one that was dropped by `seek` or `close` tells nobody.
      made.catch(() => {});
      this.#queue.push({ epoch, batch, made });
    }
  }
}
