/** `parquet("files", image = "jpg", text = "caption")`: samples of parquet files with the pictures in them. */
import { dirname } from 'node:path';
import { z } from 'zod';
import type { StaticCall } from '../../../compiler/model/types.ts';
import { Unusable } from '../../drops.ts';
import { digestOf } from '../files/digest.ts';
import { openParquet, type ParquetFile, type ParquetRow, readGroup } from '../files/parquet.ts';
import { failAt, parseOptions, texts } from '../options.ts';
import type { Part } from './batches/part.ts';
import { type CaptionOptions, captionOptions, checkWeights, weights } from './columns/caption.ts';
import type { Column } from './columns/column.ts';
import { columnsOf } from './columns/open-columns.ts';
import { pathIn } from './columns/path.ts';
import { pictureOptions } from './columns/picture.ts';
import type { Row } from './columns/row.ts';
import { FedColumns } from './fed-columns.ts';
import { readIdentity, sampleIdentity } from './identity.ts';
import { noting } from './rows/table-samples.ts';
import { decodingOf, sampleOptions } from './sample-options.ts';
import { expandShards } from './shards/list.ts';
import { decodeUtf8 } from './shards/selection.ts';
import type { SourceContext } from './source-context.ts';
import { laneOptions, openStreams, orderOf } from './streams/open-streams.ts';

/** Where it feeds one picture and one text. */
const pairOptions = {
  /** Column of the picture: its bytes, or its path relative to the file. */
  image: z.string().default('jpg'),
  /** Column of the caption, or several, of which one is drawn. */
  text: texts.default(['caption']),
  weights,
  /** Separates several captions in one text, and joins those of a list. */
  split: z.string().default(''),
  ...captionOptions,
  ...pictureOptions,
};

const schema = z.object({ files: texts, ...pairOptions, ...sampleOptions, ...laneOptions });

/** The bytes of a picture: as they are, or in a structure as datasets of Hugging Face have them. */
function bytesIn(value: unknown): Uint8Array | string | undefined {
  if (value instanceof Uint8Array || typeof value === 'string') return value;
  if (typeof value !== 'object' || value === null) return undefined;
  const { bytes, path } = value as { bytes?: unknown; path?: unknown };
  return bytes === undefined || bytes === null ? bytesIn(path) : bytesIn(bytes);
}

function textIn(value: unknown, column: string, split: string): string {
  if (typeof value === 'string') return value;
  if (value instanceof Uint8Array) return decodeUtf8(value, column);
  if (Array.isArray(value))
    return value.map((item) => textIn(item, column, split)).join(split === '' ? ' ' : split);
  return typeof value === 'number' || typeof value === 'bigint' ? String(value) : '';
}

interface Reading {
  readonly file: ParquetFile;
  /** Number of the first row. */
  readonly first: number;
  readonly split: string;
}

/** @throws Unusable where it lacks something that a column needs */
function rowOf(
  values: ParquetRow,
  number: number,
  { file, split }: Reading,
  columns: readonly Column[],
): Row {
  const name = `${file.path}, row ${number + 1}`;
  const text = (column: string) => textIn(values[column], column, split);
  const row: Row = {
    name,
    text,
    file(column) {
      const found = bytesIn(values[column]);
      if (typeof found === 'string') return found === '' ? undefined : pathIn(dirname(file.path), found);
      return found && { bytes: found, name: `${name}, ${column}` };
    },
  };
  for (const { columns: names, holds, lacks } of columns) {
    const lacking = holds === 'file' ? names.find((column) => row.file(column) === undefined) : undefined;
    if (lacking !== undefined) throw new Unusable('missing', `no ${lacking}`);
    if (lacks?.(text) === true) throw new Unusable('blank', 'a blank caption');
  }
  return row;
}

/** Errors: Z315, Z412, Z414, Z415, Z452, Z520 to Z522. */
export async function openParquetFiles(call: StaticCall, context: SourceContext): Promise<Part> {
  const options = parseOptions(call, schema, ['files']);
  const { text, weights, image, split, templates } = options;
  checkWeights(call, 'weights', weights, text);
  const caption: CaptionOptions = { names: text, weights: weights ?? text.map(() => 1), split, templates };
  const pair = () => ({ picture: { column: image, ...options }, caption });
  const columns = columnsOf(call, context.inputs, pair, Object.keys(pairOptions));
  const used = [...columns.values()];
  const names = [...new Set(used.flatMap((column) => column.columns))];
  const name = options.files.join('::');
  const groups: { file: ParquetFile; group: number; first: number }[] = [];
  for (const path of expandShards(call, options.files)) {
    const file = await openParquet(context.find(path), names);
    let first = 0;
    for (const [group, rows] of file.groups.entries()) {
      groups.push({ file, group, first });
      first += rows;
    }
  }
  const sizes = groups.map(({ file, group }) => file.groups[group]!);
  const rows = sizes.reduce((a, b) => a + b, 0);
  if (rows < context.batch)
    failAt(call, 'Z418', `${name} has ${rows} rows, fewer than one batch of ${context.batch}`);
  const { find, read } = noting(context);
  const fed = await FedColumns.open(columns, { path: name }, { ...context, find }, decodingOf(options));
  const digest = digestOf((hash) => hash.update(JSON.stringify([names, sizes])));
  const order = orderOf(options, groups.length);
  const identity = sampleIdentity(call, {
    rows: `${rows} of digest ${await readIdentity(digest, read)}`,
    order: order.samples,
  });
  return openStreams(
    {
      call,
      name,
      columns: fed,
      units: groups.map(({ file, group }) => `${file.path}, row group ${group}`),
      samples: options.samples ?? rows,
      identity,
      order,
      async *read(unit, leave) {
        const { file, group, first } = groups[unit]!;
        for (const [i, values] of (await readGroup(file, group, names)).entries()) {
          try {
            yield rowOf(values, first + i, { file, first, split }, used);
          } catch (error) {
            if (!(error instanceof Unusable)) throw error;
            leave(error);
          }
        }
      },
    },
    context,
  );
}
