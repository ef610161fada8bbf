/** Samples of a table whose cells are in memory. */
import type { ModelInput, StaticCall } from '../../../../compiler/model/types.ts';
import type { Column } from '../columns/column.ts';
import { pathIn } from '../columns/path.ts';
import type { Row } from '../columns/row.ts';
import { FedColumns } from '../fed-columns.ts';
import { tableIdentity } from '../identity.ts';
import { decodingOf, type SampleOptions } from '../sample-options.ts';
import { type SampleRows, Samples } from '../samples.ts';
import type { SourceContext } from '../source-context.ts';

export interface Table {
  /** What messages call it. */
  readonly path: string;
  /** What paths in it are relative to. */
  readonly folder: string;
  /** By column. */
  readonly cells: ReadonlyMap<string, readonly string[]>;
}

/** The rows of a table that are used, in its order. */
class TableRows implements SampleRows {
  readonly path: string;
  readonly #table: Table;
  readonly #kept: readonly number[];

  constructor(table: Table, kept: readonly number[]) {
    this.path = table.path;
    this.#table = table;
    this.#kept = kept;
  }

  get count(): number {
    return this.#kept.length;
  }

  *known(): Iterable<Row> {
    for (const index of this.#kept.keys()) yield this.row(index);
  }

  row(index: number): Row {
    const { path, folder, cells } = this.#table;
    const place = this.#kept[index]!;
    const text = (column: string) => cells.get(column)![place]!;
    return {
      // Counted without the header.
      name: `${path}, row ${place + 1}`,
      text,
      file: (column) => (text(column).trim() === '' ? undefined : pathIn(folder, text(column))),
    };
  }
}

function warnEmpty({ warn }: SourceContext, path: string, dropped: number, total: number): void {
  const message = `${path}: ${dropped} of ${total} rows have no caption and are left out`;
  warn?.({ code: 'Z419', severity: 'warning', message });
}

/** @throws DiagnosticError Z412, Z414, Z425 */
export async function openTable(
  call: StaticCall,
  columns: ReadonlyMap<ModelInput, Column>,
  table: Table,
  options: SampleOptions,
  context: SourceContext,
): Promise<Samples> {
  const { path, cells } = table;
  const total = [...cells.values()][0]!.length;
  const lacking = [...columns.values()].flatMap(({ lacks }) => lacks ?? []);
  const kept = Array.from({ length: total }, (_, row) => row).filter(
    (row) => !lacking.some((lacks) => lacks((column) => cells.get(column)![row]!)),
  );
  if (kept.length < total) warnEmpty(context, path, total - kept.length, total);
  const rows = new TableRows(table, kept);
  const { find, read } = noting(context);
  const fed = await FedColumns.open(columns, rows, { ...context, find }, decodingOf(options));
  const identity = await tableIdentity(call, { cells, kept, order: options, read });
  return new Samples(rows, fed, { ...options, identity }, context);
}

/** Finds files, and notes which. */
export function noting({ find }: SourceContext): { find: SourceContext['find']; read: string[] } {
  const read: string[] = [];
  const findRead = (name: string): string => {
    const found = find(name);
    read.push(found);
    return found;
  };
  return { find: findRead, read };
}
