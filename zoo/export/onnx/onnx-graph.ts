/**
 * An ONNX graph that is being made: nodes in order, the small constants they read, and the names of the weights.
 *
 * Values are named by count behind a slash, which no weight's name has; nodes by the block that they come from, so that a
 * viewer shows the model's own paths.
 */
import { create } from '@bufbuild/protobuf';
import {
  type AttributeProto,
  AttributeProto_AttributeType,
  AttributeProtoSchema,
  type NodeProto,
  NodeProtoSchema,
  type TensorProto,
  TensorProto_DataType,
  TensorProtoSchema,
  type ValueInfoProto,
  ValueInfoProtoSchema,
} from 'onnx-buf';
import type { DType } from '../../../compiler/graph/types.ts';
import type { QuantizedWeight } from './quantize.ts';

/** A value of the graph, by its name. */
export type Value = string;

/** An attribute of a node: integers are plain numbers, floats say that they are. */
export type Attribute =
  | number
  | readonly number[]
  | { readonly float: number }
  | { readonly tensor: TensorProto };
export type Attributes = Readonly<Record<string, Attribute>>;

/** Element types as ONNX numbers them. */
export const onnxTypes: Readonly<Record<DType, TensorProto_DataType>> = {
  f32: TensorProto_DataType.FLOAT,
  f16: TensorProto_DataType.FLOAT16,
  i32: TensorProto_DataType.INT32,
};

function attributeOf(name: string, value: Attribute): AttributeProto {
  if (typeof value === 'number')
    return create(AttributeProtoSchema, { name, type: AttributeProto_AttributeType.INT, i: BigInt(value) });
  if ('float' in value)
    return create(AttributeProtoSchema, { name, type: AttributeProto_AttributeType.FLOAT, f: value.float });
  if ('tensor' in value)
    return create(AttributeProtoSchema, { name, type: AttributeProto_AttributeType.TENSOR, t: value.tensor });
  return create(AttributeProtoSchema, {
    name,
    type: AttributeProto_AttributeType.INTS,
    ints: value.map(BigInt),
  });
}

function bytesOf(values: Float32Array | Int32Array | BigInt64Array | Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(values.buffer as ArrayBuffer, values.byteOffset, values.byteLength);
}

/** One element, or one for every axis of `dims`. */
export function smallTensor(
  dataType: TensorProto_DataType,
  dims: readonly number[],
  values: Float32Array | Int32Array | BigInt64Array | Uint8Array,
  name?: string,
): TensorProto {
  return create(TensorProtoSchema, {
    ...(name === undefined ? {} : { name }),
    dataType,
    dims: dims.map(BigInt),
    rawData: bytesOf(values),
  });
}

/** How matrices are stored: as they are, as halves, or as bytes with scales. */
export type Storage = 'f32' | 'f16' | 'q8';

/** What the graph reads of a weight. */
export interface ReadWeight {
  /** Of the weight. */
  readonly name: string;
  readonly form: 'f32' | 'f16' | { readonly part: 'bytes' | 'scales'; readonly of: QuantizedWeight };
}

export class OnnxGraph {
  readonly nodes: NodeProto[] = [];
  readonly constants: TensorProto[] = [];
  /** By the names that the graph has for them. */
  readonly weights = new Map<string, ReadWeight>();
  readonly #storage: Storage;
  readonly #known = new Map<string, Value>();
  #path = '';

  constructor(storage: Storage) {
    this.#storage = storage;
  }

  get quantizes(): boolean {
    return this.#storage === 'q8';
  }

  /** Nodes that are added from now on come from this block. */
  from(path: string): void {
    this.#path = path;
  }

  /** Adds a node with one result, under a name where one is wanted. */
  add(opType: string, inputs: readonly Value[], attributes: Attributes = {}, as?: Value): Value {
    const output = as ?? `/v${this.nodes.length}`;
    this.#push(opType, inputs, attributes, [output]);
    return output;
  }

  /** Adds a node of whose two results only the second is wanted. */
  addSecond(opType: string, inputs: readonly Value[], attributes: Attributes): Value {
    const output = `/v${this.nodes.length}`;
    this.#push(opType, inputs, attributes, [`${output}_unused`, output]);
    return output;
  }

  /** Adds a node with several results, whose names count on from the first one's. */
  addAll(opType: string, inputs: readonly Value[], results: number): Value[] {
    const output = `/v${this.nodes.length}`;
    const names = Array.from({ length: results }, (_, i) => (i === 0 ? output : `${output}_${i}`));
    this.#push(opType, inputs, {}, names);
    return names;
  }

