/** NumPy's .npy files: one array of numbers, little-endian, in C order. */
import type { FileHandle } from 'node:fs/promises';
import { alignUp } from '../../../compiler/graph/dims.ts';
import { fail } from '../../../grammar/diagnostics.ts';
import type { HostArray } from '../../types.ts';
import { widenF16 } from '../safetensors/half.ts';
import { elementCount } from '../safetensors/header.ts';
import { reasonOf } from './atomic.ts';
import { type DataFile, nameOf, readWhole } from './data-file.ts';
import { openRegular, readFully } from './read-fully.ts';

interface NpyArray {
  /** `<f4` as the file says it. */
  readonly descr: string;
  readonly shape: readonly number[];
  /** Floats as f32, integers as i32. */
  readonly data: HostArray;
}

type Typed = { readonly BYTES_PER_ELEMENT: number } & (new (
  bytes: ArrayBuffer,
) => ArrayLike<number | bigint>);

const types: Readonly<Record<string, Typed>> = {
  '<f2': Uint16Array,
  '<f4': Float32Array,
  '<f8': Float64Array,
  '|i1': Int8Array,
  '|u1': Uint8Array,
  '|b1': Uint8Array,
  '<i2': Int16Array,
  '<u2': Uint16Array,
  '<i4': Int32Array,
  '<u4': Uint32Array,
  '<i8': BigInt64Array,
  '<u8': BigUint64Array,
};

/** Read in one way only: digits that could be one size or several would be tried in every division. */
const header =
  /^\{'descr': '([^']*)', 'fortran_order': (True|False), 'shape': \(((?:\d+(?:, ?\d+)*,? ?)?)\), \}\s*$/;

/** @throws DiagnosticError Z425 when it cannot be read, or holds what is no array of numbers in C order */
export async function readNpy(file: DataFile): Promise<NpyArray> {
  const bytes = await readWhole(file).catch((error: unknown) =>
    fail('Z425', `cannot read ${nameOf(file)}: ${reasonOf(error)}`),
  );
  return parseNpy(bytes, nameOf(file));
}

interface NpyHeader {
  readonly descr: string;
  readonly shape: readonly number[];
  readonly type: Typed;
  /** Where the numbers begin, and how many bytes they should take. */
  readonly at: number;
  readonly bytes: number;
}

function malformed(path: string, why: string): never {
  fail('Z425', `${path} is not a .npy file that is read: ${why}`);
}

/** @param bytes the first of the file */
function parseHeader(bytes: Uint8Array, path: string): NpyHeader {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const latin = (from: number, to: number) => Buffer.from(bytes.subarray(from, to)).toString('latin1');
  if (bytes.length < 12 || latin(0, 6) !== '\x93NUMPY') malformed(path, 'it does not begin as one');
  const [at, length] = bytes[6] === 1 ? [10, view.getUint16(8, true)] : [12, view.getUint32(8, true)];
  const text = latin(at, at + length);
  const found = header.exec(text) ?? malformed(path, `its header is ${JSON.stringify(text.slice(0, 200))}`);
  const [, descr = '', fortran, sizes = ''] = found;
  const shape = (sizes.match(/\d+/g) ?? []).map(Number);
  const type =
    types[descr] ?? malformed(path, `it holds ${descr}, which are no numbers in this machine's order`);
  if (fortran === 'True' && shape.length > 1)
    fail('Z425', `${path} is in Fortran's order`, 'numpy.save(path, numpy.ascontiguousarray(x))');
  return { descr, shape, type, at: at + length, bytes: elementCount(shape) * type.BYTES_PER_ELEMENT };
}

function checkLength({ bytes, shape, descr }: NpyHeader, found: number, path: string): void {
  if (found !== bytes) malformed(path, `${found} bytes for [${shape.join(', ')}] of ${descr}`);
}

function parseNpy(bytes: Uint8Array, path: string): NpyArray {
  const found = parseHeader(bytes, path);
  const { descr, shape, type } = found;
  const data = bytes.slice(found.at);
  checkLength(found, data.length, path);
  const values = new type(data.buffer as ArrayBuffer);
  if (descr === '<f2') return { descr, shape, data: widenF16(values as Uint16Array) };
  if (descr[1] === 'f') return { descr, shape, data: Float32Array.from(values as ArrayLike<number>) };
  const integers = Int32Array.from(values, (value) =>
    BigInt.asIntN(32, BigInt(value)) === BigInt(value)
      ? Number(value)
      : malformed(path, `${value} is no 32-bit integer`),
  );
  return { descr, shape, data: integers };
}

/** More than headers of two sizes take. */
const longestHeader = 4096;

/** A file of rows of floats that may be larger than memory: f16 or f32, [rows, width]. */
export class NpyRows {
  readonly path: string;
  readonly #file: FileHandle;
  readonly #header: NpyHeader;

  private constructor(path: string, file: FileHandle, found: NpyHeader) {
    this.path = path;
    this.#file = file;
    this.#header = found;
  }

  /** @throws DiagnosticError Z425; system errors as they are */
  static async open(path: string): Promise<NpyRows> {
    const file = await openRegular(path, 'Z425');
    try {
      const { size } = await file.stat();
      const found = parseHeader(await readFully(file, 0, Math.min(longestHeader, size), path), path);
      const { descr, shape } = found;
      if (shape.length !== 2 || (descr !== '<f2' && descr !== '<f4'))
        malformed(path, `it holds ${descr} [${shape.join(', ')}], not rows of <f2 or <f4`);
      checkLength(found, size - found.at, path);
      return new NpyRows(path, file, found);
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  get rows(): number {
    return this.#header.shape[0]!;
  }

  get width(): number {
    return this.#header.shape[1]!;
  }

  /** Rows `[first, first + count)`, widened where they are halves. */
  async read(first: number, count: number): Promise<Float32Array> {
    const { at, type, descr } = this.#header;
    const row = this.width * type.BYTES_PER_ELEMENT;
    const { buffer } = await readFully(this.#file, at + first * row, count * row, this.path);
    return descr === '<f2' ? widenF16(new Uint16Array(buffer)) : new Float32Array(buffer);
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}

/**
 * A file of version 1.0, whose numbers start at a multiple of 64 bytes.
 * @param shape row-major sizes of `data`
 * @param data floats, or the bits of halves
 */
export function encodeNpy(shape: readonly number[], data: Float32Array | Uint16Array): Uint8Array {
  const sizes = shape.length === 1 ? `${shape[0]},` : shape.join(', ');
  const description = `{'descr': '<f${data.BYTES_PER_ELEMENT}', 'fortran_order': False, 'shape': (${sizes}), }`;
  const fixed = 10;
  const total = alignUp(fixed + description.length + 1, 64);
  const head = Buffer.alloc(total, ' ');
  head.write('\x93NUMPY\x01\x00', 'latin1');
  head.writeUInt16LE(total - fixed, 8);
  head.write(description, fixed, 'latin1');
  head.write('\n', total - 1, 'latin1');
  return Buffer.concat([head, new Uint8Array(data.buffer, data.byteOffset, data.byteLength)]);
}
