/**
 * The weights in an ONNX file: its initialisers, under the names of the module that they belonged to.
 *
 * PyTorch's exporter renames what it folds. The matrix of a linear layer becomes `onnx::MatMul_381`, transposed; the node
 * that reads it is called `/visual_projection/MatMul`, which says the module. Equal tensors are stored once, and stand
 * under their other names behind an Identity. Nothing is computed.
 */
import type { FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fromBinary } from '@bufbuild/protobuf';
import {
  type GraphProto,
  type ModelProto,
  ModelProtoSchema,
  type TensorProto,
  TensorProto_DataLocation,
  TensorProto_DataType,
} from 'onnx-buf';
import { fail } from '../../../grammar/diagnostics.ts';
import { failSystem } from '../../../runtime/data/files/atomic.ts';
import { openRegular, readFully } from '../../../runtime/data/files/read-fully.ts';
import {
  decodeTensor,
  elementBytes,
  elementCount,
  type SafetensorsDType,
  type Tensor,
} from './safetensors.ts';
import type { StoredInfo, TensorFile } from './tensor-file.ts';

/** Protobuf has no larger messages. */
const mostBytes = 2 ** 31;
/** Of a name in a message. */
const shown = 100;

const dtypes: Readonly<Partial<Record<TensorProto_DataType, SafetensorsDType>>> = {
  [TensorProto_DataType.FLOAT]: 'F32',
  [TensorProto_DataType.DOUBLE]: 'F64',
  [TensorProto_DataType.FLOAT16]: 'F16',
  [TensorProto_DataType.BFLOAT16]: 'BF16',
  [TensorProto_DataType.INT32]: 'I32',
  [TensorProto_DataType.INT64]: 'I64',
};

/** An initialiser under a module's name. */
interface Initialiser {
  readonly tensor: TensorProto;
  readonly dtype: SafetensorsDType;
  /** As the module has it. */
  readonly shape: readonly number[];
  /** It is stored with its two axes exchanged. */
  readonly transposed: boolean;
}

function broken(path: string, why: string): never {
  fail('Z436', `${path} is no ONNX file that can be read: ${why}`);
}

const quoted = (name: string) => JSON.stringify(name.slice(0, shown));

function initialiser(path: string, tensor: TensorProto, transposed: boolean): Initialiser | undefined {
  const dtype = dtypes[tensor.dataType as TensorProto_DataType];
  const shape = tensor.dims.map(Number);
  // What is quantised, or text, is no weight; that one is missing is said with its name.
  if (dtype === undefined) return undefined;
  if (shape.some((n) => !Number.isSafeInteger(n) || n < 0) || !Number.isSafeInteger(elementCount(shape)))
    broken(path, `${quoted(tensor.name)} has the shape [${shape.slice(0, 8).join(', ')}]`);
  if (transposed && shape.length !== 2) return undefined;
  return { tensor, dtype, shape: transposed ? [shape[1]!, shape[0]!] : shape, transposed };
}

/** Names that an exporter, ours or PyTorch's, made up. */
function isMadeUp(name: string): boolean {
  return name.startsWith('/') || name.startsWith('onnx::');
}

/** `/text_model/encoder/layers.0/mlp/fc1/MatMul` is of `text_model.encoder.layers.0.mlp.fc1`. */
function moduleOf(node: string): string | undefined {
  return node.startsWith('/') ? node.split('/').slice(1, -1).join('.') : undefined;
}

function initialisers(path: string, { initializer, node }: GraphProto): Map<string, Initialiser> {
  const tensors = new Map(initializer.map((tensor) => [tensor.name, tensor]));
  const found = new Map<string, Initialiser>();
  const add = (name: string, tensor: TensorProto, transposed: boolean) => {
    const made = initialiser(path, tensor, transposed);
    if (made !== undefined) found.set(name, made);
  };
  for (const tensor of initializer) if (!isMadeUp(tensor.name)) add(tensor.name, tensor, false);
  for (const { opType, name, input, output } of node) {
    const read = input.at(-1) ?? '';
    const tensor = tensors.get(read);
    if (tensor === undefined) continue;
    if (opType === 'Identity' && output.length === 1 && !isMadeUp(output[0]!)) add(output[0]!, tensor, false);
    const module = moduleOf(name);
    if (opType === 'MatMul' && read.startsWith('onnx::') && module) add(`${module}.weight`, tensor, true);
  }
  return found;
}

