/** NumPy's .npy files: one array of numbers, little-endian, in C order. */
import { fail } from '../../../grammar/diagnostics.ts';
import type { HostArray } from '../../types.ts';
import { widenF16 } from '../safetensors/half.ts';
import { elementCount } from '../safetensors/header.ts';
import { failSystem } from './atomic.ts';
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
export async function readNpy(path: string): Promise<NpyArray> {
  let bytes: Uint8Array = new Uint8Array();
  try {
    const file = await openRegular(path, 'Z425');
    try {
      bytes = await readFully(file, 0, (await file.stat()).size, path);
    } finally {
      await file.close();
    }
  } catch (error) {
    failSystem('Z425', `cannot read ${path}`, error);
  }
  return parseNpy(bytes, path);
}

function parseNpy(bytes: Uint8Array, path: string): NpyArray {
  const malformed = (why: string) => fail('Z425', `${path} is not a .npy file that is read: ${why}`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const latin = (from: number, to: number) => Buffer.from(bytes.subarray(from, to)).toString('latin1');
  if (bytes.length < 12 || latin(0, 6) !== '\x93NUMPY') malformed('it does not begin as one');
  const [at, length] = bytes[6] === 1 ? [10, view.getUint16(8, true)] : [12, view.getUint32(8, true)];
  const text = latin(at, at + length);
  const found = header.exec(text) ?? malformed(`its header is ${JSON.stringify(text.slice(0, 200))}`);
  const [, descr = '', fortran, sizes = ''] = found;
  const shape = (sizes.match(/\d+/g) ?? []).map(Number);
  const type = types[descr] ?? malformed(`it holds ${descr}, which are no numbers in this machine's order`);
  if (fortran === 'True' && shape.length > 1)
    fail('Z425', `${path} is in Fortran's order`, 'numpy.save(path, numpy.ascontiguousarray(x))');
  const data = bytes.slice(at + length);
  const wanted = elementCount(shape) * type.BYTES_PER_ELEMENT;
  if (data.length !== wanted) malformed(`${data.length} bytes for [${shape.join(', ')}] of ${descr}`);
  const values = new type(data.buffer as ArrayBuffer);
  if (descr === '<f2') return { descr, shape, data: widenF16(values as Uint16Array) };
  if (descr[1] === 'f') return { descr, shape, data: Float32Array.from(values as ArrayLike<number>) };
  const integers = Int32Array.from(values, (value) =>
    BigInt.asIntN(32, BigInt(value)) === BigInt(value)
      ? Number(value)
      : malformed(`${value} is no 32-bit integer`),
  );
  return { descr, shape, data: integers };
}
