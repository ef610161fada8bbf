/**
 * Writes zip archives after the published layout (APPNOTE 6.3), as PyTorch does: plain bytes, data on 64-byte
 * borders, sizes in a descriptor behind the data. Fields can be set to lie, for tests of the reader.
 */
import { crc32, deflateRawSync } from 'node:zlib';

export interface ZipEntryToWrite {
  readonly name: string;
  readonly data: Uint8Array;
  readonly deflate?: boolean;
  /** Lies in the directory. */
  readonly directory?: {
    readonly size?: number;
    readonly compressedSize?: number;
    readonly offset?: number;
    readonly method?: number;
    readonly flags?: number;
    readonly extra?: Uint8Array;
  };
  /** A lie in the entry's own header. */
  readonly localName?: string;
}

export interface ZipEnd {
  readonly count?: number;
  readonly offset?: number;
  readonly comment?: Uint8Array;
  /** Put in front of the end record: a zip64 end record and its locator. */
  readonly zip64?: { readonly count: bigint; readonly offset: bigint; readonly locator?: bigint };
}

/** Numbers of 2, 4 or 8 bytes, little-endian, one behind the other. */
export function fields(
  ...list: readonly (readonly [bytes: 2 | 4 | 8, value: number | bigint])[]
): Uint8Array {
  const out = new Uint8Array(list.reduce((n, [bytes]) => n + bytes, 0));
  const view = new DataView(out.buffer);
  let at = 0;
  for (const [bytes, value] of list) {
    if (bytes === 2) view.setUint16(at, Number(value), true);
    else if (bytes === 4) view.setUint32(at, Number(value), true);
    else view.setBigUint64(at, BigInt(value), true);
    at += bytes;
  }
  return out;
}

function localRecord(entry: ZipEntryToWrite, at: number): { bytes: Uint8Array; dataSize: number } {
  const data = entry.deflate ? deflateRawSync(entry.data) : entry.data;
  const name = Buffer.from(entry.localName ?? entry.name);
  const padding = (64 - ((at + 30 + name.length + 4) % 64)) % 64;
  const method = entry.deflate ? 8 : 0;
  const header = fields(
    [4, 0x04034b50],
    [2, 20],
    [2, 0x0808],
    [2, method],
    [4, 0],
    [4, 0],
    [4, 0],
    [4, 0],
    [2, name.length],
    [2, 4 + padding],
  );
  const extra = Buffer.concat([fields([2, 0x4246], [2, padding]), Buffer.alloc(padding, 'Z')]);
  const descriptor = fields(
    [4, 0x08074b50],
    [4, crc32(entry.data)],
    [4, data.length],
    [4, entry.data.length],
  );
  return { bytes: Buffer.concat([header, name, extra, data, descriptor]), dataSize: data.length };
}

function directoryRecord(entry: ZipEntryToWrite, offset: number, dataSize: number): Uint8Array {
  const lies = entry.directory ?? {};
  const name = Buffer.from(entry.name);
  const extra = lies.extra ?? new Uint8Array(0);
  const header = fields(
    [4, 0x02014b50],
    [2, 0],
    [2, 20],
    [2, lies.flags ?? 0x0808],
    [2, lies.method ?? (entry.deflate ? 8 : 0)],
    [4, 0],
    [4, crc32(entry.data)],
    [4, lies.compressedSize ?? dataSize],
    [4, lies.size ?? entry.data.length],
    [2, name.length],
    [2, extra.length],
    [2, 0],
    [2, 0],
    [2, 0],
    [4, 0],
    [4, lies.offset ?? offset],
  );
  return Buffer.concat([header, name, extra]);
}

export function writeZip(entries: readonly ZipEntryToWrite[], end: ZipEnd = {}): Uint8Array {
  const chunks: Uint8Array[] = [];
  const directory: Uint8Array[] = [];
  let at = 0;
  for (const entry of entries) {
    const { bytes, dataSize } = localRecord(entry, at);
    chunks.push(bytes);
    directory.push(directoryRecord(entry, at, dataSize));
    at += bytes.length;
  }
  const directoryBytes = Buffer.concat(directory);
  const behind = at + directoryBytes.length;
  const { zip64, comment = new Uint8Array(0) } = end;
  const tail64 =
    zip64 === undefined
      ? []
      : [
          fields([4, 0x06064b50], [8, 44], [2, 45], [2, 45], [4, 0], [4, 0]),
          fields([8, zip64.count], [8, zip64.count], [8, directoryBytes.length], [8, zip64.offset]),
          fields([4, 0x07064b50], [4, 0], [8, zip64.locator ?? BigInt(behind)], [4, 1]),
        ];
  const count = end.count ?? entries.length;
  const last = fields([4, 0x06054b50], [4, 0], [2, count], [2, count], [4, directoryBytes.length]);
  return Buffer.concat([
    ...chunks,
    directoryBytes,
    ...tail64,
    last,
    fields([4, end.offset ?? at], [2, comment.length]),
    comment,
  ]);
}
