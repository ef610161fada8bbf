/**
 * Samples that can be read in any order.
 *
 * Order, caption, template and augmentation are functions of (seed, epoch, index). Where samples come from (a table,
 * shards) is the business of whoever makes their rows.
 */
import { kindOf } from '../../drops.ts';
import { reasonOf } from '../files/atomic.ts';
import { randomBelow, randomKey, randomOrder } from '../random.ts';
import type { DataIdentity, ShardLosses } from '../types.ts';
import type { Draw, Part } from './batches/part.ts';
import { TableDraw } from './batches/table-draw.ts';
import type { Row, Rows } from './columns/row.ts';
import { type Failure, UnreadablePictures } from './columns/unreadable.ts';
import type { FedColumns, ReadSample } from './fed-columns.ts';
import type { Ordering } from './sample-options.ts';
import type { SourceContext } from './source-context.ts';

export interface SampleRows extends Rows {
  readonly count: number;
  /** @throws Error with the reason when it cannot be read */
  row(index: number): Row | Promise<Row>;
  close?(): Promise<void>;
}

export class Samples implements Part {
  readonly count: number;
  readonly identity: DataIdentity;
  readonly columns: FedColumns;
  readonly unreadable: UnreadablePictures;
  readonly #rows: SampleRows;
  readonly #seed: number;
  readonly #shuffle: boolean;
  /** Whether the order has samples more than once before it has had all. */
  readonly repeats: boolean;
  /** In a mix, how often a sample is seen in an epoch. */
  readonly weight: number | undefined;
  readonly path: string;
  readonly lacked: ShardLosses | undefined;
  readonly lanes = [];
  readonly #reading = new Set<number>();
  readonly #orders = new Map<number, (place: number) => number>();

  constructor(
    rows: SampleRows,
    columns: FedColumns,
    options: Ordering & { readonly identity: DataIdentity; readonly lacked?: ShardLosses },
    context: Pick<SourceContext, 'seed' | 'warn' | 'share'>,
  ) {
    this.count = rows.count;
    this.identity = options.identity;
    this.columns = columns;
    this.unreadable = new UnreadablePictures(rows.path, rows.count, context.warn);
    this.#rows = rows;
    this.#seed = context.seed;
    this.#shuffle = options.shuffle;
    this.repeats = options.resampled;
    this.weight = options.weight;
    this.path = rows.path;
    // All ranks open the same shards: one counts them.
    const counts = (context.share?.rank ?? 0) === 0;
    this.lacked = counts ? options.lacked : options.lacked && { leftOut: {}, inError: 0 };
  }

  async draw(start: number, places: number): Promise<Draw> {
    return new TableDraw(this, start, places);
  }

  seek(): void {
    // A place of the order is all that there is.
  }

  /** The sample at a place of an epoch. */
  at(epoch: number, place: number): number {
    if (this.repeats) return randomBelow(randomKey(this.#seed, 'resampled', epoch), place, this.count);
    return this.#shuffle ? this.#order(epoch)(place) : place;
  }

  /** A sample, or why it cannot be read. */
  async read(index: number): Promise<ReadSample | Failure> {
    this.#reading.add(index);
    try {
      const row = await this.#row(index);
      return 'reason' in row ? row : await this.columns.read(index, row);
    } finally {
      this.#reading.delete(index);
    }
  }

  async #row(index: number): Promise<Row | Failure> {
    try {
      return await this.#rows.row(index);
    } catch (error) {
      return { path: `${this.path}, sample ${index}`, kind: kindOf(error), reason: reasonOf(error) };
    }
  }

  /** Samples that are being read, in words. */
  get reading(): string[] {
    return Array.from(this.#reading, (index) => `${this.path}, sample ${index}`);
  }

  async close(): Promise<void> {
    this.unreadable.close();
    await this.columns.close();
    await this.#rows.close?.();
  }

  #order(epoch: number): (place: number) => number {
    const known = this.#orders.get(epoch);
    if (known !== undefined) return known;
    const order = randomOrder(randomKey(this.#seed, 'order', epoch), this.count);
    // Reading ahead needs this epoch and the next.
    if (this.#orders.size >= 2) this.#orders.delete(this.#orders.keys().next().value!);
    this.#orders.set(epoch, order);
    return order;
  }
}
