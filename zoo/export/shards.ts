/**
 * Shards of a table: tar archives in img2dataset's layout, which webdataset and open_clip read, too.
 *
 * Pictures are copied as they are. The same table and pictures give the same bytes.
 */

import { type FileHandle, open } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { type Pack, pack } from 'tar-stream';
import type { Code } from '../../grammar/codes.ts';
import { type Diagnostic, fail } from '../../grammar/diagnostics.ts';
import { reasonOf, writeFully, writeText } from '../../runtime/data/files/atomic.ts';
import { readWhole } from '../../runtime/data/files/data-file.ts';
import { type Format, recognise } from '../../runtime/data/pictures/formats/recognise.ts';
import { pathIn } from '../../runtime/data/sources/columns/path.ts';
import { readCsvTable, type TableFormat } from '../../runtime/data/sources/rows/csv-table.ts';
import { makeFolder } from './folder.ts';

export interface ShardsRequest extends Omit<TableFormat, 'warn'> {
  readonly table: string;
  readonly out: string;
  /** Column of the picture's path. */
  readonly image: string;
  /** Column of what goes into the member `txt`. */
  readonly text?: string;
  /** Columns of what goes into the member `json`. */
  readonly fields: readonly string[];
  readonly perShard: number;
  warn(warning: Diagnostic): void;
}

interface WrittenShards {
  readonly shards: number;
  readonly samples: number;
  /** Rows without a caption, or with a picture that cannot be read. */
  readonly left: number;
}

type Member = readonly [extension: string, bytes: Uint8Array];

const extensions: Readonly<Record<Format, string>> = {
  JPEG: 'jpg',
  PNG: 'png',
  GIF: 'gif',
  WebP: 'webp',
  TIFF: 'tif',
  BMP: 'bmp',
  AVIF: 'avif',
  SVG: 'svg',
};

/** Pictures that are named one by one. */
const named = 10;

interface OpenShard {
  readonly file: FileHandle;
  readonly tar: Pack;
  readonly name: string;
  samples: number;
}

/** Writes samples into shards, one behind the other. */
class ShardWriter {
  readonly #folder: string;
  readonly #perShard: number;
  readonly #digits: number;
  readonly sizes: Record<string, number> = {};
  #shard: OpenShard | undefined;

  constructor(folder: string, perShard: number) {
    this.#folder = folder;
    this.#perShard = perShard;
    this.#digits = Math.max(4, String(perShard - 1).length);
  }

  async add(sample: readonly Member[]): Promise<void> {
    this.#shard ??= await this.#begin();
    const { tar, name } = this.#shard;
    const key = name + String(this.#shard.samples++).padStart(this.#digits, '0');
    for (const [extension, bytes] of sample)
      tar.entry({ name: `${key}.${extension}`, mtime: new Date(0) }, Buffer.from(bytes));
    await this.#drain(this.#shard);
    if (this.#shard.samples === this.#perShard) await this.end();
  }

  /** Ends the shard that is begun, if one is. */
  async end(): Promise<void> {
    const shard = this.#shard;
    if (shard === undefined) return;
    shard.tar.finalize();
    await this.#drain(shard);
    await this.close();
    this.sizes[`${shard.name}.tar`] = shard.samples;
  }

  async close(): Promise<void> {
    await this.#shard?.file.close();
    this.#shard = undefined;
  }

  async #begin(): Promise<OpenShard> {
    const name = String(Object.keys(this.sizes).length).padStart(5, '0');
    const file = await open(join(this.#folder, `${name}.tar`), 'wx');
    return { file, tar: pack(), name, samples: 0 };
  }

  async #drain({ file, tar }: OpenShard): Promise<void> {
    for (let chunk: unknown = tar.read(); chunk !== null; chunk = tar.read())
      await writeFully(file, chunk as Uint8Array);
  }
}

/**
 * Writes a folder of shards with `sizes.json`, whole or not at all.
 * @throws DiagnosticError Z413, Z415, Z418, Z427, Z431
 */
export async function writeShards(request: ShardsRequest): Promise<WrittenShards> {
  const { table, out, image, text, fields, perShard, warn } = request;
  const columns = [...new Set([image, ...(text === undefined ? [] : [text]), ...fields])];
  const cells = await readCsvTable(table, columns, request);
  const folder = dirname(resolve(table));
  const count = cells.get(image)!.length;
  const texts = text === undefined ? fields : [text];
  return makeFolder(out, async (made) => {
    const writer = new ShardWriter(made, perShard);
    let [blank, unread, samples] = [0, 0, 0];
    try {
      for (let row = 0; row < count; row++) {
        const cell = (column: string) => cells.get(column)![row]!;
        if (texts.every((column) => cell(column).trim() === '')) {
          blank++;
          continue;
        }
        const path = pathIn(folder, cell(image));
        const picture = await readPicture(path).catch(reasonOf);
        if (typeof picture === 'string') {
          if (++unread <= named) warn(leftOut('Z426', `${path} cannot be read and is left out: ${picture}`));
          continue;
        }
        const members: Member[] = [picture];
        if (text !== undefined) members.push(['txt', Buffer.from(cell(text))]);
        if (fields.length > 0) members.push(['json', Buffer.from(JSON.stringify(record(fields, cell)))]);
        await writer.add(members);
        samples++;
      }
      await writer.end();
    } finally {
      await writer.close();
    }
    if (samples === 0) fail('Z418', `${table} has no row with a caption and a picture that can be read`);
    if (blank > 0)
      warn(leftOut('Z419', `${table}: ${blank} of ${count} rows have no caption and are left out`));
    if (unread > 0)
      warn(leftOut('Z426', `${table}: ${unread} of ${count} rows have pictures that cannot be read`));
    await writeText(join(made, 'sizes.json'), `${JSON.stringify(writer.sizes, null, 1)}\n`);
    return { shards: Object.keys(writer.sizes).length, samples, left: blank + unread };
  });
}

/** @throws Error with the reason */
async function readPicture(path: string): Promise<Member> {
  const bytes = await readWhole(path);
  return [extensions[recognise(bytes)], bytes];
}

function record(fields: readonly string[], cell: (column: string) => string): Record<string, string> {
  return Object.fromEntries(fields.map((field) => [field, cell(field)]));
}

function leftOut(code: Code, message: string): Diagnostic {
  return { code, severity: 'warning', message };
}
