/** A source of samples as batches are made of it, alone or beside others. */
import type { DataIdentity, LanePlace, ShardLosses } from '../../types.ts';
import type { UnreadablePictures } from '../columns/unreadable.ts';
import type { FedColumns, Sampled } from '../fed-columns.ts';

/** What of a part a batch takes. */
export interface Draw {
  /** Places of the batch. */
  readonly places: number;
  /** Where the part's lanes stand behind it; absent where there are none, null for lanes of other ranks. */
  readonly lanes?: readonly (LanePlace | null)[];
  /** Tries the n-th sample: the first ones are those of the places, the others take the places of what cannot be read. */
  read(candidate: number): Promise<Sampled>;
  /**
   * The sample to try for a place where this one cannot be read.
   * @param whole whether all places of the batch are looked at
   * @returns undefined where that depends on places that are not
   */
  next(candidate: number, whole: boolean): number | undefined;
  /** The same draw, of which nothing was tried. */
  again(): Draw;
}

export interface Part {
  /** As messages name it. */
  readonly path: string;
  /** Samples; undefined where nothing says how many. */
  readonly count: number | undefined;
  /** In a mix, how often a sample is seen in an epoch. */
  readonly weight: number | undefined;
  readonly identity: DataIdentity;
  readonly columns: FedColumns;
  readonly unreadable: UnreadablePictures;
  /** What was left out up to now, of what this rank counts; absent where there are no shards. */
  readonly lacked: ShardLosses | undefined;
  /** What is being read, in words. */
  readonly reading: readonly string[];
  /** Where each lane stands at the beginning; empty where there are none. */
  readonly lanes: readonly LanePlace[];
  /**
   * Takes the samples at so many places of the part's endless order. Lanes go on by them: they are drawn in the order
   * of the calls.
   */
  draw(start: number, places: number): Promise<Draw>;
  /** Lets lanes go on from there. */
  seek(lanes: readonly LanePlace[]): void;
  close(): Promise<void>;
}
