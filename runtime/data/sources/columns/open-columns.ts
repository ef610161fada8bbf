/** The columns of a `csv` call by the inputs that they feed. */
import { z } from 'zod';
import { isPicture, isText } from '../../../../compiler/model/inputs.ts';
import { type ColumnName, columnCalls, dataMistakes } from '../../../../compiler/model/recipes/columns.ts';
import type { ModelInput, StaticCall } from '../../../../compiler/model/types.ts';
import { DiagnosticError } from '../../../../grammar/diagnostics.ts';
import { failAt, texts } from '../../options.ts';
import { caption, captionColumn, captionOptions, cellSplit, weights } from './caption.ts';
import { classColumn } from './class.ts';
import type { Column, ColumnKind } from './column.ts';
import { number } from './number.ts';
import { picture, pictureColumn, pictureOptions } from './picture.ts';
import { tensor } from './tensor.ts';

const kinds: Readonly<Record<ColumnName, ColumnKind>> = {
  picture,
  caption,
  class: classColumn,
  number,
  tensor,
};

/** Options of csv where it feeds one picture and one text. */
export const pairOptions = {
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

type PairOptions = z.infer<z.ZodObject<typeof pairOptions>>;

/**
 * @param options those of the call
 * @throws DiagnosticError Z315, Z520 to Z522
 */
export function columnsOf(
  call: StaticCall,
  options: PairOptions,
  inputs: readonly ModelInput[],
): ReadonlyMap<ModelInput, Column> {
  const mistakes = dataMistakes(call, inputs, 'the loss');
  if (mistakes.length > 0)
    throw new DiagnosticError(mistakes.map((m) => ({ code: 'Z315', severity: 'error', ...m })));
  const calls = columnCalls(call);
  if (calls === undefined) return pairColumns(call, options, inputs);
  const foreign = Object.keys(pairOptions).find((name) => Object.hasOwn(call.named, name));
  if (foreign !== undefined)
    failAt(
      call,
      'Z522',
      `\`${foreign}\` of csv goes without \`inputs\``,
      'a column has its own options: picture("file", augment = [flip]), caption("title", templates = […])',
    );
  const views = new Map<string, number>();
  return new Map(
    inputs.map((input) => {
      const column = calls.get(input.name)!;
      const view = views.get(column.name) ?? 0;
      views.set(column.name, view + 1);
      return [input, kinds[column.name as ColumnName](column, input, view)];
    }),
  );
}

function pairColumns(
  call: StaticCall,
  options: PairOptions,
  inputs: readonly ModelInput[],
): ReadonlyMap<ModelInput, Column> {
  const columns = captionNames(call, options);
  return new Map([
    ...inputs.filter(isPicture).map((input): [ModelInput, Column] => {
      return [input, pictureColumn({ column: options.image, ...options }, input, 0)];
    }),
    ...inputs.filter(isText).map((input): [ModelInput, Column] => {
      return [input, captionColumn({ ...columns, templates: options.templates }, input, 0)];
    }),
  ]);
}

/** Column names, their weights, and how cells are split. */
function captionNames(
  call: StaticCall,
  options: PairOptions,
): { names: readonly string[]; weights: readonly number[]; split: string } {
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
