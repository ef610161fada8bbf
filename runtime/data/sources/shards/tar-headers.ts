/**
 * Headers of tar archives, and a walk from one to the next that reads no contents: what an index needs.
 *
 * ustar, GNU's and PAX's long names and sizes. Archives set behind each other are read to the end of the file, and
 * the two empty blocks at the end may lack.
 */
import type { FileHandle } from 'node:fs/promises';
import { openRegular } from '../../files/read-fully.ts';

const block = 512;

export interface TarMember {
  readonly name: string;
  /** Of its contents. */
  readonly offset: number;
  readonly size: number;
}

/** What a shard cannot be read for, from some place on. */
export class ShardError extends Error {}

interface Header {
  readonly name: string;
  readonly size: number;
  readonly type: string;
}

function textIn(bytes: Uint8Array, from: number, length: number): string {
  const field = Buffer.from(bytes.buffer, bytes.byteOffset + from, length);
  const end = field.indexOf(0);
  return field.toString('utf8', 0, end < 0 ? length : end);
}

/** Octal digits, or GNU's big-endian binary behind a first byte of 0x80. */
function numberIn(bytes: Uint8Array, from: number, length: number): number {
  if (bytes[from] === 0x80)
    return bytes.subarray(from + 1, from + length).reduce((value, byte) => value * 256 + byte, 0);
  const text = textIn(bytes, from, length).trim();
  return text === '' ? 0 : /^[0-7]+$/.test(text) ? Number.parseInt(text, 8) : Number.NaN;
}

const checksumAt = 148;

function hasChecksum(bytes: Uint8Array): boolean {
  const found = numberIn(bytes, checksumAt, 8);
  let unsigned = 8 * 0x20;
  let signed = unsigned;
  for (let i = 0; i < block; i++) {
    if (i >= checksumAt && i < checksumAt + 8) continue;
    unsigned += bytes[i]!;
    signed += (bytes[i]! << 24) >> 24;
  }
  // Old programs summed signed characters.
  return found === unsigned || found === signed;
}

/** @throws ShardError */
function parseHeader(bytes: Uint8Array, at: number): Header {
  const size = numberIn(bytes, 124, 12);
  if (!hasChecksum(bytes) || !Number.isSafeInteger(size)) throw new ShardError(notHeader(bytes, at));
  const prefix = bytes[262] === 0 && textIn(bytes, 257, 5) === 'ustar' ? textIn(bytes, 345, 155) : '';
  const name = textIn(bytes, 0, 100);
  return { name: prefix === '' ? name : `${prefix}/${name}`, size, type: String.fromCharCode(bytes[156]!) };
}

function notHeader(bytes: Uint8Array, at: number): string {
  if (at > 0) return `it is damaged: there is no header of a member at byte ${at}`;
  const kind = compression(bytes);
  if (kind !== undefined) return `it is compressed with ${kind}`;
  const start = Buffer.from(bytes.subarray(0, 32))
    .toString('latin1')
    .replace(/[^ -~]+/g, ' ')
    .trim();
  return `it is no tar archive: it begins with ${JSON.stringify(start)}`;
}

/** What a file is compressed with, by its first bytes. */
export function compression(bytes: Uint8Array): 'gzip' | 'bzip2' | 'xz' | 'zstd' | undefined {
  const head = Buffer.from(bytes.subarray(0, 6)).toString('hex');
  if (head.startsWith('1f8b')) return 'gzip';
  if (head.startsWith('425a68')) return 'bzip2';
  if (head.startsWith('fd377a585a00')) return 'xz';
  return head.startsWith('28b52ffd') ? 'zstd' : undefined;
}

/** Records `LENGTH name=value\n` of a PAX header. */
function paxRecords(bytes: Uint8Array): Map<string, string> {
  const found = new Map<string, string>();
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at < text.length; ) {
    const space = text.indexOf(0x20, at);
    const length = space < 0 ? 0 : Number(text.toString('latin1', at, space));
    if (!Number.isSafeInteger(length) || length < space - at + 2 || at + length > text.length) break;
    const record = text.toString('utf8', space + 1, at + length - 1);
    const equals = record.indexOf('=');
    found.set(record.slice(0, equals), record.slice(equals + 1));
    at += length;
  }
  return found;
}

