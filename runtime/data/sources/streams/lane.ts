/**
 * One of the lanes that streamed shards are read in: a sequence of shards of its own, of which blocks of samples are
 * in memory and given in a random order.
 *
 * Where a lane stands is told by the beginning of its block (a shard of its sequence and the samples before it there)
 * and the number of samples given from it, so that resuming reads one block again.
 */

import { randomBelow, randomKey, randomOrder } from '../../random.ts';
import type { Row } from '../columns/row.ts';
import type { Failure } from '../columns/unreadable.ts';

interface ShardPlace {
  /** Counted from the lane's first shard on through all epochs. */
  readonly shard: number;
  /** Usable samples of that shard before. */
  readonly before: number;
}

export interface LaneState extends ShardPlace {
  /** Samples of the block that begins there that were given; -1 where the lane has come to nothing. */
  readonly given: number;
}

export const laneBegin: LaneState = { shard: 0, before: 0, given: 0 };

export interface LaneSample {
  /** Its bytes, or why they cannot be used. */
  content: Row | Failure;
  /** Pass over the lane's shards. */
  readonly epoch: number;
  /** Tells the samples of all shards apart. */
  readonly index: number;
}

interface LaneOptions {
  readonly seed: number;
  /** Number of this lane. */
  readonly lane: number;
  /** Numbers of its shards among all. */
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

/** Undefined where no shard of a whole pass has a sample. */
type NextBlock = () => Promise<Block | undefined>;

/** Blocks know the next one and not the last: what nobody has a window on goes. */
interface Block {
  readonly place: ShardPlace;
  readonly length: number;
  /** Where the next one begins. */
  readonly end: ShardPlace;
  at(place: number): LaneSample;
  /** Read once, whoever asks. */
  readonly next: NextBlock;
}

function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => {
    made ??= make();
    // A failure is told to whoever waits for it.
    made.catch(() => {});
    return made;
  };
}

/** Where a lane stands, with the block there. */
interface Position extends LaneState {
  readonly block: NextBlock;
}

/** The samples from a place of a lane on, each once. */
export class LaneWindow {
  readonly #found: { readonly sample: LaneSample; readonly block: Block; readonly given: number }[] = [];
  readonly #seen = new Set<number>();
  readonly #without: LaneWindow | undefined;
  readonly #begin: Position;
  #block: Block | undefined;
  #given: number;
  /** Pass that the last sample was found in that was not there before. */
  #fresh: number | undefined;
  #over: boolean;
  #walk: Promise<unknown> = Promise.resolve();

  /** @param without samples that are another window's */
  constructor(begin: Position, without?: LaneWindow) {
    this.#begin = begin;
    this.#given = begin.given;
    this.#over = begin.given < 0;
    this.#without = without;
  }

  /** Samples found so far. */
  get length(): number {
    return this.#found.length;
  }

  /** Undefined where a whole pass over the shards has no more. */
  at(place: number): Promise<LaneSample | undefined> {
    // One step after the other: places are looked up at the same time.
    const found = this.#walk.then(async () => {
      while (this.#found.length <= place && !this.#over) await this.#step();
      return this.#found[place]?.sample;
    });
    this.#walk = found;
    found.catch(() => {});
    return found;
  }

  /** @returns how many of so many samples there are */
  async fill(places: number): Promise<number> {
    if (places > 0) await this.at(places - 1);
    return Math.min(places, this.length);
  }

  /** Behind the first samples found. */
  behind(places: number): Position {
    const last = this.#found[places - 1];
    if (last === undefined)
      return this.#over && this.length === 0 ? { ...this.#begin, given: -1 } : this.#begin;
    const { block, given } = last;
    if (given === block.length) return { ...block.end, given: 0, block: block.next };
    // The next block is read while the second half of this one is used.
    if (given * 2 >= block.length) void block.next();
    return { ...block.place, given, block: async () => block };
  }

  has(index: number): boolean {
    return this.#seen.has(index);
  }

  async #step(): Promise<void> {
    const block = this.#block ?? (await this.#begin.block());
    if (block === undefined) {
      this.#over = true;
    } else if (this.#given >= block.length) {
      this.#block = await block.next();
      this.#given = 0;
      this.#over = this.#block === undefined;
    } else {
      this.#block = block;
      this.#see(block, block.at(this.#given++));
    }
  }

  #see(block: Block, sample: LaneSample): void {
    const { epoch, index } = sample;
    this.#fresh ??= epoch;
    if (this.#seen.has(index) || this.#without?.has(index)) {
      this.#over = epoch > this.#fresh + 1;
      return;
    }
    this.#fresh = epoch;
    this.#seen.add(index);
    this.#found.push({ sample, block, given: this.#given });
  }
}

export class Lane {
  readonly #options: LaneOptions;
  #position: Position;
  /** Of the lane's shard that is being read. */
  #reader: AsyncGenerator<Row, void> | undefined;
  #reading: Promise<unknown> = Promise.resolve();
  #closed = false;

  constructor(options: LaneOptions, state: LaneState) {
    this.#options = options;
    this.#position = { ...state, block: this.#reads(state) };
  }

  get state(): LaneState {
    const { shard, before, given } = this.#position;
    return { shard, before, given };
  }

  /** The samples from where the lane stands on. */
  window(without?: LaneWindow): LaneWindow {
    return new LaneWindow(this.#position, without);
  }

  /** Goes on behind the first samples that the window has found. */
  pass(window: LaneWindow, places: number): void {
    this.#position = window.behind(places);
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#reading.catch(() => {});
    await this.#reader?.return();
  }

  #reads(from: ShardPlace): NextBlock {
    return once(() => {
      const read = this.#read(from);
      this.#reading = read;
      return read;
    });
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
  async #read({ shard, before }: ShardPlace): Promise<Block | undefined> {
    const { block, shards, open } = this.#options;
    const samples: LaneSample[] = [];
    const empty = shard + shards.length;
    let [begin, at, number] = [shard, shard, before];
    let unit = this.#shardAt(at);
    while (samples.length < block && !this.#closed) {
      if (this.#reader === undefined) {
        this.#reader = open(unit);
        // What a block before had of this shard.
        for (let skipped = 0; skipped < number; skipped++) await this.#reader.next();
      }
      const { value: row, done } = await this.#reader.next();
      if (done !== true) {
        const index = unit * samplesPerShard + number++;
        samples.push({ content: row, epoch: Math.floor(at / shards.length), index });
        continue;
      }
      this.#reader = undefined;
      at++;
      unit = this.#shardAt(at);
      number = 0;
      if (at % shards.length === 0 && samples.length > 0) break;
      if (samples.length === 0) {
        if (at > empty) return undefined;
        begin = at;
      }
    }
    if (samples.length === 0) return undefined;
    const place = { shard: begin, before: begin === shard ? before : 0 };
    return this.#blockOf(place, samples, { shard: at, before: number });
  }

  #blockOf(place: ShardPlace, samples: readonly LaneSample[], end: ShardPlace): Block {
    const { seed, lane, shuffle } = this.#options;
    const { length } = samples;
    const order = shuffle
      ? randomOrder(randomKey(seed, 'block', lane, place.shard, place.before), length)
      : (n: number) => n;
    return { place, length, end, at: (n) => samples[order(n)]!, next: this.#reads(end) };
  }
}
