/** What feeds one input from samples: the columns that it reads, and how a sample's value is written. */
import type { ModelInput, Normalization, StaticCall } from '../../../../compiler/model/types.ts';
import type { HostArray } from '../../../types.ts';
import type { PictureShelf } from './pictures.ts';
import type { Row, Rows } from './row.ts';

/** What is drawn for a sample is a function of (seed, epoch, index). */
export interface Sample {
  readonly epoch: number;
  /** Among the samples that are used. */
  readonly index: number;
  readonly row: Row;
  /** RGB bytes by place on the shelf; shared, not to be changed. */
  readonly pictures: readonly Uint8Array[];
}

/** Writes a sample's value into its part of the batch. */
export type Fill = (into: HostArray, sample: Sample) => void | Promise<void>;

export interface ColumnContext {
  readonly seed: number;
  /** Of pictures. */
  readonly normalization: Normalization;
  /** Path of a file that the recipe names. */
  find(name: string): string;
  readonly pictures: PictureShelf;
}

/** How a column's content is read: as text, or as a file of its own. */
type Holds = 'text' | 'file';

export interface Column {
  readonly columns: readonly string[];
  readonly holds: Holds;
  /** Whether a row has nothing for it and is left out. */
  readonly lacks?: (cell: (column: string) => string) => boolean;
  open(rows: Rows, context: ColumnContext): Promise<Fill>;
}

/**
 * @param view how many inputs of this kind stand before it: each draws for itself
 * @throws DiagnosticError Z521, Z522
 */
export type ColumnKind = (call: StaticCall, input: ModelInput, view: number) => Column;

/** The parts of a key that tell a view's draws from the first one's. */
export function viewKey(view: number): readonly number[] {
  return view === 0 ? [] : [view];
}
