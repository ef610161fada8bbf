/**
 * Safetensors files on disk: opened by their header alone and read tensor by tensor; written
 * as a stream, atomically.
 *
 * ViT-L/14 is 1.7 GB: at no time does this file hold more than one tensor, whatever the size of the whole.
 */
import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { failSystem, writeAtomically, writeFully } from '../files/atomic.ts';
import { openRegular, readFully } from '../files/read-fully.ts';
import {
  encodeHeader,
  type Header,
  headerLength,
  parseHeader,
  prefixBytes,
  type SafetensorsDType,
  type TensorInfo,
} from './header.ts';
import { decodeTensor, encodeTensor, storageOrder, type Tensor, type TensorData } from './tensors.ts';

/** The metadata that holds a file's SHA-256, taken with zeros in its place. */
const checksumKey = 'zooc.sha256';
const noChecksum = '0'.repeat(64);

/** Where the checksum stands in a header with one; a quote within a name is escaped, so no name looks like it. */
function checksumPlace(header: Uint8Array): number | undefined {
  const before = `"${checksumKey}":"`;
  const at = Buffer.from(header.buffer, header.byteOffset, header.byteLength).indexOf(before);
  return at < 0 ? undefined : at + before.length;
}

/** Bytes read at once for a checksum. */
const checkedBytes = 8 * 2 ** 20;

/** An open file; close it when done. */
export class SafetensorsFile {
  readonly path: string;
  readonly #file: FileHandle;
  readonly #header: Header;
  readonly #dataStart: number;

  constructor(path: string, file: FileHandle, header: Header, dataStart: number) {
    this.path = path;
    this.#file = file;
    this.#header = header;
    this.#dataStart = dataStart;
  }

  /** Names, types, shapes and places, in order of their bytes. */
  get infos(): ReadonlyMap<string, TensorInfo> {
    return this.#header.tensors;
  }

  get metadata(): ReadonlyMap<string, string> {
    return this.#header.metadata;
  }

  /** Reads one tensor, which must be in `infos`. F16 and BF16 arrive as float32. */
  async read(name: string): Promise<Tensor> {
    const info = this.#info(name);
    const data = await this.#readBytes(info.begin, info.end);
    return { dtype: info.dtype, shape: info.shape, data: decodeTensor(info.dtype, data) };
  }

  /** Reads rows `[first, first + count)` along the first axis of one tensor: a batch out of many. */
  async readRows(name: string, first: number, count: number): Promise<Tensor> {
    const info = this.#info(name);
    const rows = info.shape[0] ?? 0;
    if (first < 0 || count < 0 || first + count > rows)
      throw new Error(`rows ${first}..${first + count} are not in tensor ${name} with ${rows}`);
    const stride = rows === 0 ? 0 : (info.end - info.begin) / rows;
    const data = await this.#readBytes(info.begin + first * stride, info.begin + (first + count) * stride);
    return {
      dtype: info.dtype,
      shape: [count, ...info.shape.slice(1)],
      data: decodeTensor(info.dtype, data),
    };
  }

  /** Every tensor, one at a time, in order of their bytes. */
  async *tensors(): AsyncGenerator<Tensor & { readonly name: string }> {
    for (const name of this.infos.keys()) yield { name, ...(await this.read(name)) };
  }

  /** Reads the whole file: whether it is what was written; undefined for one without a checksum. */
  async isIntact(): Promise<boolean | undefined> {
    const wanted = this.metadata.get(checksumKey);
    if (wanted === undefined) return undefined;
    const header = await this.#readBytes(-this.#dataStart, 0);
    const place = checksumPlace(header);
    if (place === undefined) return false;
    header.set(Buffer.from(noChecksum), place);
    const hash = createHash('sha256').update(header);
    const end = Math.max(0, ...[...this.infos.values()].map((info) => info.end));
    for (let at = 0; at < end; at += checkedBytes)
      hash.update(await this.#readBytes(at, Math.min(end, at + checkedBytes)));
    return hash.digest('hex') === wanted;
  }

  /** Safe to call twice. */
  async close(): Promise<void> {
    await this.#file.close();
  }

  #info(name: string): TensorInfo {
    const info = this.infos.get(name);
    if (info === undefined) throw new Error(`no tensor ${name} in ${this.path}`);
    return info;
  }

  async #readBytes(begin: number, end: number): Promise<Uint8Array> {
    try {
      return await readFully(this.#file, this.#dataStart + begin, end - begin, this.path);
    } catch (error) {
      failSystem('Z410', `cannot read ${this.path}`, error);
    }
  }
}

/**
 * Opens a file and validates its header; no tensor is read yet.
 * @throws DiagnosticError Z410 when it cannot be read, Z411 when it is malformed
 */
export async function openSafetensors(path: string): Promise<SafetensorsFile> {
  let file: FileHandle | undefined;
  try {
    file = await openRegular(path);
    const stat = await file.stat();
    const prefix = await readFully(file, 0, Math.min(prefixBytes, stat.size), path);
    const length = headerLength(prefix, stat.size, path);
    const start = prefixBytes + length;
    const header = parseHeader(await readFully(file, prefixBytes, length, path), stat.size - start, path);
    return new SafetensorsFile(path, file, header, start);
  } catch (error) {
    await file?.close();
    failSystem('Z410', `cannot read ${path}`, error);
  }
}

/** A tensor to be written; `data` may be a function that makes it when its turn comes. */
export interface TensorToWrite {
  readonly name: string;
  readonly dtype: SafetensorsDType;
  readonly shape: readonly number[];
  readonly data: TensorData | (() => TensorData | Promise<TensorData>);
}

/**
 * Writes a file atomically, one tensor at a time. The same arguments give the same bytes.
 * @param tensors in the order wanted (wider element types are moved to the front, for alignment)
 * @param options.checksum whether the file holds its own checksum, for `isIntact`
 * @throws DiagnosticError Z413 when it cannot be written; then a file already there is untouched
 */
export async function writeSafetensors(
  path: string,
  tensors: Iterable<TensorToWrite> | ReadonlyMap<string, Tensor>,
  metadata: ReadonlyMap<string, string> | Readonly<Record<string, string>> = {},
  { checksum = false }: { readonly checksum?: boolean } = {},
): Promise<void> {
  const list: TensorToWrite[] =
    tensors instanceof Map
      ? [...(tensors as ReadonlyMap<string, Tensor>)].map(([name, t]) => ({ name, ...t }))
      : [...(tensors as Iterable<TensorToWrite>)];
  const sorted = storageOrder(list);
  const said: ReadonlyMap<string, string> =
    metadata instanceof Map ? metadata : new Map(Object.entries(metadata));
  const header = encodeHeader(sorted, checksum ? new Map([...said, [checksumKey, noChecksum]]) : said);
  const hash = checksum ? createHash('sha256').update(header) : undefined;
  await writeAtomically(path, async (file) => {
    await writeFully(file, header);
    for (const { name, dtype, shape, data } of sorted) {
      const values = typeof data === 'function' ? await data() : data;
      const bytes = encodeTensor(name, { dtype, shape, data: values });
      hash?.update(bytes);
      await writeFully(file, bytes);
    }
    if (hash !== undefined) {
      header.set(Buffer.from(hash.digest('hex')), checksumPlace(header)!);
      await writeFully(file, header, 0);
    }
  });
}
