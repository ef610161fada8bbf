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

/** Calls `visit` for every run of neighbouring values that are of one channel. */
function eachRun(
  { shape, axis }: QuantizedWeight,
  { length }: Float32Array,
  visit: (start: number, end: number, channel: number) => void,
): void {
  const run = shape.slice(axis + 1).reduce((a, b) => a * b, 1);
  for (let start = 0, i = 0; start < length; start += run, i++) visit(start, start + run, i % shape[axis]!);
}

/** A scale for every channel. */
export function scalesOf(weight: QuantizedWeight, values: Float32Array): Float32Array {
  const largest = new Float32Array(weight.shape[weight.axis]!);
  eachRun(weight, values, (start, end, channel) => {
    for (let i = start; i < end; i++) largest[channel] = Math.max(largest[channel]!, Math.abs(values[i]!));
  });
  return largest.map((value) => (value === 0 ? 1 : value / most));
}

/** The bytes, in the weight's shape. */
export function quantized(weight: QuantizedWeight, values: Float32Array): Uint8Array<ArrayBuffer> {
  const scales = scalesOf(weight, values);
  const bytes = new Uint8Array(values.length);
  eachRun(weight, values, (start, end, channel) => {
    const scale = scales[channel]!;
    for (let i = start; i < end; i++)
      bytes[i] = zeroByte + Math.max(-most, Math.min(most, Math.round(values[i]! / scale)));
  });
  return bytes;
}

/** What the bytes stand for. */
export function dequantized(weight: QuantizedWeight, values: Float32Array): Float32Array {
  const scales = scalesOf(weight, values);
  const bytes = quantized(weight, values);
  const found = new Float32Array(values.length);
  eachRun(weight, values, (start, end, channel) => {
    for (let i = start; i < end; i++) found[i] = (bytes[i]! - zeroByte) * scales[channel]!;
  });
  return found;
}
