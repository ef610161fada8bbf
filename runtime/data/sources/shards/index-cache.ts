/**
 * Indices of shards on disk, in the cache folder: made once for a shard (its path, size and time) and what is used
 * of it. One that is damaged, or that does not fit, is made again.
 */
import { createHash } from 'node:crypto';
import { realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { z } from 'zod';
import { dropKinds } from '../../../drops.ts';
import { makeFolders, writeAtomically, writeFully } from '../../files/atomic.ts';
import { openRegular } from '../../files/read-fully.ts';
import { recordBytes, type ShardIndex } from './shard-index.ts';

/** Changes with the form of the file, or with what the rules of members make of a shard. */
const magic = 'zooc shard index 2\n';

const headerSchema = z.object({
  count: z.int().nonnegative(),
  slots: z.int().nonnegative(),
  keys: z.int().nonnegative(),
  left: z.array(z.object({ kind: z.enum(dropKinds), reason: z.string(), count: z.int().nonnegative() })),
  error: z.string().optional(),
  digest: z.string(),
});

interface Place {
  readonly path: string;
  /** Of the records; the keys follow. */
  readonly recordsAt: number;
  readonly keysAt: number;
  /** Of the file. */
  readonly size: number;
}

export interface CachedIndex {
  readonly index: ShardIndex;
  /** Where it lies on disk; absent where it cannot be kept there. */
  readonly place?: Place;
}

/** Where the index of a shard lies; undefined where there is no such shard. */
export async function indexPath(shard: string, view: string, folder: string): Promise<string | undefined> {
  try {
    const real = await realpath(shard);
    const { size, mtimeNs } = await stat(real, { bigint: true });
    const name = createHash('sha256').update(JSON.stringify([magic, real, `${size}`, `${mtimeNs}`, view]));
    return join(folder, 'shards', `${name.digest('hex').slice(0, 40)}.idx`);
  } catch {
    return undefined;
  }
}

function headOf(index: ShardIndex, slots: number): Buffer {
  const { records: _, keys, ...rest } = index;
  const json = Buffer.from(JSON.stringify({ ...rest, slots, keys: keys.length }));
  const lengths = Buffer.alloc(8);
  lengths.writeUInt32LE(json.length, 0);
  return Buffer.concat([Buffer.from(magic), lengths, json]);
}

/** The bytes of a file: magic, length of the header, checksum of all behind it, header, records, keys. */
function encode(index: ShardIndex, slots: number): Buffer {
  const head = headOf(index, slots);
  const all = Buffer.concat([head, index.records, index.keys]);
  all.writeUInt32LE(crc32(all.subarray(magic.length + 8)), magic.length + 4);
  return all;
}

/** Undefined for what is no index of that many slots, whole and sound. */
function decode(
  bytes: Buffer,
  slots: number,
): { index: ShardIndex; recordsAt: number; keysAt: number } | undefined {
  const headerAt = magic.length + 8;
  if (bytes.length < headerAt || bytes.toString('latin1', 0, magic.length) !== magic) return undefined;
  if (crc32(bytes.subarray(headerAt)) !== bytes.readUInt32LE(magic.length + 4)) return undefined;
  const recordsAt = headerAt + bytes.readUInt32LE(magic.length);
  const parsed = headerSchema.safeParse(JSON.parse(bytes.toString('utf8', headerAt, recordsAt)));
  if (!parsed.success || parsed.data.slots !== slots) return undefined;
  const { count, keys, left, error, digest } = parsed.data;
  const keysAt = recordsAt + count * recordBytes(slots);
  if (keysAt + keys !== bytes.length) return undefined;
  const index: ShardIndex = {
    count,
    left,
    ...(error === undefined ? {} : { error }),
    digest,
    records: bytes.subarray(recordsAt, keysAt),
    keys: bytes.subarray(keysAt),
  };
  return { index, recordsAt, keysAt };
}

export async function loadIndex(path: string, slots: number): Promise<CachedIndex | undefined> {
  try {
    const file = await openRegular(path);
    try {
      const bytes = await file.readFile();
      const found = decode(bytes, slots);
      if (found === undefined) return undefined;
      const { index, recordsAt, keysAt } = found;
      return { index, place: { path, recordsAt, keysAt, size: bytes.length } };
    } finally {
      await file.close();
    }
  } catch {
    // What cannot be read or understood is made again.
    return undefined;
  }
}

/** @returns where it was written; undefined where the cache cannot be written */
export async function storeIndex(path: string, index: ShardIndex, slots: number): Promise<Place | undefined> {
  const bytes = encode(index, slots);
  try {
    await makeFolders(join(path, '..'));
    await writeAtomically(path, (file) => writeFully(file, bytes));
  } catch {
    // Training goes on without a cache.
    return undefined;
  }
  const keysAt = bytes.length - index.keys.length;
  return { path, recordsAt: keysAt - index.records.length, keysAt, size: bytes.length };
}
