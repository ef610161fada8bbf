/** `number("COLUMN")`, `number(["x", "y"])`: numbers as they stand. */
import { z } from 'zod';
import { failAt, parseOptions, texts } from '../../options.ts';
import type { ColumnKind } from './column.ts';

const schema = z.object({ column: texts });

export const number: ColumnKind = (call, input) => {
  const { column: columns } = parseOptions(call, schema, ['column']);
  const wanted = input.sizes[0] ?? 1;
  if (columns.length !== wanted)
    failAt(call, 'Z522', `number has ${columns.length} columns for ${input.name}, which takes ${wanted}`);
  return {
    columns,
    async open(rows) {
      const values = new Float32Array(rows.count * wanted);
      for (let index = 0; index < rows.count; index++)
        columns.forEach((column, c) => {
          const cell = rows.cell(column, index).trim();
          const value = Math.fround(cell === '' ? Number.NaN : Number(cell));
          if (!Number.isFinite(value))
            rows.fail('Z425', index, `\`${column}\` is "${cell}", which is no number of 32 bits`);
          values[index * wanted + c] = value;
        });
      return (into, { index }) => {
        into.set(values.subarray(index * wanted, (index + 1) * wanted));
      };
    },
  };
};
