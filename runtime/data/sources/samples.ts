/**
 * Samples that can be read in any order, with the columns that feed a model's inputs from them.
 *
 * Order, caption, template and augmentation are functions of (seed, epoch, index). Where samples come from (a table,
 * shards) is the business of whoever makes their rows.
 */
import type { ModelInput } from '../../../compiler/model/types.ts';
import { reasonOf } from '../files/atomic.ts';
import { randomBelow, randomKey, randomOrder } from '../random.ts';
import { elementCount } from '../safetensors/header.ts';
import type { DataIdentity, Feeds, ShardLosses } from '../types.ts';
import type { Column, Fill } from './columns/column.ts';
import { PictureShelf, type PictureStores } from './columns/pictures.ts';
import type { Row, Rows } from './columns/row.ts';
import { type Failure, UnreadablePictures } from './columns/unreadable.ts';
import type { Decoding, Ordering } from './sample-options.ts';
import type { SourceContext } from './source-context.ts';

/** An input with what writes a sample's part of it. */
interface Fed {
  readonly input: ModelInput;
  readonly fill: Fill;
  /** Numbers of a sample. */
  readonly length: number;
}

/** A sample whose files are read. */
export interface ReadSample {
  readonly row: Row;
  readonly pictures: readonly Uint8Array[];
}

export interface SampleRows extends Rows {
  readonly count: number;
  /** @throws Error with the reason when it cannot be read */
  row(index: number): Row | Promise<Row>;
  close?(): Promise<void>;
}

/** What feeds the inputs of a model from rows. */
export class FedColumns {
  readonly #fed: readonly Fed[];
  readonly #pictures: PictureStores;

  private constructor(fed: readonly Fed[], pictures: PictureStores) {
    this.#fed = fed;
    this.#pictures = pictures;
  }

  /** @throws DiagnosticError where what is at hand does not fit the inputs */
  static async open(
    columns: ReadonlyMap<ModelInput, Column>,
    rows: Rows,
    { seed, normalization, find }: Pick<SourceContext, 'seed' | 'normalization' | 'find'>,
    decoding: Decoding,
  ): Promise<FedColumns> {
    const shelf = new PictureShelf();
    const fed: Fed[] = [];
    for (const [input, column] of columns)
      fed.push({
        input,
        fill: await column.open(rows, { seed, normalization, find, pictures: shelf }),
        length: elementCount(input.sizes),
      });
    return new FedColumns(fed, shelf.open(decoding));
  }

  /** The pictures of a row, or why it cannot be read. */
  async read(index: number, row: Row): Promise<ReadSample | Failure> {
    const pictures = await this.#pictures.get(index, row);
    return 'reason' in pictures ? pictures : { row, pictures };
  }

  /** Writes a sample into its place of a batch. */
  async fill(into: Feeds, place: number, sample: ReadSample, epoch: number, index: number): Promise<void> {
    for (const { input, fill, length } of this.#fed) {
      const part = into.get(input.name)!.subarray(place * length, (place + 1) * length);
      await fill(part, { epoch, index, ...sample });
    }
  }

  close(): Promise<void> {
    return this.#pictures.close();
  }
}

export class Samples {
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
  readonly #reading = new Set<number>();
  readonly #orders = new Map<number, (place: number) => number>();

  constructor(
    rows: SampleRows,
    columns: FedColumns,
    options: Ordering & { readonly identity: DataIdentity; readonly lacked?: ShardLosses },
    context: Pick<SourceContext, 'seed' | 'warn'>,
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
    this.lacked = options.lacked;
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
      return { path: `${this.path}, sample ${index}`, reason: reasonOf(error) };
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
