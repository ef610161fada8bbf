/**
 * What the training loop asks of a data source: batches in a fixed order, and a cursor
 * that names a place in it.
 *
 * A source is deterministic: the same seed and the same cursor give the same batches, whatever the number of
 * workers and however often the run was cut. It may decode ahead of the consumer; `cursor()` speaks of what
 * was handed out, not of what was read ahead.
 */
import type { HostArray } from '../types.ts';

/** A place in the stream of batches, as plain JSON: the batch that `next()` would hand out now. */
export interface DataCursor {
  /** Full passes over the data that are done. */
  readonly epoch: number;
  /** Batches of this epoch that were handed out. */
  readonly batch: number;
  /** Seed of the order and the augmentations; a cursor only fits a source with this seed. */
  readonly seed: number;
}

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
  /** Samples with a text that another one before has, too; absent where no text is fed. */
  readonly repeatedTexts?: number;
}

export interface BatchSource {
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
  /** Ends workers and closes files; safe to call twice. */
  close(): Promise<void>;
}
