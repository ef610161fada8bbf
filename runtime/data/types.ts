/**
 * What the training loop asks of a data source: batches in a fixed order, and a cursor
 * that names a place in it.
 *
 * A source is deterministic: the same seed and the same cursor give the same batches, whatever the number of
 * workers and however often the run was cut. It may decode ahead of the consumer; `cursor()` speaks of what
 * was handed out, not of what was read ahead.
 */

import type { DropCounts } from '../drops.ts';
import type { HostArray } from '../types.ts';

/** A place in the stream of batches, as plain JSON: the batch that `next()` would hand out now. */
export interface DataCursor {
  /** Full passes over the data that are done. */
  readonly epoch: number;
  /** Batches of this epoch that were handed out. */
  readonly batch: number;
  /** Seed of the order and the augmentations; a cursor only fits a source with this seed. */
  readonly seed: number;
  /** Of streams: where each lane stands; null for one that other ranks read. */
  readonly lanes?: readonly (LanePlace | null)[] | undefined;
}

/** Shard, samples before and samples given, as `sources/streams/lane.ts` has them, and the same of its spare. */
export type LanePlace = readonly [number, number, number, number, number, number];

/** Values of inputs by name. */
export type Feeds = ReadonlyMap<string, HostArray>;

export interface Batch {
  /**
   * What the loss is fed, by name: row-major [B, ...], tables in their own shape. Pictures are normalised pixels
   * [B, 3, R, R], texts SOT ... EOT and then zeros [B, context].
   */
  readonly inputs: Feeds;
  /** Samples that could not be read and were replaced by others, in this batch. */
  readonly skipped: number;
  /** The same by kind; absent where there are none. */
  readonly skippedBy?: DropCounts;
  /** Samples with a text that another one before has, too; absent where no text is fed. */
  readonly repeatedTexts?: number;
  /** Of a rank's own rows: a number for the text of each, by input that is fed texts; equal for equal texts. */
  readonly texts?: readonly Float64Array[];
  /** What shards lacked so far; absent where there are none. */
  readonly lacked?: ShardLosses;
}

export interface ShardLosses {
  /** Samples without picture, caption or what else is wanted. */
  readonly leftOut: DropCounts;
  /** Shards that could not be read, or not to their end. */
  readonly inError: number;
}

/** What batches are made of, in words short enough to be compared; of a digest a part. */
export interface DataIdentity {
  /** The samples, and all that they are made from but the pictures themselves. */
  readonly rows?: string;
  /** The order in which they are taken. */
  readonly order?: string;
  /** What is the same for every sample. */
  readonly tables?: string;
  /** What is drawn for a sample, or done with it: augmentations, prompts. */
  readonly draws?: string;
}

export interface BatchSource {
  readonly identity?: DataIdentity;
  /** Makes the rows of its rank alone; what it says of a batch is of these rows. */
  readonly shared?: boolean;
  /** Batches in one epoch (an incomplete last batch is dropped); absent for endless sources. */
  readonly batchesPerEpoch?: number;
  /**
   * The next batch. Arrays belong to the caller until the following call of `next`.
   * Errors are `DiagnosticError`s.
   */
  next(): Promise<Batch>;
  /** The place of the batch that the next `next()` returns. */
  cursor(): DataCursor;
  /** Continues at `cursor`; drops what was read ahead. */
  seek(cursor: DataCursor): void;
  /** What the next batch waits for, in words. */
  waitingFor?(): string;
  /** Ends workers and closes files; safe to call twice. */
  close(): Promise<void>;
}