/** Values that stand in the message as numbers, not bytes. */
function numbersOf(
  { floatData, doubleData, int32Data, int64Data }: TensorProto,
  dtype: SafetensorsDType,
): Uint8Array {
  const arrays = {
    F32: () => Float32Array.from(floatData),
    F64: () => Float64Array.from(doubleData),
    I32: () => Int32Array.from(int32Data),
    I64: () => BigInt64Array.from(int64Data),
    F16: () => Uint16Array.from(int32Data),
    BF16: () => Uint16Array.from(int32Data),
  };
  const values = arrays[dtype as keyof typeof arrays]();
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

/** The values of [rows, columns] as [columns, rows]. */
function exchanged(data: Tensor['data'], [rows, columns]: readonly [number, number]): Tensor['data'] {
  const values = data as Float32Array;
  return values.map((_, i) => values[(i % rows) * columns + Math.floor(i / rows)]!);
}

class OnnxFile implements TensorFile {
  readonly path: string;
  readonly infos: ReadonlyMap<string, StoredInfo>;
  readonly #found: ReadonlyMap<string, Initialiser>;
  readonly #beside = new Map<string, FileHandle>();

  constructor(path: string, found: ReadonlyMap<string, Initialiser>) {
    this.path = path;
    this.#found = found;
    this.infos = found;
  }

  async read(name: string): Promise<Tensor> {
    const found = this.#found.get(name);
    if (found === undefined) throw new Error(`no tensor ${name} in ${this.path}`);
    const { tensor, dtype, shape, transposed } = found;
    const length = elementCount(shape) * elementBytes[dtype];
    const bytes = await this.#bytes(tensor, dtype, length);
    if (bytes.length !== length)
      broken(this.path, `${quoted(name)} has ${bytes.length} bytes, its shape needs ${length}`);
    const data = decodeTensor(dtype, bytes);
    return { dtype, shape, data: transposed ? exchanged(data, [shape[1]!, shape[0]!]) : data };
  }

  async #bytes(tensor: TensorProto, dtype: SafetensorsDType, length: number): Promise<Uint8Array> {
    if (tensor.dataLocation !== TensorProto_DataLocation.EXTERNAL)
      return tensor.rawData.length > 0 ? tensor.rawData : numbersOf(tensor, dtype);
    const said = new Map(tensor.externalData.map(({ key, value }) => [key, value]));
    const [location = '', offset = '0'] = [said.get('location'), said.get('offset')];
    // Weights lie beside the graph: a name that leads elsewhere is refused.
    if (location === '' || location === '.' || location === '..' || /[/\\\0]/.test(location))
      broken(this.path, `${quoted(location)} is not the name of a file beside it`);
    const at = Number(offset);
    if (!Number.isSafeInteger(at) || at < 0)
      broken(this.path, `${quoted(offset)} is no place in ${location}`);
    const beside = join(dirname(this.path), location);
    try {
      const file = this.#beside.get(location) ?? (await openRegular(beside));
      this.#beside.set(location, file);
      const { size } = await file.stat();
      if (at + length > size)
        broken(this.path, `${location} has ${size} bytes, ${quoted(tensor.name)} needs ${at + length}`);
      return await readFully(file, at, length, beside);
    } catch (error) {
      failSystem('Z410', `cannot read ${beside}`, error);
    }
  }

  async close(): Promise<void> {
    for (const file of this.#beside.values()) await file.close();
  }
}

function decoded(path: string, bytes: Uint8Array): ModelProto {
  try {
    return fromBinary(ModelProtoSchema, bytes);
  } catch (error) {
    broken(path, (error as Error).message);
  }
}

/**
 * Reads the graph of an open file, which stays the caller's.
 * @throws DiagnosticError Z436 when it is malformed
 */
export async function readOnnx(path: string, file: FileHandle, size: number): Promise<TensorFile> {
  if (size > mostBytes) broken(path, `it has ${size} bytes, more than a message of protobuf may have`);
  const { graph } = decoded(path, await readFully(file, 0, size, path));
  if (graph === undefined) broken(path, 'it has no graph');
  return new OnnxFile(path, initialisers(path, graph));
}

/** Fields that may follow the version, with which every such file begins. */
const behindVersion = [0x12, 0x1a, 0x22, 0x28, 0x32, 0x3a, 0x42];

/** Whether the first bytes of a file are those of an ONNX model. */
export function beginsOnnx(bytes: Uint8Array): boolean {
  return bytes[0] === 0x08 && bytes[1]! > 0 && bytes[1]! < 0x80 && behindVersion.includes(bytes[2]!);
}
