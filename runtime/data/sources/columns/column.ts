/** What feeds one input from a table: the columns that it reads, and how a sample's value is written. */
import type { ModelInput, Normalization, StaticCall } from '../../../../compiler/model/types.ts';
import { fail } from '../../../../grammar/diagnostics.ts';
import type { HostArray } from '../../../types.ts';
import type { DataCode } from '../../codes.ts';
import type { PictureShelf } from './pictures.ts';

/** The rows of a table that are used, in its order. */
export class Rows {
  readonly path: string;
  readonly #cells: ReadonlyMap<string, readonly string[]>;
  readonly #kept: readonly number[];

  constructor(path: string, cells: ReadonlyMap<string, readonly string[]>, kept: readonly number[]) {
    this.path = path;
    this.#cells = cells;
    this.#kept = kept;
  }

  get count(): number {
    return this.#kept.length;
  }

  cell(column: string, index: number): string {
    return this.#cells.get(column)![this.#kept[index]!]!;
  }

  /** @throws DiagnosticError that names the row, counted without the header */
  fail(code: DataCode, index: number, message: string, help?: string): never {
    return fail(code, `${this.path}, row ${this.#kept[index]! + 1}: ${message}`, help);
  }
}

/** What is drawn for a sample is a function of (seed, epoch, index). */
export interface Sample {
  readonly epoch: number;
  /** Among the rows that are used. */
  readonly index: number;
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

export interface Column {
  readonly columns: readonly string[];
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
