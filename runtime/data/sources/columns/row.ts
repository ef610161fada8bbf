/** A sample as its source gives it, before columns make inputs of it. */
import type { Code } from '../../../../grammar/codes.ts';
import { fail } from '../../../../grammar/diagnostics.ts';
import type { DataFile } from '../../files/data-file.ts';

/** What a sample holds under the names of columns, which are those of a table or extensions of a shard's members. */
export interface Row {
  /** As messages name it. */
  readonly name: string;
  text(column: string): string;
  /** Undefined where it names none. */
  file(column: string): DataFile | undefined;
}

/** Where samples come from. */
export interface Rows {
  /** What messages call them: the path of the table or of the shards. */
  readonly path: string;
  /** All of them, where they are at hand: what they hold is checked before training. */
  known?(): Iterable<Row>;
}

/** @throws DiagnosticError that names the sample */
export function failAtRow(row: Row, code: Code, message: string, help?: string): never {
  return fail(code, `${row.name}: ${message}`, help);
}
