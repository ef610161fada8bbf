/** What data a project is begun with: how many pictures, how large, which captions or classes. Read as training reads them. */
import { dirname, isAbsolute, relative, resolve } from 'node:path';
import { fail } from '../../grammar/diagnostics.ts';
import { reasonOf } from '../../runtime/data/files/atomic.ts';
import type { DataFile } from '../../runtime/data/files/data-file.ts';
import { statOf } from '../../runtime/data/files/read-fully.ts';
import { decodeImage } from '../../runtime/data/pictures/open-picture.ts';
import { pathIn } from '../../runtime/data/sources/columns/path.ts';
import { readClassFolders } from '../../runtime/data/sources/rows/class-folders.ts';
import { readCsvTable } from '../../runtime/data/sources/rows/csv-table.ts';
import { expandShards } from '../../runtime/data/sources/shards/list.ts';
import { openShards } from '../../runtime/data/sources/shards/open-shards.ts';
import { Selection } from '../../runtime/data/sources/shards/selection.ts';
import type { SourceContext } from '../../runtime/data/sources/source-context.ts';
import { areStreams } from '../../runtime/data/sources/streams/open-streams.ts';

type Notes = Pick<SourceContext, 'warn' | 'note'>;

export interface DataOptions {
  /** A table, a folder of class folders, or a pattern of shards. */
  readonly data: string;
  /** Columns of a table. */
  readonly image: string;
  readonly text: string;
  /** Whether the texts of a table are names of classes. */
  readonly classes: boolean;
  /** The folder of the project, to which paths in it are relative. */
  readonly folder: string;
}

/** What was found. */
export interface Survey {
  readonly kind: 'table' | 'folders' | 'shards';
  /** The data, seen from the project. */
  readonly place: string;
  readonly samples: number;
  /** The short side of a picture: the median of those looked at. */
  readonly side: number;
  /** Some captions, spread over all. */
  readonly captions: readonly string[];
  readonly classes?: readonly string[];
  /** A picture's file, seen from the project, where pictures are files. */
  readonly picture?: string;
}

/** What is looked at of each kind of data, before pictures are opened. */
interface Found extends Pick<Survey, 'kind' | 'classes'> {
  readonly texts: readonly string[];
  picture(row: number): DataFile | Promise<DataFile>;
}

const mostPictures = 32;
const mostCaptions = 2000;

/** So many places at most, spread evenly. */
function spread(count: number, most: number): number[] {
  const taken = Math.min(count, most);
  return Array.from({ length: taken }, (_, i) => Math.floor(((i + 0.5) * count) / taken));
}

const isShards = (data: string) => /\.tar(\.gz)?$|[{}]|::|^pipe:|^https?:/.test(data);

async function table({ data, image, text, classes }: DataOptions, { warn }: Notes): Promise<Found> {
  const cells = await readCsvTable(data, [image, text], { warn });
  const [files, texts] = [cells.get(image)!, cells.get(text)!];
  const rows = [...texts.keys()].filter((row) => texts[row]!.trim() !== '' && files[row]!.trim() !== '');
  const kept = rows.map((row) => texts[row]!.trim());
  return {
    kind: 'table',
    texts: kept,
    ...(classes ? { classes: [...new Set(kept)].sort() } : {}),
    picture: (row) => pathIn(dirname(resolve(data)), files[rows[row]!]!),
  };
}

async function folders(data: string): Promise<Found> {
  const found = (await readClassFolders(data)).map(({ name, files }) => ({
    name: name.replaceAll('_', ' '),
    files,
  }));
  const files = found.flatMap((folder) => folder.files);
  return {
    kind: 'folders',
    texts: found.flatMap(({ name, files }) => files.map(() => name)),
    classes: found.map(({ name }) => name),
    picture: (row) => files[row]!,
  };
}

const shardPicture = 'jpg;png;jpeg;webp';

async function shards(data: string, notes: Notes): Promise<Found> {
  const call = { name: 'init', args: [], named: {} };
  const paths = expandShards(call, [data]);
  if (await areStreams(paths))
    fail(
      'Z703',
      `--data ${data}: shards that stream by cannot be looked at beforehand`,
      'name some of them that lie uncompressed on a local disk, and change `data` of the recipe afterwards',
    );
  const selection = new Selection([
    { columns: [shardPicture], holds: 'file' },
    { columns: ['txt'], holds: 'text' },
  ]);
  const { rows } = await openShards({ call, paths, selection, keep: undefined, name: data }, notes);
  const texts: string[] = [];
  for (let row = 0; row < rows.count; row++) texts.push((await rows.row(row)).text('txt'));
  return { kind: 'shards', texts, picture: async (row) => (await rows.row(row)).file(shardPicture)! };
}

function look(options: DataOptions, notes: Notes): Promise<Found> {
  const { data } = options;
  const stat = statOf(data);
  if (stat?.isDirectory() === true) return folders(data);
  if (isShards(data)) return shards(data, notes);
  if (stat === undefined)
    fail(
      'Z703',
      `--data ${data}: there is no such file or folder`,
      "a table (.csv, .tsv), a folder of class folders, or shards ('a-{0000..0099}.tar')",
    );
  return table(options, notes);
}

/** The median short side of some pictures. @throws DiagnosticError Z416 where none of them can be read */
async function sideOf({ texts, picture }: Found, data: string): Promise<number> {
  const sides: number[] = [];
  let reason = '';
  for (const row of spread(texts.length, mostPictures)) {
    try {
      const { width, height } = await decodeImage(await picture(row));
      sides.push(Math.min(width, height));
    } catch (error) {
      reason ||= reasonOf(error);
    }
  }
  if (sides.length === 0) fail('Z416', `no picture of ${data} can be read: ${reason}`);
  return sides.sort((a, b) => a - b)[sides.length >> 1]!;
}

/** A path or pattern of the command line, seen from a folder. */
export function seenFrom(folder: string, path: string): string {
  return path
    .split('::')
    .map((part) => (isAbsolute(part) ? part : relative(resolve(folder), resolve(part))))
    .join('::');
}

/** @throws DiagnosticError Z415, Z416, Z418, Z427, Z452, Z703 */
export async function survey(options: DataOptions, notes: Notes): Promise<Survey> {
  const { data, folder } = options;
  const found = await look(options, notes);
  const { kind, texts, classes } = found;
  if (texts.length < 2)
    fail('Z418', `${data} has ${texts.length === 0 ? 'no picture' : 'one picture'} with a caption or class`);
  const first = await found.picture(0);
  return {
    kind,
    place: seenFrom(folder, data),
    samples: texts.length,
    side: await sideOf(found, data),
    captions: spread(texts.length, mostCaptions).map((row) => texts[row]!),
    ...(classes === undefined ? {} : { classes }),
    ...(typeof first === 'string'
      ? { picture: seenFrom(folder, isAbsolute(data) ? first : relative('', first)) }
      : {}),
  };
}