  #push(opType: string, input: readonly Value[], attributes: Attributes, output: readonly Value[]): void {
    const path = this.#path.split('.').filter((part) => part !== '');
    this.nodes.push(
      create(NodeProtoSchema, {
        name: `/${[...path, `${opType}_${this.nodes.length}`].join('/')}`,
        opType,
        input: [...input],
        output: [...output],
        attribute: Object.entries(attributes).map(([name, value]) => attributeOf(name, value)),
      }),
    );
  }

  /** The same value for the same key. */
  once(key: string, make: () => Value): Value {
    const known = this.#known.get(key) ?? make();
    this.#known.set(key, known);
    return known;
  }

  #constant(key: string, make: (name: string) => TensorProto): Value {
    return this.once(key, () => {
      const name = `/c${this.constants.length}`;
      this.constants.push(make(name));
      return name;
    });
  }

  /** An i64 vector: a shape, axes. */
  integers(values: readonly (number | bigint)[]): Value {
    return this.#constant(`i64[${values.join()}]`, (name) =>
      smallTensor(TensorProto_DataType.INT64, [values.length], BigInt64Array.from(values, BigInt), name),
    );
  }

  /** An i64 scalar. */
  integer(value: number): Value {
    return this.#constant(`i64 ${value}`, (name) =>
      smallTensor(TensorProto_DataType.INT64, [], BigInt64Array.of(BigInt(value)), name),
    );
  }

  scalar(value: number, dtype: DType): Value {
    return this.#constant(`${dtype} ${Object.is(value, -0) ? '-0' : value}`, (name) =>
      smallTensor(onnxTypes[dtype], [], elementOf(value, dtype), name),
    );
  }

  /** A scalar without a sign. */
  byte(value: number): Value {
    return this.#constant(`u8 ${value}`, (name) =>
      smallTensor(TensorProto_DataType.UINT8, [], Uint8Array.of(value), name),
    );
  }

  /** The bools [rows, columns] that are true where a query must not look: behind its own place. */
  future(rows: number, columns: number): Value {
    return this.#constant(`future ${rows} ${columns}`, (name) => {
      const seen = columns - rows;
      const hidden = Uint8Array.from({ length: rows * columns }, (_, i) =>
        i % columns > Math.floor(i / columns) + seen ? 1 : 0,
      );
      return smallTensor(TensorProto_DataType.BOOL, [rows, columns], hidden, name);
    });
  }

  /** A weight by its name in the model, as f32. */
  weight(name: string, rank: number): Value {
    return this.once(`weight ${name}`, () => {
      // Vectors are next to nothing beside matrices, and keep their precision.
      const half = this.#storage === 'f16' && rank > 1;
      this.weights.set(name, { name, form: half ? 'f16' : 'f32' });
      return half ? this.cast(name, TensorProto_DataType.FLOAT) : name;
    });
  }

  /** A weight as bytes in its shape, and the scales of its channels. */
  quantized(of: QuantizedWeight): { readonly values: Value; readonly scales: Value } {
    const { name, axis } = of;
    const end = axis === 0 ? '' : `_${axis}`;
    const [values, scales] = [`${name}_quantized${end}`, `${name}_scale${end}`];
    this.weights.set(values, { name, form: { part: 'bytes', of } });
    this.weights.set(scales, { name, form: { part: 'scales', of } });
    return { values, scales };
  }

  cast(value: Value, to: TensorProto_DataType): Value {
    return this.add('Cast', [value], { to });
  }
}

/** One element of a type; of f16 none is ever constant before mixed precision. */
export function elementOf(value: number, dtype: DType): Float32Array | Int32Array {
  return dtype === 'i32' ? Int32Array.of(value) : Float32Array.of(value);
}

/** A type of elements and a shape, whose open sizes have names. */
export function valueInfo(
  name: string,
  elemType: TensorProto_DataType,
  dims: readonly (string | number)[],
): ValueInfoProto {
  const dim = dims.map((d) => ({
    value:
      typeof d === 'number'
        ? { case: 'dimValue' as const, value: BigInt(d) }
        : { case: 'dimParam' as const, value: d },
  }));
  return create(ValueInfoProtoSchema, {
    name,
    type: { value: { case: 'tensorType', value: { elemType, shape: { dim } } } },
  });
}

/** A graph with what goes in and comes out. */
export interface OnnxModel {
  readonly graph: OnnxGraph;
  readonly inputs: readonly ValueInfoProto[];
  readonly outputs: readonly ValueInfoProto[];
}
