/** `csv("FILE", ...)`: samples listed in a table, in a new random order each epoch. */
import { dirname, resolve } from 'node:path';
import { z } from 'zod';
import type { StaticCall } from '../../../compiler/model/types.ts';
import type { Diagnostic } from '../../../grammar/diagnostics.ts';
import { isEncoding } from '../files/decode-text.ts';
import { failAt, parseOptions, texts } from '../options.ts';
import type { BatchSource } from '../types.ts';
import { readAhead, SampleBatches } from './batches.ts';
import { type CaptionOptions, captionOptions, cellSplit, weights } from './columns/caption.ts';
import { columnsOf } from './columns/open-columns.ts';
import { pathIn } from './columns/path.ts';
import { pictureOptions } from './columns/picture.ts';
import type { Row } from './columns/row.ts';
import { readCsvTable } from './csv-table.ts';
import { tableIdentity } from './identity.ts';
import { PrefetchedSource } from './prefetch.ts';
import { decodingOf, sampleOptions } from './sample-options.ts';
import { FedColumns, type SampleRows, Samples } from './samples.ts';
import type { SourceContext } from './source-context.ts';

const oneCharacter = z.string().length(1, 'expected one character');

/** Where it feeds one picture and one text. */
const pairOptions = {
  /** Column of the picture's path, relative to the table's folder. */
  image: z.string().default('filepath'),
  /** Column of the caption. */
  text: z.string().optional(),
  /** Several columns of captions instead, one drawn for each sample. */
  captions: texts.optional(),
  caption_weights: weights,
  /** Separates captions within a cell of `captions` columns; empty: cells are single captions. */
  split: z.string().default(cellSplit),
  ...captionOptions,
  ...pictureOptions,
};

const schema = z.object({
  file: z.string(),
  ...pairOptions,
  ...sampleOptions,
  separator: oneCharacter.optional(),
  /** What cells with separators in them stand between. */
  quote: z.union([z.literal('none'), oneCharacter], 'expected one character or none').optional(),
  encoding: z
    .string()
    .refine(isEncoding, 'no encoding is called so; some are "utf-8", "utf-16le", "windows-1252", "gb18030"')
    .optional(),
});

/** The rows of a table that are used, in its order. */
class CsvRows implements SampleRows {
  readonly path: string;
  readonly #folder: string;
  readonly #cells: ReadonlyMap<string, readonly string[]>;
  readonly #kept: readonly number[];

  constructor(path: string, cells: ReadonlyMap<string, readonly string[]>, kept: readonly number[]) {
    this.path = path;
    this.#folder = dirname(resolve(path));
    this.#cells = cells;
    this.#kept = kept;
  }

  get count(): number {
    return this.#kept.length;
  }

  *known(): Iterable<Row> {
    for (const index of this.#kept.keys()) yield this.row(index);
  }

  row(index: number): Row {
    const place = this.#kept[index]!;
    const text = (column: string) => this.#cells.get(column)![place]!;
    return {
      // Counted without the header.
      name: `${this.path}, row ${place + 1}`,
      text,
      file: (column) => (text(column).trim() === '' ? undefined : pathIn(this.#folder, text(column))),
    };
  }
}

function warnEmpty(context: SourceContext, path: string, dropped: number, total: number): void {
  const diagnostic: Diagnostic = {
    code: 'Z419',
    severity: 'warning',
    message: `${path}: ${dropped} of ${total} rows have no caption and are left out`,
  };
  context.warn?.(diagnostic);
}

/** Opens the source that a `csv(...)` call names. Errors: Z315, Z412, Z414 to Z418, Z425, Z427, Z520 to Z522. */
export async function openCsv(call: StaticCall, context: SourceContext): Promise<BatchSource> {
  const { inputs, batch, seed, find } = context;
  const options = parseOptions(call, schema, ['file']);
  const pair = () => ({
    picture: { column: options.image, ...options },
    caption: { ...captionNames(call, options), templates: options.templates },
  });
  const columns = columnsOf(call, inputs, pair, Object.keys(pairOptions));
  const path = find(options.file);
  const names = [...columns.values()].flatMap((column) => column.columns);
  const cells = await readCsvTable(path, names, { ...options, warn: context.warn });
  const total = cells.get(names[0]!)!.length;
  const lacking = [...columns.values()].flatMap(({ lacks }) => lacks ?? []);
  const kept = Array.from({ length: total }, (_, row) => row).filter(
    (row) => !lacking.some((lacks) => lacks((column) => cells.get(column)![row]!)),
  );
  if (kept.length < total) warnEmpty(context, path, total - kept.length, total);
  if (kept.length < batch)
    failAt(call, 'Z418', `${path} has ${kept.length} samples, fewer than one batch of ${batch}`);
  const rows = new CsvRows(path, cells, kept);
  const read: string[] = [];
  const findRead = (name: string): string => {
    const found = find(name);
    read.push(found);
    return found;
  };
  const fed = await FedColumns.open(columns, rows, { seed, find: findRead }, decodingOf(options));
  const identity = await tableIdentity(call, { cells, kept, shuffle: options.shuffle, read });
  const samples = new Samples(rows, fed, { shuffle: options.shuffle, identity }, context);
  return new PrefetchedSource(new SampleBatches(samples, context), seed, readAhead(context));
}

/** Column names, their weights, and how cells are split. */
function captionNames(call: StaticCall, options: z.infer<typeof schema>): Omit<CaptionOptions, 'templates'> {
  const { text, captions, caption_weights: weights } = options;
  if (captions === undefined) {
    if (weights !== undefined)
      failAt(call, 'Z522', '`caption_weights` of csv goes with `captions`, which is not given');
    return { names: [text ?? 'title'], weights: [1], split: '' };
  }
  if (text !== undefined) failAt(call, 'Z522', 'csv takes `text` or `captions`, not both');
  if (weights !== undefined && weights.length !== captions.length)
    failAt(
      call,
      'Z522',
      `\`caption_weights\` of csv has ${weights.length} values for ${captions.length} columns`,
    );
  return { names: captions, weights: weights ?? captions.map(() => 1), split: options.split };
}