/** No name or list of attributes is as long; a header that says so is damaged. */
const longestExtra = 2 ** 20;
const hasContents = (type: string) => !'123456'.includes(type);
const isRegular = (type: string) => type === '0' || type === '\0' || type === '7';

/** Bytes that are read when the walk jumps, and when it goes on where it stood. */
const [jumping, going] = [16 * 1024, 256 * 1024];

/** Reads a file here and there, mostly forwards. */
export class ForwardReader {
  readonly #file: FileHandle;
  readonly size: number;
  #bytes: Uint8Array = new Uint8Array();
  #at = 0;

  constructor(file: FileHandle, size: number) {
    this.#file = file;
    this.size = size;
  }

  /** Bytes that live until the next call; fewer than asked for at the file's end. */
  async read(at: number, length: number): Promise<Uint8Array> {
    const wanted = Math.min(length, this.size - at);
    if (at < this.#at || at + wanted > this.#at + this.#bytes.length) await this.#fill(at, wanted);
    return this.#bytes.subarray(at - this.#at, at - this.#at + wanted);
  }

  async #fill(at: number, wanted: number): Promise<void> {
    const near = at >= this.#at && at <= this.#at + this.#bytes.length + jumping;
    const length = Math.min(Math.max(wanted, near ? going : jumping), this.size - at);
    const bytes = new Uint8Array(length);
    let read = 0;
    while (read < length) {
      const { bytesRead } = await this.#file.read(bytes, read, length - read, at + read);
      if (bytesRead === 0) throw new ShardError('it became shorter while it was read');
      read += bytesRead;
    }
    this.#bytes = bytes;
    this.#at = at;
  }
}

/**
 * Regular members in order.
 * @throws ShardError behind the last whole member, where the archive is cut or damaged
 */
export async function* walkTar(reader: ForwardReader): AsyncGenerator<TarMember, void> {
  let longName: string | undefined;
  let pax = new Map<string, string>();
  let at = 0;
  while (at < reader.size) {
    const bytes = await reader.read(at, block);
    if (bytes[0] === 0 && bytes.every((byte) => byte === 0)) {
      at += block;
      continue;
    }
    if (bytes.length < block) throw new ShardError(at === 0 ? notHeader(bytes, at) : cut(at));
    const header = parseHeader(bytes, at);
    let contents = at + block;
    if (header.type === 'S')
      for (let more = bytes[482] === 1; more; contents += block)
        more = (await reader.read(contents, block))[504] === 1;
    const size = Number(pax.get('size') ?? header.size);
    const stored = hasContents(header.type) ? size : 0;
    const end = contents + Math.ceil(stored / block) * block;
    if (!(contents + stored <= reader.size)) throw new ShardError(cut(at));
    if ('LKxg'.includes(header.type)) {
      if (size > longestExtra) throw new ShardError(`it is damaged: a header at byte ${at} of ${size} bytes`);
      const extra = await reader.read(contents, size);
      if (header.type === 'L') longName = textIn(extra, 0, extra.length);
      if (header.type === 'x') pax = paxRecords(extra);
    } else {
      const name = longName ?? pax.get('path') ?? header.name;
      const sparse = [...pax.keys()].some((key) => key.startsWith('GNU.sparse.'));
      if (isRegular(header.type) && !sparse && !name.endsWith('/')) yield { name, offset: contents, size };
      longName = undefined;
      pax = new Map();
    }
    at = end;
  }
  if (at > reader.size) throw new ShardError('it is cut off behind its last member');
}

function cut(at: number): string {
  return `it is cut off: the member at byte ${at} is not whole`;
}

/** Calls `use` with a reader of a file. */
export async function withReader<T>(path: string, use: (reader: ForwardReader) => Promise<T>): Promise<T> {
  const file = await openRegular(path, 'Z452');
  try {
    return await use(new ForwardReader(file, (await file.stat()).size));
  } finally {
    await file.close();
  }
}
