/**
 * Nodes of ONNX that compute with quantised weights. What a product or a convolution is fed becomes bytes first, by the range
 * that it has at that moment (`DynamicQuantizeLinear`); products of bytes are summed in i32, exactly, and scaled back.
 */
import { TensorProto_DataType } from 'onnx-buf';
import { convolution, type Place, transposed } from './lowerings.ts';
import type { OnnxGraph, Value } from './onnx-graph.ts';
import { type QuantizedWeight, zeroByte } from './quantize.ts';

const { FLOAT } = TensorProto_DataType;

/** Ops that take a quantised weight. */
export type Quantizable = 'matmul' | 'conv2d' | 'embedding';

/** Bytes with their scale and the byte of 0; the same for all that read the value. */
function dynamic(onnx: OnnxGraph, x: Value): readonly [bytes: Value, scale: Value, zero: Value] {
  const bytes = onnx.once(`bytes of ${x}`, () => onnx.addAll('DynamicQuantizeLinear', [x], 3)[0]!);
  return [bytes, `${bytes}_1`, `${bytes}_2`];
}

function scaled(onnx: OnnxGraph, sums: Value, scale: Value, scales: Value): Value {
  return onnx.add('Mul', [onnx.cast(sums, FLOAT), onnx.add('Mul', [scale, scales])]);
}

function product(place: Place<'matmul'>, weight: QuantizedWeight): Value {
  const { onnx, node, inputs, types } = place;
  const { transposeA, transposeB } = node.attrs;
  const x = transposeA ? transposed(onnx, inputs[0]!, types[0]!.shape.length) : inputs[0]!;
  const [bytes, scale, zero] = dynamic(onnx, x);
  const { values, scales } = onnx.quantized(weight);
  const matrix = transposeB ? transposed(onnx, values, 2) : values;
  const sums = onnx.add('MatMulInteger', [bytes, matrix, zero, onnx.byte(zeroByte)]);
  return scaled(onnx, sums, scale, scales);
}

function convolved(place: Place<'conv2d'>, weight: QuantizedWeight): Value {
  const { onnx, inputs } = place;
  const [bytes, scale, zero] = dynamic(onnx, inputs[0]!);
  const { values, scales } = onnx.quantized(weight);
  const sums = onnx.add('ConvInteger', [bytes, values, zero, onnx.byte(zeroByte)], convolution(place));
  return scaled(onnx, sums, scale, onnx.add('Unsqueeze', [scales, onnx.integers([1, 2])]));
}

function rows({ onnx, inputs }: Place<'embedding'>, weight: QuantizedWeight): Value {
  const { values, scales } = onnx.quantized(weight);
  const bytes = onnx.cast(onnx.add('Gather', [values, inputs[1]!], { axis: 0 }), FLOAT);
  const scale = onnx.add('Gather', [scales, inputs[1]!], { axis: 0 });
  const centred = onnx.add('Sub', [bytes, onnx.scalar(zeroByte, 'f32')]);
  return onnx.add('Mul', [centred, onnx.add('Unsqueeze', [scale, onnx.integers([-1])])]);
}

const lowerings: { readonly [K in Quantizable]: (place: Place<K>, weight: QuantizedWeight) => Value } = {
  matmul: product,
  conv2d: convolved,
  embedding: rows,
};

/** @param place of a node that `quantizedNodes` names */
export function lowerQuantized<K extends Quantizable>(place: Place<K>, weight: QuantizedWeight): Value {
  return lowerings[place.node.op as K](place, weight);
}
