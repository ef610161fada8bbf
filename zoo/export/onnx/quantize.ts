/**
 * Which weights are quantised to bytes, and how: as onnxruntime's `quantize_dynamic` does with one scale for every output channel.
 *
 * A weight w of a channel becomes the byte round(w / scale) + 128 with scale = max |w| / 127. Bytes are without a sign, since
 * onnxruntime multiplies bytes with signs by instructions that saturate on older processors, and has no convolution of them.
 * Source: onnxruntime.ai/docs/performance/model-optimizations/quantization.html.
 */
import type { Graph, Node } from '../../../compiler/graph/types.ts';

/** A weight that is quantised for a node. */
export interface QuantizedWeight {
  readonly name: string;
  readonly shape: readonly number[];
  /** Of its channels, each with a scale. */
  readonly axis: number;
  /** Which of the node's inputs it is. */
  readonly input: number;
}

/** Byte of the weight 0. */
export const zeroByte = 128;
const most = 127;

/** Where an op takes a weight that is quantised, and along which axis of it its channels are. */
function placeOf(node: Node): Pick<QuantizedWeight, 'input' | 'axis'> | undefined {
  if (node.op === 'matmul') return { input: 1, axis: node.attrs.transposeB === true ? 0 : 1 };
  if (node.op === 'conv2d') return { input: 1, axis: 0 };
  return node.op === 'embedding' ? { input: 0, axis: 0 } : undefined;
}

/** The weight that is quantised at a node: a matrix or filter by which it multiplies, a table that it reads rows of. */
function quantizedWeight({ nodes }: Graph, node: Node): QuantizedWeight | undefined {
  const place = placeOf(node);
  const weight = place && nodes[node.inputs[place.input]!]!;
  if (weight?.op !== 'param') return undefined;
  const { name } = weight.attrs;
  const shape = weight.attrs.shape.map(Number);
  // Products of stacks of matrices have no scales of channels in ONNX.
  if (node.op === 'matmul' && shape.length !== 2) return undefined;
  return { name, shape, ...place! };
}

/** What is quantised in a graph, by node. */
export function quantizedNodes(graph: Graph): ReadonlyMap<number, QuantizedWeight> {
  return new Map(
    graph.nodes.flatMap((node) => {
      const weight = quantizedWeight(graph, node);
      return weight === undefined ? [] : [[node.id, weight] as const];
    }),
  );
}

/** How many there are, and of which one a value is. */
function channels({ shape, axis }: QuantizedWeight) {
  const run = shape.slice(axis + 1).reduce((a, b) => a * b, 1);
  return { count: shape[axis]!, of: (at: number) => Math.floor(at / run) % shape[axis]! };
}

/** A scale for every channel. */
export function scalesOf(weight: QuantizedWeight, values: Float32Array): Float32Array {
  const { count, of } = channels(weight);
  const scales = new Float32Array(count);
  for (let i = 0; i < values.length; i++)
    scales[of(i)] = Math.max(scales[of(i)]!, Math.abs(values[i]!) / most);
  return scales.map((scale) => (scale === 0 ? 1 : scale));
}

/** The bytes, in the weight's shape. */
export function quantized(weight: QuantizedWeight, values: Float32Array): Uint8Array<ArrayBuffer> {
  const { of } = channels(weight);
  const scales = scalesOf(weight, values);
  return Uint8Array.from(values, (value, i) => {
    const rounded = Math.round(value / scales[of(i)]!);
    return zeroByte + Math.max(-most, Math.min(most, rounded));
  });
}

/** What the bytes stand for. */
export function dequantized(weight: QuantizedWeight, values: Float32Array): Float32Array {
  const { of } = channels(weight);
  const scales = scalesOf(weight, values);
  return Float32Array.from(quantized(weight, values), (byte, i) => (byte - zeroByte) * scales[of(i)]!);
}
