/**
 * One of the lanes that streamed shards are read in: a sequence of shards of its own, of which blocks of samples are
 * in memory and given in a random order.
 *
 * Where a lane stands is told by the beginning of its block (a shard of its sequence and the samples before it there)
 * and the number of samples given from it, so that resuming reads one block again.
 */

import { randomBelow, randomKey, randomOrder } from '../../random.ts';
import type { Row } from '../columns/row.ts';

export interface LaneState {
  /** Of the block's beginning, counted from the lane's first shard on through all epochs. */
  readonly shard: number;
  /** Usable samples of that shard before the block. */
  readonly before: number;
  /** Samples of the block that were given; -1 where the lane has come to nothing. */
  readonly given: number;
}

export interface LaneSample {
  readonly row: Row;
  /** Pass over the lane's shards. */
  readonly epoch: number;
  /** Tells the samples of all shards apart. */
  readonly index: number;
}

interface LaneOptions {
  readonly seed: number;
  /** Number of this lane. */
  readonly lane: number;
  /** Numbers of its shards among all; with `resampled` those of all. */
  readonly shards: readonly number[];
  readonly resampled: boolean;
  readonly shuffle: boolean;
  /** Samples of a block. */
  readonly block: number;
  /** Usable samples of a shard; ends, and does not throw, where it cannot be read on. */
  open(shard: number): AsyncGenerator<Row, void>;
}

/** Samples that one shard is counted to have at most. */
const samplesPerShard = 2 ** 22;

interface Block {
  readonly shard: number;
  readonly before: number;
  readonly samples: readonly LaneSample[];
  /** Where the next one begins. */
  readonly end: { readonly shard: number; readonly before: number };
}

export class Lane {
  readonly #options: LaneOptions;
  /** Of the lane's shard that is being read. */
  #reader: AsyncGenerator<Row, void> | undefined;
  #block: Block | undefined;
  #order: (place: number) => number = (place) => place;
  #given = 0;
  #next: Promise<Block | undefined> | undefined;
  #begin: { readonly shard: number; readonly before: number };
  #over: boolean;
  #closed = false;

  constructor(options: LaneOptions, state: LaneState) {
    this.#options = options;
    this.#begin = { shard: state.shard, before: state.before };
    this.#given = Math.max(0, state.given);
    this.#over = state.given < 0;
  }

  get state(): LaneState {
    return { ...this.#begin, given: this.#over ? -1 : this.#given };
  }

  /** Undefined where no shard of a whole epoch of the lane has a sample. */
  async next(): Promise<LaneSample | undefined> {
    while (!this.#over && !this.#closed) {
      if (this.#block === undefined) await this.#advance();
      const block = this.#block;
      if (block === undefined) break;
      if (this.#given < block.samples.length) {
        const sample = block.samples[this.#order(this.#given++)]!;
        // The next block is read while the second half of this one is used.
        if (this.#given * 2 >= block.samples.length) this.#readAhead(block.end);
        return sample;
      }
      this.#begin = block.end;
      this.#given = 0;
      this.#block = undefined;
    }
    this.#over ||= !this.#closed;
    return undefined;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#next?.catch(() => {});
    await this.#reader?.return();
  }

  async #advance(): Promise<void> {
    this.#readAhead(this.#begin);
    const block = await this.#next;
    this.#next = undefined;
    this.#block = block;
    if (block === undefined) return;
    const { seed, lane, shuffle } = this.#options;
    const key = randomKey(seed, 'block', lane, block.shard, block.before);
    if (shuffle) this.#order = randomOrder(key, block.samples.length);
  }

  #readAhead(from: { readonly shard: number; readonly before: number }): void {
    this.#next ??= this.#read(from.shard, from.before);
    this.#next.catch(() => {});
  }

  /** The shard that stands at a place of the lane's sequence. */
  #shardAt(place: number): number {
    const { seed, lane, shards, resampled, shuffle } = this.#options;
    if (resampled) return shards[randomBelow(randomKey(seed, 'lane', lane), place, shards.length)]!;
    const epoch = Math.floor(place / shards.length);
    const within = place % shards.length;
    if (!shuffle) return shards[within]!;
    return shards[randomOrder(randomKey(seed, 'lane', lane, epoch), shards.length)(within)]!;
  }

  /** The block that begins there; it ends with the lane's epoch, so that it has no sample twice. */
  async #read(shard: number, before: number): Promise<Block | undefined> {
    const { block, shards, open } = this.#options;
    const samples: LaneSample[] = [];
    const empty = shard + shards.length;
    let [begin, at, number] = [shard, shard, before];
    while (samples.length < block && !this.#closed) {
      if (this.#reader === undefined) {
        this.#reader = open(this.#shardAt(at));
        // What a block before had of this shard.
        for (let skipped = 0; skipped < number; skipped++) await this.#reader.next();
      }
      const { value: row, done } = await this.#reader.next();
      if (done !== true) {
        const index = this.#shardAt(at) * samplesPerShard + number++;
        samples.push({ row, epoch: Math.floor(at / shards.length), index });
        continue;
      }
      this.#reader = undefined;
      at++;
      number = 0;
      if (at % shards.length === 0 && samples.length > 0) break;
      if (samples.length === 0) {
        if (at > empty) return undefined;
        begin = at;
      }
    }
    const beginsLater = begin !== shard;
    return { shard: begin, before: beginsLater ? 0 : before, samples, end: { shard: at, before: number } };
  }
}
