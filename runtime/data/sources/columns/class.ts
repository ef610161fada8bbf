/** `class("COLUMN", names = FILE or list)`: the place of a name among the names; whole numbers without them. */
import { z } from 'zod';
import { anyInt } from '../../../../compiler/graph/index-ranges.ts';
import { didYouMean } from '../../../../compiler/model/values/suggest.ts';
import { readLines } from '../../files/text-lines.ts';
import { failAt, parseOptions } from '../../options.ts';
import type { ColumnKind } from './column.ts';
import { failAtRow, type Row } from './row.ts';

const schema = z.object({
  column: z.string(),
  names: z.union([z.string(), z.array(z.string()).min(1)]).optional(),
});

export const classColumn: ColumnKind = (call, input) => {
  const { column, names } = parseOptions(call, schema, ['column']);
  const { min, max } = input.ids ?? anyInt;
  return {
    columns: [column],
    holds: 'text',
    async open(rows, { find }) {
      const known = typeof names === 'string' ? await readLines(find(names)) : names;
      const places = known && new Map(known.map((name, i) => [name, i]));
      // A blank line keeps the numbers of those behind it, and is no name.
      places?.delete('');
      const twice = known?.find((name, i) => name !== '' && places!.get(name) !== i);
      if (twice !== undefined) failAt(call, 'Z522', `the name "${twice}" stands twice among the names`);
      const idOf = (row: Row): number => {
        const cell = row.text(column).trim();
        const id = places === undefined ? wholeNumber(cell) : places.get(cell);
        if (id === undefined && known !== undefined) {
          const some = known.slice(0, 5).join(', ');
          const help = `the names are ${some}${known.length > 5 ? `, … (${known.length})` : ''}`;
          const message = `\`${column}\` is "${cell}", which is none of the names${didYouMean(cell, known)}`;
          return failAtRow(row, 'Z425', message, help);
        }
        if (id === undefined) {
          const message = `\`${column}\` is "${cell}", which is no whole number`;
          return failAtRow(row, 'Z425', message, `class("${column}", names = "FILE") reads names`);
        }
        if (id >= min && id <= max) return id;
        const message = `\`${column}\` is ${places === undefined ? '' : `"${cell}", class `}${id}`;
        return failAtRow(row, 'Z425', `${message}; ${input.name} takes ${min} to ${max}`);
      };
      for (const row of rows.known?.() ?? []) idOf(row);
      return (into, { row }) => {
        into[0] = idOf(row);
      };
    },
  };
};

function wholeNumber(text: string): number | undefined {
  return /^[+-]?\d+$/.test(text) ? Number(text) : undefined;
}
