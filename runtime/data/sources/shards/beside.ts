/** img2dataset's parquet beside a shard: its columns by key, each row as the JSON of a member `parquet`. */
import { stat } from 'node:fs/promises';
import { openParquet, readGroup } from '../../files/parquet.ts';

/** The extension that stands for it. */
export const besideExtension = 'parquet';

function besidePath(shard: string): string {
  return shard.replace(/\.tar$/, '.parquet');
}

/** Changes with the file; undefined where there is none. */
export async function besideStamp(shard: string): Promise<string | undefined> {
  try {
    const { size, mtimeNs } = await stat(besidePath(shard), { bigint: true });
    return `${size} ${mtimeNs}`;
  } catch {
    return undefined;
  }
}

/** As JSON has it. */
export function plain(_: string, value: unknown): unknown {
  if (value instanceof Uint8Array)
    return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString();
  return typeof value === 'bigint' ? Number(value) : value;
}

/** @throws DiagnosticError Z415 where it cannot be read, or lacks a column */
export async function readBeside(shard: string, fields: readonly string[]): Promise<Map<string, string>> {
  const columns = [...new Set(['key', ...fields])];
  const file = await openParquet(besidePath(shard), columns);
  const rows = new Map<string, string>();
  for (const group of file.groups.keys())
    for (const { key, ...values } of await readGroup(file, group, columns)) {
      const name = key instanceof Uint8Array ? Buffer.from(key).toString() : String(key);
      rows.set(name, JSON.stringify(fields.includes('key') ? { key, ...values } : values, plain));
    }
  return rows;
}
