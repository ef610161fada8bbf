/** The columns of a source of samples by the inputs that they feed. */
import { isPicture, isText } from '../../../../compiler/model/inputs.ts';
import { type ColumnName, columnCalls, dataMistakes } from '../../../../compiler/model/recipes/columns.ts';
import type { ModelInput, StaticCall } from '../../../../compiler/model/types.ts';
import { DiagnosticError } from '../../../../grammar/diagnostics.ts';
import { failAt } from '../../options.ts';
import { type CaptionOptions, caption, captionColumn } from './caption.ts';
import { classColumn } from './class.ts';
import type { Column, ColumnKind } from './column.ts';
import { number } from './number.ts';
import { type PictureColumn, picture, pictureColumn } from './picture.ts';
import { tensor } from './tensor.ts';

const kinds: Readonly<Record<ColumnName, ColumnKind>> = {
  picture,
  caption,
  class: classColumn,
  number,
  tensor,
};

/** Columns of a source that feeds one picture and one text. */
export interface PairColumns {
  readonly picture: PictureColumn;
  readonly caption: CaptionOptions;
}

/**
 * @param pair the columns where the call names none by input
 * @param pairOptions options that go without `inputs`
 * @throws DiagnosticError Z315, Z520 to Z522
 */
export function columnsOf(
  call: StaticCall,
  inputs: readonly ModelInput[],
  pair: () => PairColumns,
  pairOptions: readonly string[],
): ReadonlyMap<ModelInput, Column> {
  const mistakes = dataMistakes(call, inputs, 'the loss');
  if (mistakes.length > 0)
    throw new DiagnosticError(mistakes.map((m) => ({ code: 'Z315', severity: 'error', ...m })));
  const calls = columnCalls(call);
  if (calls === undefined) return pairColumns(pair(), inputs);
  const foreign = pairOptions.find((name) => Object.hasOwn(call.named, name));
  if (foreign !== undefined)
    failAt(
      call,
      'Z522',
      `\`${foreign}\` of ${call.name} goes without \`inputs\``,
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
  { picture, caption }: PairColumns,
  inputs: readonly ModelInput[],
): ReadonlyMap<ModelInput, Column> {
  return new Map([
    ...inputs
      .filter(isPicture)
      .map((input): [ModelInput, Column] => [input, pictureColumn(picture, input, 0)]),
    ...inputs.filter(isText).map((input): [ModelInput, Column] => [input, captionColumn(caption, input, 0)]),
  ]);
}
