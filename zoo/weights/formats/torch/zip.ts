/**
 * Zip archives for random access: where each stored entry's bytes lie in the file.
 *
 * The container's rules are yauzl's; on top come checks for archives made to deceive: two entries of one
 * name, entries that share bytes or reach into the directory, names that differ between directory and
 * entry, absurd counts. Nothing is ever written under an entry's name, and nothing is decompressed: PyTorch
 * stores tensors as they are.
 */
import type { FileHandle } from 'node:fs/promises';
import yauzl from 'yauzl';
import { DiagnosticError, fail } from '../../../../grammar/diagnostics.ts';
import { systemReason } from '../../../../runtime/data/files/atomic.ts';

/** Bytes `[begin, begin + size)` of the file. */
export interface ZipEntry {
  readonly name: string;
  readonly begin: number;
  readonly size: number;
  /** Uncompressed and unencrypted: the bytes in the file are the content. */
  readonly stored: boolean;
}

const maxEntries = 100_000;

/** @throws DiagnosticError Z421 */
export function damagedArchive(path: string, why: string): never {
  fail('Z421', `${path} is no intact PyTorch archive: ${why}`);
}

/** A name for messages: quoted and cut. */
export function quoteName(name: string): string {
  return JSON.stringify(name.length > 100 ? `${name.slice(0, 100)}...` : name);
}

/** Reads for yauzl that cannot leave the file, whatever a directory claims. */
class BoundedReader extends yauzl.RandomAccessReader {
  readonly #file: FileHandle;
  readonly #size: number;

  constructor(file: FileHandle, size: number) {
    super();
    this.#file = file;
    this.#size = size;
  }

  override read(
    buffer: Buffer,
    offset: number,
    length: number,
    position: number,
    callback: (error: Error | null, bytesRead?: number) => void,
  ): void {
    if (!(position >= 0 && position + length <= this.#size)) {
      setImmediate(callback, new Error(`it points to byte ${position}, behind the end of the file`));
      return;
    }
    this.#file.read(buffer, offset, length, position).then(
      ({ bytesRead }) => callback(null, bytesRead),
      (error: Error) => callback(error),
    );
  }
}

async function locate(
  zip: yauzl.ZipFile,
  entry: yauzl.Entry,
  path: string,
): Promise<ZipEntry & { from: number }> {
  const label = quoteName(entry.fileName);
  const header = await zip.readLocalFileHeaderPromise(entry);
  if (!entry.fileNameRaw.equals(header.fileName))
    damagedArchive(path, `the entry ${label} calls itself ${quoteName(header.fileName.toString())}`);
  if (header.compressionMethod !== entry.compressionMethod)
    damagedArchive(path, `the entry ${label} is compressed otherwise than the directory says`);
  return {
    name: entry.fileName,
    from: entry.relativeOffsetOfLocalHeader,
    begin: header.fileDataStart,
    size: entry.compressedSize,
    stored: entry.compressionMethod === 0 && !entry.isEncrypted(),
  };
}

/** No byte may belong to two entries, or to an entry and the directory. */
function checkOverlap(
  entries: readonly (ZipEntry & { from: number })[],
  directory: number,
  path: string,
): void {
  const sorted = [...entries].sort((a, b) => a.from - b.from || a.begin - b.begin);
  for (const [i, entry] of sorted.entries()) {
    const next = sorted[i + 1];
    const end = entry.begin + entry.size;
    if (end > (next?.from ?? directory))
      damagedArchive(
        path,
        `the entry ${quoteName(entry.name)} overlaps ${next === undefined ? 'the directory' : quoteName(next.name)}`,
      );
  }
}

/**
 * Where the directory begins: yauzl's cursor before the first entry is read, which its
 * published types call a boolean.
 */
function directoryStart(zip: yauzl.ZipFile): number {
  const cursor: unknown = zip.readEntryCursor;
  if (typeof cursor !== 'number') throw new TypeError('yauzl does not say where the directory begins');
  return cursor;
}

async function readDirectory(file: FileHandle, size: number, path: string): Promise<Map<string, ZipEntry>> {
  const zip = await yauzl.fromRandomAccessReaderPromise(new BoundedReader(file, size), size, {
    autoClose: false,
  });
  const directory = directoryStart(zip);
  if (zip.entryCount > maxEntries) damagedArchive(path, `its directory claims ${zip.entryCount} entries`);
  const entries: (ZipEntry & { from: number })[] = [];
  const names = new Map<string, ZipEntry>();
  for await (const entry of zip.eachEntry()) {
    const found = await locate(zip, entry, path);
    if (names.has(found.name)) damagedArchive(path, `it has two entries ${quoteName(found.name)}`);
    names.set(found.name, found);
    entries.push(found);
  }
  checkOverlap(entries, directory, path);
  return names;
}

/**
 * The entries of an archive by name. The caller keeps `file`, and closes it.
 * @throws DiagnosticError Z421 when the archive is damaged or made to deceive
 */
export async function readZipDirectory(
  file: FileHandle,
  size: number,
  path: string,
): Promise<ReadonlyMap<string, ZipEntry>> {
  try {
    return await readDirectory(file, size, path);
  } catch (error) {
    const ours = error instanceof DiagnosticError || error instanceof TypeError;
    if (ours || systemReason(error) !== undefined) throw error;
    damagedArchive(path, reasonOf(error));
  }
}

/** What yauzl says, in one line of bearable length. */
function reasonOf(error: unknown): string {
  const [line = ''] = (error instanceof Error ? error.message : String(error)).split('\n');
  return line.length > 200 ? `${line.slice(0, 200)}...` : line;
}
