/** Shards that are read as they stream by: addresses, commands, files compressed with gzip. */
import { z } from 'zod';
import type { StaticCall } from '../../../../compiler/model/types.ts';
import { Drops, type Unusable } from '../../../drops.ts';
import { reasonOf } from '../../files/atomic.ts';
import { withBytes } from '../../files/data-file.ts';
import { digestOf } from '../../files/digest.ts';
import { randomKey, randomOrder } from '../../random.ts';
import type { DataIdentity, ShardLosses } from '../../types.ts';
import type { Row } from '../columns/row.ts';
import { UnreadablePictures } from '../columns/unreadable.ts';
import type { FedColumns } from '../fed-columns.ts';
import type { Ordering } from '../sample-options.ts';
import type { KeyList } from '../shards/key-list.ts';
import { compression } from '../shards/tar-headers.ts';
import type { SourceContext } from '../source-context.ts';
import { isHttp, isPipe } from './bytes.ts';
import { Lane } from './lane.ts';
import { StreamSamples } from './stream-samples.ts';

/** Options of what is read in lanes. */
export const laneOptions = {
  /** The samples of a block that is shuffled. */
  shuffle: z.union([z.boolean(), z.int().positive()]).default(true),
  /** How many shards are read at a time. */
  lanes: z.int().min(1).max(4096).default(64),
  /** The length of an epoch. */
  samples: z.int().positive().optional(),
};

/** Samples of a block. */
const defaultBlock = 1000;

interface LaneOrder {
  readonly lanes: number;
  readonly block: number;
  readonly samples: Ordering;
}

export function orderOf(
  options: Omit<Ordering, 'shuffle'> & { readonly shuffle: boolean | number; readonly lanes: number },
  units: number,
): LaneOrder {
  const { shuffle, lanes, resampled, weight } = options;
  const block = typeof shuffle === 'number' ? shuffle : defaultBlock;
  const samples = { shuffle: shuffle !== false, resampled, weight };
  return { lanes: Math.min(lanes, units), block, samples };
}

/** What is read in lanes: shards, or what else gives its samples one after the other. */
interface Streams {
  readonly call: StaticCall;
  /** Names of the shards. */
  readonly units: readonly string[];
  /**
   * Usable samples of a shard.
   * @param leave told why a sample is left out
   * @throws Error with the reason where it cannot be read on
   */
  read(unit: number, leave: (unusable: Unusable) => void, signal: AbortSignal): AsyncGenerator<Row, void>;
  readonly columns: FedColumns;
  readonly identity: DataIdentity;
  readonly name: string;
  readonly order: LaneOrder;
  /** Samples of an epoch, where they are known. */
  readonly samples: number | undefined;
}

/** Whether shards have to be read as streams: not all of them can be read at any place. */
export async function areStreams(shards: readonly string[]): Promise<boolean> {
  if (shards.some((shard) => isHttp(shard) || isPipe(shard))) return true;
  try {
    return compression(await withBytes(shards[0]!, (reader) => reader.read(0, 6))) === 'gzip';
  } catch {
    // What is wrong with it is told where it is indexed.
    return false;
  }
}

/** What of a list of streamed shards a run is compared by. */
export function streamRows(shards: readonly string[], keep: KeyList | undefined): string {
  const digest = digestOf((hash) => hash.update(JSON.stringify([...shards, keep?.digest])));
  return `${shards.length} streamed shards of digest ${digest}`;
}

/** Shards in error that are named one by one. */
const named = 10;

/** Errors and omissions of streams, told as they come and in sum. */
class StreamTroubles {
  readonly #name: string;
  readonly #warn: SourceContext['warn'];
  readonly #failed = new Set<string>();
  readonly #left = new Drops();

  constructor(name: string, warn: SourceContext['warn']) {
    this.#name = name;
    this.#warn = warn;
  }

  get losses(): ShardLosses {
    return { leftOut: this.#left.counts, inError: this.#failed.size };
  }

  leave({ kind, message }: Unusable): void {
    this.#left.add({ kind, reason: message });
  }

  fail(shard: string, samples: number, error: unknown): void {
    if (this.#failed.has(shard)) return;
    this.#failed.add(shard);
    if (this.#failed.size > named) return;
    const message = `the shard ${shard} is in error: ${reasonOf(error)} (${samples} samples are used)`;
    this.#warn?.({ code: 'Z453', severity: 'warning', message });
  }

  close(): void {
    if (this.#failed.size > 0) {
      const message = `${this.#name}: ${this.#failed.size} shards were in error`;
      this.#warn?.({ code: 'Z453', severity: 'warning', message });
    }
    if (this.#left.total === 0) return;
    const message = `${this.#name}: samples that were left out: ${this.#left.inWords()}`;
    this.#warn?.({ code: 'Z419', severity: 'warning', message });
  }
}

export function openStreams(streams: Streams, context: SourceContext): StreamSamples {
  const { units, name, order, columns, identity, samples } = streams;
  const { lanes, block } = order;
  const { shuffle, resampled, weight } = order.samples;
  const { seed, warn } = context;
  const control = new AbortController();
  const troubles = new StreamTroubles(name, warn);
  const reading = new Map<string, number>();
  const spread = shuffle ? randomOrder(randomKey(seed, 'lanes'), units.length) : (place: number) => place;
  const all = Array.from(units.keys());

  /** @param told whether this rank tells what is wrong with it */
  async function* open(number: number, told: boolean): AsyncGenerator<Row, void> {
    const unit = units[number]!;
    const leave = (unusable: Unusable) => {
      if (told) troubles.leave(unusable);
    };
    let used = 0;
    reading.set(unit, 0);
    try {
      for await (const row of streams.read(number, leave, control.signal)) {
        reading.set(unit, ++used);
        yield row;
      }
    } catch (error) {
      if (told && !control.signal.aborted) troubles.fail(unit, used, error);
    } finally {
      reading.delete(unit);
    }
  }

  return new StreamSamples(
    {
      columns,
      // Lanes that stand side by side in a batch are another order than lanes that take turns in it.
      identity: {
        ...identity,
        order: `${identity.order}, ${lanes} lanes side by side in blocks of ${block}`,
      },
      samples,
      weight,
      name,
      lanes,
      unreadable: new UnreadablePictures(name, Number.POSITIVE_INFINITY, warn),
      openLane: (lane, state, { spare, told }) => {
        const own = spare ? all : all.filter((place) => place % lanes === lane).map(spread);
        const number = spare ? lanes + lane : lane;
        const opening = (shard: number) => open(shard, told);
        return new Lane({ seed, lane: number, shards: own, resampled, shuffle, block, open: opening }, state);
      },
      lacked: () => troubles.losses,
      close: () => {
        control.abort();
        troubles.close();
      },
      reading: () => Array.from(reading, ([unit, used]) => `${unit} (${used} samples so far)`),
    },
    context,
  );
}
