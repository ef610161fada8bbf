/**
 * Writes an ONNX graph node by node; tensors are names. Every result is named after the node that makes it.
 */
import type { HostTensor } from '../work.ts';
import { attributeType, elementType, model } from './schema.ts';

export type AttributeValue = number | readonly number[] | { readonly float: number };

interface ValueInfo {
  readonly name: string;
  readonly type: object;
}

function bytesOf(data: ArrayBufferView): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

function attribute(name: string, value: AttributeValue): object {
  if (typeof value === 'number') return { name, type: attributeType.int, i: value };
  return 'float' in value
    ? { name, type: attributeType.float, f: value.float }
    : { name, type: attributeType.ints, ints: [...value] };
}

export class OnnxGraph {
  readonly #nodes: object[] = [];
  readonly #initializers = new Map<string, object>();
  readonly #inputs: ValueInfo[] = [];

  input(name: string, { shape, data }: HostTensor): string {
    this.#inputs.push(
      this.#info(name, shape, data instanceof Int32Array ? elementType.int32 : elementType.float),
    );
    return name;
  }

  constant(name: string, { shape, data }: HostTensor): string {
    const type = data instanceof Int32Array ? elementType.int32 : elementType.float;
    this.#store(name, shape, type, bytesOf(data));
    return name;
  }

  scalar(value: number): string {
    return this.constant(`scalar.${value}`, { shape: [], data: Float32Array.of(value) });
  }

  /** A list of whole numbers: shapes, axes, bounds. */
  integers(values: readonly number[]): string {
    const name = `integers.${values.join('.')}`;
    this.#store(name, [values.length], elementType.int64, bytesOf(BigInt64Array.from(values, BigInt)));
    return name;
  }

  /** Adds a node with one result. */
  add(
    type: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, AttributeValue>> = {},
  ): string {
    const name = `${type}.${this.#nodes.length}`;
    this.#nodes.push({
      name,
      op_type: type,
      input: inputs,
      output: [name],
      attribute: Object.entries(attributes).map(([key, value]) => attribute(key, value)),
    });
    return name;
  }

  encode(output: string, shape: readonly number[]): Uint8Array {
    const content = {
      ir_version: 9,
      producer_name: 'zooc-bench',
      opset_import: [{ domain: '', version: 18 }],
      graph: {
        name: 'row',
        node: this.#nodes,
        initializer: [...this.#initializers.values()],
        input: this.#inputs,
        output: [this.#info(output, shape, elementType.float)],
      },
    };
    const problem = model.verify(content);
    if (problem !== null) throw new Error(`the ONNX graph does not fit its schema: ${problem}`);
    return model.encode(content).finish();
  }

  #store(name: string, dims: readonly number[], type: number, raw: Uint8Array): void {
    this.#initializers.set(name, { name, dims, data_type: type, raw_data: raw });
  }

  #info(name: string, shape: readonly number[], type: number): ValueInfo {
    const dim = shape.map((size) => ({ dim_value: size }));
    return { name, type: { tensor_type: { elem_type: type, shape: { dim } } } };
  }
}
