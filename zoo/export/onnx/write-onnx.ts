/**
 * An ONNX file as bytes in order, one weight at a time, so that a model of any size never lies in memory; nothing here is
 * Node's, `onnx-file.ts` writes them.
 *
 * Weights are fields of the graph, whose length stands in front of it; so the lengths are summed first. Protobuf ends at 2 GB:
 * a larger model's weights go to a file of their own beside it, at offsets of whole pages, which runtimes map into memory.
 */
import { create, toBinary } from '@bufbuild/protobuf';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import {
  GraphProtoSchema,
  ModelProtoSchema,
  TensorProto_DataLocation,
  TensorProto_DataType,
  TensorProtoSchema,
} from 'onnx-buf';
import { elementBytes, elementCount, encodeTensor } from '../../../runtime/data/safetensors/tensors.ts';
import { joinedBytes } from '../../../runtime/joined.ts';
import type { LazyTensor } from '../../weights/formats/tensor-file.ts';
import { opset } from './lowerings.ts';
import type { OnnxModel } from './onnx-graph.ts';

/** What onnxruntime reads from version 1.14 on. */
const irVersion = 8n;

/** Of the file; nothing but weights is large. */
export const protobufLimit = 2_000_000_000;
/** Weights of fewer bytes stay in the model itself: runtimes need the numbers of small ones to fold constants. */
const leastExternal = 1024;
const page = 4096;

/** Numbers of fields in onnx.proto. */
const fields = {
  model: { graph: ModelProtoSchema.field.graph.number },
  graph: { initializer: GraphProtoSchema.field.initializer.number },
  tensor: { rawData: TensorProtoSchema.field.rawData.number },
};

/** A weight with the bytes that stand in front of its values. */
interface Piece {
  readonly tensor: LazyTensor;
  readonly front: Uint8Array;
  readonly bytes: number;
  /** Where its values are in the file of their own. */
  readonly offset?: number;
}

function tagged(field: number, length: number, before: Uint8Array = new Uint8Array()): Uint8Array {
  return new BinaryWriter().raw(before).tag(field, WireType.LengthDelimited).uint32(length).finish();
}

function bytesOf({ dtype, shape }: LazyTensor): number {
  return elementBytes[dtype] * elementCount(shape);
}

function messageOf({ name, dtype, shape }: LazyTensor) {
  const dataType = dtype === 'F16' ? TensorProto_DataType.FLOAT16 : TensorProto_DataType.FLOAT;
  return { name, dataType, dims: shape.map(BigInt) };
}

function inside(tensor: LazyTensor): Piece {
  const bytes = bytesOf(tensor);
  const body = tagged(
    fields.tensor.rawData,
    bytes,
    toBinary(TensorProtoSchema, create(TensorProtoSchema, messageOf(tensor))),
  );
  return { tensor, front: joinedBytes([tagged(fields.graph.initializer, body.length + bytes), body]), bytes };
}

function outside(tensor: LazyTensor, location: string, offset: number): Piece {
  const bytes = bytesOf(tensor);
  const external = { location, offset, length: bytes };
  const body = toBinary(
    TensorProtoSchema,
    create(TensorProtoSchema, {
      ...messageOf(tensor),
      dataLocation: TensorProto_DataLocation.EXTERNAL,
      externalData: Object.entries(external).map(([key, value]) => ({ key, value: String(value) })),
    }),
  );
  return { tensor, front: joinedBytes([tagged(fields.graph.initializer, body.length), body]), bytes, offset };
}

function piecesOf(tensors: readonly LazyTensor[], location: string | undefined): Piece[] {
  let end = 0;
  return tensors.map((tensor) => {
    if (location === undefined || bytesOf(tensor) < leastExternal) return inside(tensor);
    const offset = Math.ceil(end / page) * page;
    end = offset + bytesOf(tensor);
    return outside(tensor, location, offset);
  });
}

/** Everything but the weights: what stands in front of the graph, and the graph's own start. */
function frame({ graph, inputs, outputs }: OnnxModel, name: string): { head: Uint8Array; body: Uint8Array } {
  const head = toBinary(
    ModelProtoSchema,
    create(ModelProtoSchema, {
      irVersion,
      producerName: 'zooc',
      opsetImport: [{ domain: '', version: BigInt(opset) }],
    }),
  );
  const body = toBinary(
    GraphProtoSchema,
    create(GraphProtoSchema, {
      name,
      node: graph.nodes,
      initializer: graph.constants,
      input: [...inputs],
      output: [...outputs],
    }),
  );
  return { head, body };
}

async function valuesOf({ name, dtype, shape, data }: LazyTensor): Promise<Uint8Array> {
  return encodeTensor(name, { dtype, shape, data: await data() });
}

/** The weights that a model reads, in the type it has them in. */
function readBy({ graph }: OnnxModel, tensors: ReadonlyMap<string, LazyTensor>): LazyTensor[] {
  return [...graph.weights.values()].map(({ name, half }) => ({
    ...tensors.get(name)!,
    dtype: half ? 'F16' : 'F32',
  }));
}

export function weightBytes(model: OnnxModel, tensors: ReadonlyMap<string, LazyTensor>): number {
  return readBy(model, tensors).reduce((sum, tensor) => sum + bytesOf(tensor), 0);
}

/** Bytes that follow those before; with an offset they lie in the file of weights. */
export interface OnnxPart {
  readonly bytes: Uint8Array;
  readonly offset?: number;
}

/**
 * A model as bytes in their order.
 * @param location name of the file beside it that large weights go to; without one all of them are inside
 */
export async function* encodeOnnx(
  name: string,
  model: OnnxModel,
  tensors: ReadonlyMap<string, LazyTensor>,
  location?: string,
): AsyncGenerator<OnnxPart> {
  const pieces = piecesOf(readBy(model, tensors), location);
  const { head, body } = frame(model, name);
  const length = pieces.reduce(
    (sum, { front, bytes, offset }) => sum + front.length + (offset === undefined ? bytes : 0),
    body.length,
  );
  yield { bytes: joinedBytes([head, tagged(fields.model.graph, length), body]) };
  for (const { tensor, front, offset } of pieces) {
    const bytes = await valuesOf(tensor);
    yield { bytes: front };
    yield offset === undefined ? { bytes } : { bytes, offset };
  }
}

/** A whole model in memory; for those below the limit of protobuf. */
export async function onnxBytes(
  name: string,
  model: OnnxModel,
  tensors: ReadonlyMap<string, LazyTensor>,
): Promise<Uint8Array<ArrayBuffer>> {
  const parts: Uint8Array[] = [];
  for await (const { bytes } of encodeOnnx(name, model, tensors)) parts.push(bytes);
  return joinedBytes(parts);
}
