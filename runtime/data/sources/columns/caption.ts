/**
 * `caption("COLUMN", …)`, `caption(["title", "tags"], weights = …, split = …, templates = …)`: a text of one of
 * the columns, put into one of the templates and tokenised.
 */
import { z } from 'zod';
import { anyId } from '../../../../compiler/graph/index-ranges.ts';
import { vocabularyOf } from '../../../../compiler/model/index.ts';
import type { ModelInput, StaticCall } from '../../../../compiler/model/types.ts';
import { failAt, parseOptions, texts } from '../../options.ts';
import { randomBelow, randomChoice, randomKey } from '../../random.ts';
import { createTokenizer } from '../../texts/tokenizer.ts';
import { type Column, type ColumnKind, viewKey } from './column.ts';

export const captionOptions = {
  templates: texts
    .refine((list) => list.every((t) => t.includes('{}')), 'every template needs {} where the caption goes')
    .default(['{}']),
};
export const weights = z.array(z.number().positive()).optional();
/** What separates captions within a cell where one of several columns is drawn. */
export const cellSplit = '|';

const schema = z.object({
  column: z.union([z.string(), z.array(z.string()).min(1)]),
  weights,
  split: z.string().optional(),
  ...captionOptions,
});

export interface CaptionOptions {
  readonly names: readonly string[];
  /** Those of weight 0 are taken, the first first, where the others have no caption. */
  readonly weights: readonly number[];
  /** Separator within a cell, or empty. */
  readonly split: string;
  readonly templates: readonly string[];
}

/** The captions that a cell holds. */
function captionsIn(cell: string, split: string): string[] {
  const parts = split === '' ? [cell] : cell.split(split);
  return parts.map((part) => part.trim()).filter((part) => part !== '');
}

/** @throws DiagnosticError Z522 where there are not as many weights as names */
export function checkWeights(
  call: StaticCall,
  option: string,
  weights: readonly number[] | undefined,
  names: readonly string[],
): void {
  if (weights !== undefined && weights.length !== names.length)
    failAt(
      call,
      'Z522',
      `\`${option}\` of ${call.name} has ${weights.length} values for ${names.length} columns`,
    );
}

export function captionColumn(options: CaptionOptions, input: ModelInput, view: number): Column {
  const { names, weights, split, templates } = options;
  return {
    columns: names,
    holds: 'text',
    lacks: (cell) => names.every((name) => captionsIn(cell(name), split).length === 0),
    async open(_rows, { seed }) {
      const vocab = vocabularyOf(input) ?? anyId.max + 1;
      const tokenizer = await createTokenizer({ vocab, context: input.sizes[0]! });
      return (into, { epoch, index, row }) => {
        const key = randomKey(seed, 'caption', epoch, index, ...viewKey(view));
        const cells = names.map((name) => captionsIn(row.text(name), split));
        const usable = weights.map((w, c) => (cells[c]!.length > 0 ? w : 0));
        const drawn = usable.some((w) => w > 0)
          ? randomChoice(key, 0, usable)
          : cells.findIndex((cell) => cell.length > 0);
        const cell = cells[drawn]!;
        const caption = cell[randomBelow(key, 1, cell.length)]!;
        const text = templates[randomBelow(key, 2, templates.length)]!.replaceAll('{}', () => caption);
        tokenizer.encodeInto(into as Int32Array, text);
      };
    },
  };
}

export const caption: ColumnKind = (call, input, view) => {
  const { column, weights, split, templates } = parseOptions(call, schema, ['column']);
  const names = typeof column === 'string' ? [column] : column;
  checkWeights(call, 'weights', weights, names);
  return captionColumn(
    {
      names,
      weights: weights ?? names.map(() => 1),
      split: split ?? (typeof column === 'string' ? '' : cellSplit),
      templates,
    },
    input,
    view,
  );
};
