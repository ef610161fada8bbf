/** What is known of the rows that a search found: their metadata, and their pictures where the shards are at hand. */
import { dirname, isAbsolute, join } from 'node:path';
import sharp from 'sharp';
import { fail } from '../../grammar/diagnostics.ts';
import type { DataFile } from '../../runtime/data/files/data-file.ts';
import { columnNames, openParquet, type ParquetFile, readGroup } from '../../runtime/data/files/parquet.ts';
import { statOf } from '../../runtime/data/files/read-fully.ts';
import { loadFitted } from '../../runtime/data/pictures/images.ts';
import { plain } from '../../runtime/data/sources/shards/beside.ts';
import type { Neighbour } from '../../runtime/eval/metrics/nearest.ts';
import { isLocal, shardSamples } from '../embed/shard-samples.ts';
import type { IndexRows } from './index-rows.ts';

export interface Hit {
  readonly score: number;
  /** Name of the shard, and row within its files. */
  readonly shard: string;
  readonly row: number;
  readonly key: string;
  readonly caption: string | null;
  /** The further columns of the row. */
  readonly fields: Readonly<Record<string, unknown>>;
}

type Described = Pick<Hit, 'key' | 'caption' | 'fields'>;

/** Where the shard is that the features were made of; undefined where it is not at hand. */
function locateShard(folder: string, name: string, { metadata }: ParquetFile): string | undefined {
  const from = metadata.key_value_metadata?.find(({ key }) => key === 'shard')?.value;
  const places = [join(folder, `${name}.tar`), join(dirname(folder), `${name}.tar`)];
  if (from !== undefined && isLocal(from)) places.unshift(isAbsolute(from) ? from : join(folder, from));
  return places.find((place) => statOf(place)?.isFile() === true);
}

/** Rows of one shard by number. @throws DiagnosticError Z415, Z470 */
async function describe(file: ParquetFile, rows: ReadonlySet<number>): Promise<Map<number, Described>> {
  const columns = columnNames(file.metadata);
  const found = new Map<number, Described>();
  let first = 0;
  for (const [group, count] of file.groups.entries()) {
    const begin = first;
    const wanted = [...rows].filter((row) => row >= begin && row < begin + count);
    const read = wanted.length === 0 ? [] : await readGroup(file, group, columns);
    for (const row of wanted) {
      const { key, caption, ...fields } = JSON.parse(JSON.stringify(read[row - begin], plain));
      found.set(row, { key: String(key), caption: caption === null ? null : String(caption), fields });
    }
    first += count;
  }
  const missing = [...rows].find((row) => !found.has(row));
  if (missing !== undefined) fail('Z470', `${file.path} has ${first} rows, and the features beside it more`);
  return found;
}

/** Side of a thumbnail in pixels. */
const side = 192;

/** A picture for a page, as a `data:` address; undefined where it cannot be read. */
export async function thumbnail(file: DataFile): Promise<string | undefined> {
  try {
    const raw = { width: side, height: side, channels: 3 } as const;
    const jpeg = await sharp(await loadFitted(file, { size: side }), { raw })
      .jpeg()
      .toBuffer();
    return `data:image/jpeg;base64,${jpeg.toString('base64')}`;
  } catch {
    return undefined;
  }
}

async function thumbnails(path: string, keys: ReadonlySet<string>): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  try {
    for await (const { key, picture } of shardSamples(path)) {
      if (!keys.has(key) || picture === undefined || found.has(key)) continue;
      const image = await thumbnail(picture);
      if (image !== undefined) found.set(key, image);
      if (found.size === keys.size) break;
    }
  } catch {
    // A page without some of its pictures is still one.
  }
  return found;
}

export interface Found {
  /** By query. */
  readonly hits: readonly (readonly Hit[])[];
  /** Thumbnail of a hit, where one is at hand. */
  picture(hit: Hit): string | undefined;
}

/**
 * @param pictures whether thumbnails are wanted
 * @throws DiagnosticError Z415, Z470
 */
export async function describeHits(
  index: IndexRows,
  neighbours: readonly (readonly Neighbour[])[],
  pictures: boolean,
): Promise<Found> {
  const rows = new Map<string, Set<number>>();
  for (const { index: at } of neighbours.flat()) {
    const { name, row } = index.place(at);
    rows.set(name, (rows.get(name) ?? new Set()).add(row));
  }
  const known = new Map<string, Map<number, Described>>();
  const images = new Map<string, Map<string, string>>();
  for (const [name, wanted] of rows) {
    const file = await openParquet(join(index.folder, `${name}.parquet`), ['key', 'caption']);
    const described = await describe(file, wanted);
    known.set(name, described);
    const shard = pictures ? locateShard(index.folder, name, file) : undefined;
    if (shard === undefined) continue;
    images.set(name, await thumbnails(shard, new Set([...described.values()].map(({ key }) => key))));
  }
  return {
    hits: neighbours.map((list) =>
      list.map(({ index: at, similarity }) => {
        const { name, row } = index.place(at);
        return { score: similarity, shard: name, row, ...known.get(name)!.get(row)! };
      }),
    ),
    picture: ({ shard, key }) => images.get(shard)?.get(key),
  };
}
