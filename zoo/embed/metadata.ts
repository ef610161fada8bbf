/** What is known of the pictures beside their features: a parquet file with a row for each. */
import { type ColumnSource, parquetWriteBuffer } from 'hyparquet-writer';
import { version } from '../version.ts';
import type { ShardSample } from './shard-samples.ts';

/** More fields than any description has; each takes a column of all rows. */
const mostColumns = 256;

type Values = readonly unknown[];
type Kind = Pick<ColumnSource, 'type'> & { fits(value: unknown): boolean; plain(value: unknown): unknown };

/** The first that fits all values of a column. */
const kinds: readonly Kind[] = [
  { type: 'STRING', fits: (value) => typeof value === 'string', plain: (value) => value },
  { type: 'BOOLEAN', fits: (value) => typeof value === 'boolean', plain: (value) => value },
  { type: 'INT64', fits: Number.isSafeInteger, plain: (value) => BigInt(value as number) },
  { type: 'DOUBLE', fits: (value) => typeof value === 'number', plain: (value) => value },
  {
    type: 'STRING',
    fits: () => true,
    plain: (value) => (typeof value === 'string' ? value : JSON.stringify(value)),
  },
];

function columnOf(name: string, values: Values): ColumnSource {
  const given = values.filter((value) => value !== null);
  const { type, plain } = kinds.find(({ fits }) => given.every(fits))!;
  return {
    name,
    ...(type === undefined ? {} : { type }),
    nullable: true,
    data: values.map((value) => (value === null ? null : plain(value))),
  };
}

/** Names of fields with a value, as they come first. */
function fieldNames(samples: readonly ShardSample[]): string[] {
  const names = new Set<string>();
  for (const { fields } of samples)
    for (const [name, value] of Object.entries(fields)) {
      if (names.size === mostColumns) return [...names];
      if (value !== null && name !== 'key' && name !== 'caption') names.add(name);
    }
  return [...names];
}

/**
 * Columns `key`, `caption` (of the member `txt`, else of the field), then the fields of the member `json`.
 * @param about of the whole file
 */
export function encodeMetadata(
  samples: readonly ShardSample[],
  about: Readonly<Record<string, string>>,
): Uint8Array {
  const caption = ({ text, fields }: ShardSample) => text ?? fields.caption ?? null;
  const buffer = parquetWriteBuffer({
    columnData: [
      { name: 'key', type: 'STRING', nullable: false, data: samples.map(({ key }) => key) },
      columnOf('caption', samples.map(caption)),
      ...fieldNames(samples).map((name) =>
        columnOf(
          name,
          samples.map(({ fields }) => (Object.hasOwn(fields, name) ? fields[name] : null)),
        ),
      ),
    ],
    kvMetadata: Object.entries(about).map(([key, value]) => ({ key, value })),
    createdBy: `zooc ${version}`,
  });
  return new Uint8Array(buffer);
}
