/** `csv("FILE", ...)`: samples listed in a table, in a new random order each epoch. */
import { dirname, resolve } from 'node:path';
import { z } from 'zod';
import type { StaticCall } from '../../../../compiler/model/types.ts';
import { isEncoding } from '../../files/decode-text.ts';
import { failAt, parseOptions, texts } from '../../options.ts';
import { type CaptionOptions, captionOptions, cellSplit, checkWeights, weights } from '../columns/caption.ts';
import { columnsOf } from '../columns/open-columns.ts';
import { pictureOptions } from '../columns/picture.ts';
import { sampleOptions } from '../sample-options.ts';
import type { Samples } from '../samples.ts';
import type { SourceContext } from '../source-context.ts';
import { readCsvTable } from './csv-table.ts';
import { openTable } from './table-samples.ts';

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

/** Opens the source that a `csv(...)` call names. Errors: Z315, Z412, Z414, Z415, Z425, Z427, Z520 to Z522. */
export async function openCsv(call: StaticCall, context: SourceContext): Promise<Samples> {
  const options = parseOptions(call, schema, ['file']);
  const pair = () => ({
    picture: { column: options.image, ...options },
    caption: { ...captionNames(call, options), templates: options.templates },
  });
  const columns = columnsOf(call, context.inputs, pair, Object.keys(pairOptions));
  const path = context.find(options.file);
  const names = [...columns.values()].flatMap((column) => column.columns);
  const cells = await readCsvTable(path, names, { ...options, warn: context.warn });
  return openTable(call, columns, { path, folder: dirname(resolve(path)), cells }, options, context);
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
  checkWeights(call, 'caption_weights', weights, captions);
  return { names: captions, weights: weights ?? captions.map(() => 1), split: options.split };
}
