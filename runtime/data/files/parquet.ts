/** Parquet files: rows of chosen columns, a row group at a time. */
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { decompress } from 'fzstd';
import { type FileMetaData, parquetMetadataAsync, parquetReadObjects } from 'hyparquet';
import { didYouMean } from '../../../compiler/model/values/suggest.ts';
import { DiagnosticError, fail } from '../../../grammar/diagnostics.ts';
import { reasonOf } from './atomic.ts';
import { openRegular, readFully } from './read-fully.ts';

export interface ParquetFile {
  readonly path: string;
  /** Names of all columns. */
  readonly columns: readonly string[];
  /** Rows of each group. */
  readonly groups: readonly number[];
  readonly metadata: FileMetaData;
}

export type ParquetRow = Readonly<Record<string, unknown>>;

const compressors = {
  GZIP: (bytes: Uint8Array) => gunzipSync(bytes),
  BROTLI: (bytes: Uint8Array) => brotliDecompressSync(bytes),
  ZSTD: (bytes: Uint8Array, length: number) => decompress(bytes, new Uint8Array(length)),
};
/** What the library reads itself comes first. */
const codecs = ['UNCOMPRESSED', 'SNAPPY', ...Object.keys(compressors)];

interface Buffered {
  readonly byteLength: number;
  slice(start: number, end?: number): Promise<ArrayBuffer>;
}

/** @throws DiagnosticError Z415 with the reason, whatever it is */
async function withFile<T>(path: string, use: (file: Buffered) => Promise<T>): Promise<T> {
  try {
    const file = await openRegular(path, 'Z415');
    try {
      const { size } = await file.stat();
      const slice = async (start: number, end = size) =>
        (await readFully(file, start, Math.min(end, size) - start, path)).buffer as ArrayBuffer;
      return await use({ byteLength: size, slice });
    } finally {
      await file.close();
    }
  } catch (error) {
    if (error instanceof DiagnosticError) throw error;
    fail('Z415', `cannot read ${path}: ${reasonOf(error)}`);
  }
}

/**
 * @param columns that the file must have
 * @throws DiagnosticError Z415
 */
export function openParquet(path: string, columns: readonly string[]): Promise<ParquetFile> {
  return withFile(path, async (file) => {
    const metadata = await parquetMetadataAsync(file);
    const names = columnNames(metadata);
    const missing = columns.find((name) => !names.includes(name));
    if (missing !== undefined)
      fail(
        'Z415',
        `${path} has no column \`${missing}\`${didYouMean(missing, names)}`,
        `its columns are ${names.map((name) => `\`${name}\``).join(', ')}`,
      );
    const foreign = codecsOf(metadata, columns).find((codec) => !codecs.includes(codec));
    if (foreign !== undefined)
      fail(
        'Z415',
        `${path} is compressed with ${foreign}`,
        `what is read is ${codecs.map((codec) => codec.toLowerCase()).join(', ')}`,
      );
    return {
      path,
      columns: names,
      metadata,
      groups: metadata.row_groups.map((group) => Number(group.num_rows)),
    };
  });
}

function codecsOf({ row_groups: groups }: FileMetaData, columns: readonly string[]): string[] {
  return groups
    .flatMap((group) => group.columns)
    .flatMap(({ meta_data: data }) => (data && columns.includes(data.path_in_schema[0]!) ? data.codec : []));
}

/** Those of the first level: the first element of a schema is its root. */
export function columnNames({ schema }: FileMetaData): string[] {
  const names: string[] = [];
  let at = 1;
  const skip = (): void => {
    const { num_children: children = 0 } = schema[at++]!;
    for (let i = 0; i < children; i++) skip();
  };
  while (at < schema.length) {
    names.push(schema[at]!.name);
    skip();
  }
  return names;
}

/** @throws DiagnosticError Z415 */
export function readGroup(
  { path, groups, metadata }: ParquetFile,
  group: number,
  columns: readonly string[],
): Promise<ParquetRow[]> {
  const rowStart = groups.slice(0, group).reduce((a, b) => a + b, 0);
  const rowEnd = rowStart + groups[group]!;
  return withFile(path, (file) =>
    parquetReadObjects({ file, metadata, columns: [...columns], rowStart, rowEnd, compressors, utf8: false }),
  );
}
