/** `tensor("COLUMN")`: paths of .npy files, relative to the table's folder, each the input of one sample. */
import { z } from 'zod';
import { outside } from '../../../../compiler/graph/outside.ts';
import type { ModelInput } from '../../../../compiler/model/types.ts';
import { fail } from '../../../../grammar/diagnostics.ts';
import type { HostArray } from '../../../types.ts';
import { type DataFile, nameOf } from '../../files/data-file.ts';
import { readNpy } from '../../files/npy.ts';
import { parseOptions } from '../../options.ts';
import type { ColumnKind } from './column.ts';
import { failAtRow } from './row.ts';

const schema = z.object({ column: z.string() });

export const tensor: ColumnKind = (call, input) => {
  const { column } = parseOptions(call, schema, ['column']);
  return {
    columns: [column],
    holds: 'file',
    async open() {
      return async (into, { row }) => {
        const file = row.file(column);
        if (file === undefined) return failAtRow(row, 'Z425', `\`${column}\` names no file`);
        into.set(await readInput(file, input));
      };
    },
  };
};

/**
 * The values of an input (of one sample, if it is no table) from a .npy file.
 * @throws DiagnosticError Z425 when they are others than it takes
 */
export async function readInput(file: DataFile, input: ModelInput): Promise<HostArray> {
  const { name, dtype, sizes, ids } = input;
  const { descr, shape, data } = await readNpy(file);
  const path = nameOf(file);
  const wanted = `${dtype === 'i32' ? 'integers' : 'floats'} [${sizes.join(', ')}]`;
  const typed = data instanceof Float32Array === (dtype === 'f32');
  if (!typed || shape.length !== sizes.length || sizes.some((size, i) => shape[i] !== size))
    fail('Z425', `${path} holds ${descr} [${shape.join(', ')}]; ${name} takes ${wanted}`);
  const bad = ids === undefined ? -1 : outside(data, ids);
  if (ids !== undefined && bad >= 0)
    fail('Z425', `${path} holds the id ${data[bad]}; ${name} takes ${ids.min} to ${ids.max}`);
  return data;
}
