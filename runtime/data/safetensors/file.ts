/**
 * Safetensors files on disk: opened by their header alone and read tensor by tensor; written
 * as a stream, atomically.
 *
 * ViT-L/14 is 1.7 GB: at no time does this file hold more than one tensor, whatever the size of the whole.
 */
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
 * @throws DiagnosticError Z413 when it cannot be written; then a file already there is untouched
 */
export async function writeSafetensors(
  path: string,
  tensors: Iterable<TensorToWrite> | ReadonlyMap<string, Tensor>,
  metadata: ReadonlyMap<string, string> | Readonly<Record<string, string>> = {},
): Promise<void> {
  const list: TensorToWrite[] =
    tensors instanceof Map
      ? [...(tensors as ReadonlyMap<string, Tensor>)].map(([name, t]) => ({ name, ...t }))
      : [...(tensors as Iterable<TensorToWrite>)];
  const sorted = storageOrder(list);
  const header = encodeHeader(sorted, metadata instanceof Map ? metadata : new Map(Object.entries(metadata)));
  await writeAtomically(path, async (file) => {
    await writeFully(file, header);
    for (const { name, dtype, shape, data } of sorted) {
      const values = typeof data === 'function' ? await data() : data;
      await writeFully(file, encodeTensor(name, { dtype, shape, data: values }));
    }
  });
}
