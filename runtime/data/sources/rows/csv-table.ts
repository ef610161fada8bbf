/**
 * Tables as open_clip's CSV data sets are: a header line, tab-separated by default.
 *
 * Read as a stream, keeping only the columns asked for: a table of three million captions fits in memory, its
 * file need not fit in one string.
 */
import type { FileHandle } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { CsvError, parse } from 'csv-parse';
import { didYouMean } from '../../../../compiler/model/values/suggest.ts';
import { type Diagnostic, fail } from '../../../../grammar/diagnostics.ts';
import { failSystem } from '../../files/atomic.ts';
import { LineDecoder } from '../../files/decode-text.ts';
import { openRegular } from '../../files/read-fully.ts';

export interface TableFormat {
  /** Found in the first line that is not empty, if absent: a tab if there is one, else a comma. */
  readonly separator?: string | undefined;
  /** UTF-8, or UTF-16 where the file begins so, if absent. */
  readonly encoding?: string | undefined;
  /** What cells with separators or line ends stand in; `none`: nothing does. */
  readonly quote?: string | undefined;
  readonly warn?: ((warning: Diagnostic) => void) | undefined;
}

const noQuotes = 'quote = none takes quotes as text';

function separatorIn(head: string): string {
  const line = head.split(/[\r\n]+/).find((l) => l.trim() !== '') ?? '';
  return line.includes('\t') || !line.includes(',') ? '\t' : ',';
}

function columnIndex(header: readonly string[], name: string, path: string): number {
  const index = header.indexOf(name);
  if (index >= 0 && header.lastIndexOf(name) !== index)
    fail(
      'Z415',
      `${path} has two columns \`${name}\``,
      'give them different names in the line with the names of the columns',
    );
  if (index < 0) {
    const other = [';', '|', ','].find((sign) => header.length === 1 && header[0]!.includes(sign));
    fail(
      'Z415',
      `${path} has no column \`${name}\`${didYouMean(name, header)}`,
      other === undefined
        ? `its columns are ${header.map((h) => `\`${h}\``).join(', ')}`
        : `its one column is \`${header[0]}\`; separator = "${other}" would make more of it`,
    );
  }
  return index;
}

async function* decoded(file: FileHandle, decoder: LineDecoder): AsyncGenerator<string, undefined> {
  for await (const chunk of file.createReadStream({ autoClose: false })) yield decoder.push(chunk);
  yield decoder.end();
}

/** Text that holds the first line which is not empty, if there is one. */
async function headOf(texts: AsyncGenerator<string, undefined>): Promise<string> {
  let head = '';
  for (;;) {
    const { value, done } = await texts.next();
    if (done === true) return head;
    head += value;
    // What comes at once are whole lines.
    if (value.trim() !== '') return head;
  }
}

async function* joined(head: string, rest: AsyncGenerator<string, undefined>): AsyncGenerator<string> {
  yield head;
  yield* rest;
}

/** Cells over several lines are more often a quote that was none. */
function warnLines(
  cells: ReadonlyMap<string, readonly string[]>,
  path: string,
  warn: TableFormat['warn'],
): void {
  if (warn === undefined) return;
  let count = 0;
  let first = '';
  for (const [name, column] of cells)
    for (const [row, cell] of column.entries()) {
      if (!/[\r\n]/.test(cell)) continue;
      if (count++ === 0) first = `\`${name}\` of row ${row + 1}: ${JSON.stringify(cell.slice(0, 60))}`;
    }
  if (count === 0) return;
  warn({
    code: 'Z428',
    severity: 'warning',
    message: `${path}: ${count} cells between quotes go over several lines, the first is ${first}`,
    help: noQuotes,
  });
}

/**
 * Cells by column, those asked for.
 * @throws DiagnosticError Z415 when the file cannot be read, is malformed, lacks a column or has it twice; Z427
 */
export async function readCsvTable(
  path: string,
  columns: Iterable<string>,
  { separator, encoding, quote = '"', warn }: TableFormat = {},
): Promise<ReadonlyMap<string, readonly string[]>> {
  const cells = new Map([...columns].map((name): [string, string[]] => [name, []]));
  let places: (readonly [string[], number])[] | undefined;
  let refusal: unknown;
  let file: FileHandle | undefined;
  try {
    file = await openRegular(path, 'Z415');
    const help = 'encoding = "windows-1252", or what the table is written in';
    const texts = decoded(file, new LineDecoder(path, { help, ...(encoding && { encoding }) }));
    const head = await headOf(texts);
    const parser = parse({
      delimiter: separator ?? separatorIn(head),
      record_delimiter: head.includes('\n') ? ['\r\n', '\n'] : ['\r'],
      quote: quote === 'none' ? null : quote,
      relax_quotes: true,
      skip_empty_lines: true,
    });
    await pipeline(Readable.from(joined(head, texts)), parser, async (rows: AsyncIterable<string[]>) => {
      try {
        for await (const row of rows) {
          if (places === undefined)
            places = [...cells].map(([name, column]) => [column, columnIndex(row, name, path)]);
          else for (const [column, index] of places) column.push(row[index]!);
        }
      } catch (error) {
        // The pipeline would tell that it was cut off.
        refusal = error;
        throw error;
      }
    });
  } catch (cut) {
    const error = refusal ?? cut;
    if (error instanceof CsvError)
      fail(
        'Z415',
        `${path} is not a well-formed table: ${error.message}`,
        error.code === 'CSV_QUOTE_NOT_CLOSED' ? noQuotes : undefined,
      );
    failSystem('Z415', `cannot read ${path}`, error);
  } finally {
    await file?.close();
  }
  if (places === undefined)
    fail('Z415', `${path} is empty: a header line with the names of the columns is wanted`);
  warnLines(cells, path, warn);
  return cells;
}
