/** Where the bytes of a sample lie: a file, a part of one, or memory. Plain data, so that threads can pass it on. */
import { type FileHandle, open, stat } from 'node:fs/promises';
import { readFully } from './read-fully.ts';

/** A member of a shard. */
interface FilePart {
  readonly path: string;
  readonly offset: number;
  readonly size: number;
  /** What it is called within its file. */
  readonly name: string;
}

interface InMemory {
  readonly bytes: Uint8Array;
  readonly name: string;
}

/** The path of a file, or what else holds bytes. */
export type DataFile = string | FilePart | InMemory;

/** As messages say it. */
export function nameOf(file: DataFile): string {
  if (typeof file === 'string') return file;
  return 'path' in file ? `${file.path}: ${file.name}` : file.name;
}

/** @throws Error for what is no file: opening it, such as a FIFO, could wait without end */
export async function sizeOf(file: DataFile): Promise<number> {
  if (typeof file !== 'string') return 'bytes' in file ? file.bytes.byteLength : file.size;
  const found = await stat(file);
  if (!found.isFile()) throw new Error('it is not a file');
  return found.size;
}

interface Reader {
  /** `length` bytes from `at` on; fewer where it ends before. */
  read(at: number, length: number): Promise<Uint8Array>;
}

/** Calls `use` with a reader of the bytes. */
export async function withBytes<T>(file: DataFile, use: (reader: Reader) => Promise<T>): Promise<T> {
  if (typeof file !== 'string' && 'bytes' in file)
    return use({ read: async (at, length) => file.bytes.subarray(at, at + length) });
  const { path, offset, size } = typeof file === 'string' ? { path: file, offset: 0, size: undefined } : file;
  const handle = await open(path);
  try {
    const end = offset + (size ?? (await handle.stat()).size);
    // What has no size may be no file of a disk; then reading it says what is wrong.
    if (end === offset) await handle.read(new Uint8Array(1), 0, 1, offset);
    return await use({
      read: (at, length) => readPart(handle, offset + at, Math.min(length, end - offset - at), path),
    });
  } finally {
    await handle.close();
  }
}

function readPart(handle: FileHandle, at: number, length: number, path: string): Promise<Uint8Array> {
  return readFully(handle, at, Math.max(0, length), path);
}

/** All bytes of it. */
export async function readWhole(file: DataFile): Promise<Uint8Array> {
  const size = await sizeOf(file);
  return withBytes(file, (reader) => reader.read(0, size));
}
