/**
 * Tensors in safetensors form: from bytes, and to bytes. Files are `file.ts`; the header's rules are
 * `header.ts`.
 *
 * F16 and BF16 arrive as Float32Array (exactly widened) and are narrowed again on writing; the
 * `dtype` field keeps the name of the stored type. F8 types stay raw bytes. Data is little-endian, as
 * are all hosts Node.js runs on.
 */
import { joinedBytes } from '../../joined.ts';
import { narrowBF16, narrowF16, widenBF16, widenF16 } from './half.ts';
import {
  elementBytes,
  elementCount,
  encodeHeader,
  headerLength,
  parseHeader,
  prefixBytes,
  type SafetensorsDType,
} from './header.ts';

export { elementBytes, elementCount, type SafetensorsDType, type TensorInfo } from './header.ts';

export type TensorData =
  | Float32Array
  | Float64Array
  | Int32Array
  | Int16Array
  | Int8Array
  | Uint8Array
  | Uint16Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array;

/** A tensor read from, or to be written to, a file: row-major, dense. */
export interface Tensor {
  readonly dtype: SafetensorsDType;
  readonly shape: readonly number[];
  readonly data: TensorData;
}

interface Safetensors {
  /** In order of their bytes in the file. */
  readonly tensors: Map<string, Tensor>;
  readonly metadata: ReadonlyMap<string, string>;
}

const arrays = {
  F64: Float64Array,
  I64: BigInt64Array,
  U64: BigUint64Array,
  F32: Float32Array,
  I32: Int32Array,
  U32: Uint32Array,
  F16: Uint16Array,
  BF16: Uint16Array,
  I16: Int16Array,
  U16: Uint16Array,
  I8: Int8Array,
  U8: Uint8Array,
  BOOL: Uint8Array,
  F8_E5M2: Uint8Array,
  F8_E4M3: Uint8Array,
} as const;

/** Stored bytes as typed values. Shares the memory of `bytes` where its alignment allows, else copies. */
export function decodeTensor(dtype: SafetensorsDType, bytes: Uint8Array): TensorData {
  const aligned = bytes.byteOffset % elementBytes[dtype] === 0 ? bytes : new Uint8Array(bytes);
  const length = bytes.byteLength / elementBytes[dtype];
  const values = new arrays[dtype](aligned.buffer as ArrayBuffer, aligned.byteOffset, length);
  if (dtype === 'F16') return widenF16(values as Uint16Array);
  if (dtype === 'BF16') return widenBF16(values as Uint16Array);
  return values;
}

/** Typed values as stored bytes, checked against dtype and shape. F16 and BF16 take a Float32Array. */
export function encodeTensor(name: string, tensor: Tensor): Uint8Array {
  const { dtype, shape, data } = tensor;
  if (data.length !== elementCount(shape))
    throw new Error(`tensor ${name}: ${data.length} values for shape [${shape.join(', ')}]`);
  const narrow = dtype === 'F16' ? narrowF16 : dtype === 'BF16' ? narrowBF16 : undefined;
  const wanted = narrow === undefined ? arrays[dtype] : Float32Array;
  if (!(data instanceof wanted))
    throw new Error(`tensor ${name}: ${dtype} cannot be written from ${data.constructor.name}`);
  const stored = narrow === undefined ? data : narrow(data as Float32Array);
  return new Uint8Array(stored.buffer as ArrayBuffer, stored.byteOffset, stored.byteLength);
}

/**
 * Parses a whole file held in memory.
 * @param source what to call it in messages
 * @throws DiagnosticError Z411 when the bytes are not a well-formed safetensors file
 */
export function readSafetensors(bytes: Uint8Array, source = 'the data'): Safetensors {
  const length = headerLength(bytes.subarray(0, prefixBytes), bytes.byteLength, source);
  const start = prefixBytes + length;
  const header = parseHeader(bytes.subarray(prefixBytes, start), bytes.byteLength - start, source);
  const tensors = new Map<string, Tensor>();
  for (const { name, dtype, shape, begin, end } of header.tensors.values())
    tensors.set(name, {
      dtype,
      shape,
      data: decodeTensor(dtype, bytes.subarray(start + begin, start + end)),
    });
  return { tensors, metadata: header.metadata };
}

/** Order of tensors in a file: wide elements first (keeps every tensor aligned), else as given. */
export function storageOrder<T extends { readonly dtype: SafetensorsDType }>(tensors: readonly T[]): T[] {
  return [...tensors].sort((a, b) => elementBytes[b.dtype] - elementBytes[a.dtype]);
}

/** A whole file as bytes; for small ones. Deterministic. */
export function encodeSafetensors(
  tensors: ReadonlyMap<string, Tensor>,
  metadata: ReadonlyMap<string, string> = new Map(),
): Uint8Array {
  const sorted = storageOrder([...tensors].map(([name, tensor]) => ({ name, ...tensor })));
  const chunks = [encodeHeader(sorted, metadata), ...sorted.map((t) => encodeTensor(t.name, t))];
  return joinedBytes(chunks);
}
