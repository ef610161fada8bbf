/**
 * Tables as open_clip's CSV data sets are: a header line, tab-separated by default.
 *
 * Read as a stream, keeping only the columns asked for: a table of three million captions fits in memory, its
 * file need not fit in one string.
 */
import type { FileHandle } from 'node:fs/promises';
import { CsvError, parse } from 'csv-parse';
import { didYouMean } from '../../../compiler/model/values/suggest.ts';
import { fail } from '../../../grammar/diagnostics.ts';
import { failSystem } from '../files/atomic.ts';
import { openRegular } from '../files/read-fully.ts';

/** The separator of a file, from its first line: a tab if there is one, else a comma. */
async function detectSeparator(path: string): Promise<string> {
  const file = await openRegular(path, 'Z415');
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(65536), 0, 65536, 0);
    const line = buffer.toString('utf8', 0, bytesRead).split(/\r?\n/, 1)[0]!;
    return line.includes('\t') || !line.includes(',') ? '\t' : ',';
  } finally {
    await file.close();
  }
}

function columnIndex(header: readonly string[], name: string, path: string): number {
  const index = header.indexOf(name);
  if (index < 0)
    fail(
      'Z415',
      `${path} has no column \`${name}\`${didYouMean(name, header)}`,
      `its columns are ${header.map((h) => `\`${h}\``).join(', ')}`,
    );
  return index;
}

/**
 * Cells by column, those asked for.
 * @param separator found in the header line if absent
 * @throws DiagnosticError Z415 when the file cannot be read, is malformed, or lacks a column
 */
export async function readCsvTable(
  path: string,
  columns: Iterable<string>,
  separator?: string,
): Promise<ReadonlyMap<string, readonly string[]>> {
  const cells = new Map([...columns].map((name): [string, string[]] => [name, []]));
  let places: (readonly [string[], number])[] | undefined;
  let file: FileHandle | undefined;
  try {
    const delimiter = separator ?? (await detectSeparator(path));
    file = await openRegular(path, 'Z415');
    const rows = file
      .createReadStream()
      .pipe(parse({ delimiter, bom: true, relax_quotes: true, skip_empty_lines: true }));
    for await (const row of rows as AsyncIterable<string[]>) {
      if (places === undefined)
        places = [...cells].map(([name, column]) => [column, columnIndex(row, name, path)]);
      else for (const [column, index] of places) column.push(row[index]!);
    }
  } catch (error) {
    if (error instanceof CsvError) fail('Z415', `${path} is not a well-formed table: ${error.message}`);
    failSystem('Z415', `cannot read ${path}`, error);
  } finally {
    await file?.close();
  }
  if (places === undefined)
    fail('Z415', `${path} is empty: a header line with the names of the columns is wanted`);
  return cells;
}
