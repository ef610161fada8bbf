/** `number("COLUMN")`, `number(["x", "y"])`: numbers as they stand. */
import { z } from 'zod';
import { failAt, parseOptions, texts } from '../../options.ts';
import type { ColumnKind } from './column.ts';
import { failAtRow, type Row } from './row.ts';

const schema = z.object({ column: texts });

export const number: ColumnKind = (call, input) => {
  const { column: columns } = parseOptions(call, schema, ['column']);
  const wanted = input.sizes[0] ?? 1;
  if (columns.length !== wanted)
    failAt(call, 'Z522', `number has ${columns.length} columns for ${input.name}, which takes ${wanted}`);
  return {
    columns,
    holds: 'text',
    async open(rows) {
      const numberIn = (row: Row, column: string): number => {
        const cell = row.text(column).trim();
        const value = Math.fround(cell === '' ? Number.NaN : Number(cell));
        if (Number.isFinite(value)) return value;
        return failAtRow(row, 'Z425', `\`${column}\` is "${cell}", which is no number of 32 bits`);
      };
      for (const row of rows.known?.() ?? []) for (const column of columns) numberIn(row, column);
      return (into, { row }) => {
        columns.forEach((column, c) => {
          into[c] = numberIn(row, column);
        });
      };
    },
  };
};
