/**
 * Each op as nodes of ONNX, or why it has none. The type demands a line for every op.
 *
 * Opset 18: axes of reductions are inputs. Attributes that only passes make (`epilogue`) never come here, since the traced
 * graph is what is lowered.
 */
import { TensorProto_DataType } from 'onnx-buf';
import {
  type Dim,
  formatShape,
  type NodeOf,
  sameDim,
  type TensorType,
} from '../../../compiler/graph/types.ts';
import type { AttentionAttributes } from '../../../compiler/ops/attention.ts';
import type { OpName } from '../../../compiler/ops/attributes.ts';
import { masked as hidden } from '../../../compiler/ops/mask-future.ts';
import {
  type Attributes,
  elementOf,
  type OnnxGraph,
  onnxTypes,
  smallTensor,
  type Value,
} from './onnx-graph.ts';

export const opset = 18;

const { BOOL, FLOAT, INT32, INT64 } = TensorProto_DataType;

/** A node to be lowered. */
export interface Place<K extends OpName> {
  readonly onnx: OnnxGraph;
  readonly node: NodeOf<K>;
  readonly inputs: readonly Value[];
  /** Types of the inputs. */
  readonly types: readonly TensorType[];
  /** The length of the batch, i64 [1]. */
  batch(): Value;
  /** What a leaf stands for. */
  fed(node: NodeOf<'input'>): Value;
}

type Lowering<K extends OpName> = (place: Place<K>) => Value;

/** The end of a slice that runs backwards to the start of an axis. */
const toStart = -(2n ** 63n) + 1n;

const training = 'it is made by training alone';
const passes = 'it is made by passes of the compiler alone';
const ranks = 'it joins several ranks of a run';

function plain<K extends OpName>(opType: string, attributes: Attributes = {}): Lowering<K> {
  return ({ onnx, inputs }) => onnx.add(opType, inputs, attributes);
}

function isInteger({ node }: Place<OpName>): boolean {
  return node.type.dtype === 'i32';
}

/** A comparison as a mask of f32. */
function mask<K extends OpName>(opType: string, negated = false): Lowering<K> {
  return ({ onnx, inputs }) => {
    const found = onnx.add(opType, inputs);
    return onnx.cast(negated ? onnx.add('Not', [found]) : found, FLOAT);
  };
}

/** Numbers of a shape that may hold the batch, as an i64 vector. */
function vectorOf(dims: readonly Dim[], { onnx, batch }: Pick<Place<OpName>, 'onnx' | 'batch'>): Value {
  if (dims.every((d) => typeof d === 'number')) return onnx.integers(dims);
  const parts = dims.map((d) => {
    if (typeof d === 'number') return onnx.integers([d]);
    return d.mul === 1 ? batch() : onnx.add('Mul', [batch(), onnx.integers([d.mul])]);
  });
  return onnx.add('Concat', parts, { axis: 0 });
}

/** With one open axis no shape has to be computed. */
function reshaped(place: Place<'reshape'>): Value {
  const { onnx, node, inputs } = place;
  const { shape } = node.attrs;
  const open = shape.filter((d) => typeof d !== 'number').length;
  const to =
    open === 1 ? onnx.integers(shape.map((d) => (typeof d === 'number' ? d : -1))) : vectorOf(shape, place);
  return onnx.add('Reshape', [inputs[0]!, to]);
}

function filled(place: Place<'constant'>): Value {
  const { onnx, node } = place;
  const { value, dtype, shape } = node.attrs;
  if (shape.length === 0) return onnx.scalar(value, dtype);
  return onnx.add('ConstantOfShape', [vectorOf(shape, place)], {
    value: { tensor: smallTensor(onnxTypes[dtype], [1], elementOf(value, dtype)) },
  });
}

function counted(place: Place<'iota'>): Value {
  const { onnx, node } = place;
  const length = onnx.add('Squeeze', [vectorOf([node.attrs.length], place)]);
  return onnx.cast(onnx.add('Range', [onnx.integer(0), length, onnx.integer(1)]), INT32);
}

function sliced(place: Place<'slice'>): Value {
  const { onnx, node, inputs, types } = place;
  const { starts, ends } = node.attrs;
  const cut = starts
    .map((_, axis) => axis)
    .filter((axis) => starts[axis] !== 0 || !sameDim(ends[axis]!, types[0]!.shape[axis]!));
  if (cut.length === 0) return inputs[0]!;
  return onnx.add('Slice', [
    inputs[0]!,
    onnx.integers(cut.map((axis) => starts[axis]!)),
    vectorOf(
      cut.map((axis) => ends[axis]!),
      place,
    ),
    onnx.integers(cut),
  ]);
}

function padded(place: Place<'pad'>): Value {
  const { onnx, node, inputs } = place;
  const { before, after } = node.attrs;
  return onnx.add('Pad', [
    inputs[0]!,
    vectorOf([...before, ...after], place),
    onnx.scalar(0, node.type.dtype),
  ]);
}

function flipped({ onnx, node, inputs }: Place<'flip'>): Value {
  const [last, end, axis, step] = [-1, toStart, node.attrs.axis, -1].map((n) => onnx.integers([n]));
  return onnx.add('Slice', [inputs[0]!, last!, end!, axis!, step!]);
}

/** With the last two axes exchanged. */
export function transposed(onnx: OnnxGraph, value: Value, rank: number): Value {
  const perm = Array.from({ length: rank }, (_, axis) => axis);
  return onnx.once(`transposed ${value}`, () =>
    onnx.add('Transpose', [value], { perm: [...perm.slice(0, -2), rank - 1, rank - 2] }),
  );
}

function product({ onnx, node, inputs, types }: Place<'matmul'>): Value {
  const { transposeA, transposeB } = node.attrs;
  const [a, b] = [transposeA, transposeB].map((exchanged, i) =>
    exchanged ? transposed(onnx, inputs[i]!, types[i]!.shape.length) : inputs[i]!,
  );
  return onnx.add('MatMul', [a!, b!]);
}

/** Scores [..., T, S], T and S numbers, without what comes behind a query. */
function masked(onnx: OnnxGraph, scores: Value, [rows, columns]: readonly [Dim, Dim]): Value {
  if (typeof rows !== 'number' || typeof columns !== 'number')
    throw new Error(`scores of ${formatShape([rows, columns])} cannot be masked: a size is open`);
  return onnx.add('Where', [onnx.future(rows, columns), onnx.scalar(hidden, 'f32'), scores]);
}

function attended({ onnx, node, inputs, types }: Place<'attention'>): Value {
  const [q, k, v] = inputs as [Value, Value, Value];
  const { causal, scale }: AttentionAttributes = node.attrs;
  const scaled = onnx.add('Mul', [q, onnx.scalar(scale, 'f32')]);
  const scores = onnx.add('MatMul', [scaled, transposed(onnx, k, 4)]);
  const lengths = [types[0]!.shape[2]!, types[1]!.shape[2]!] as const;
  const seen = causal ? masked(onnx, scores, lengths) : scores;
  return onnx.add('MatMul', [onnx.add('Softmax', [seen], { axis: -1 }), v]);
}

/** What nodes that convolve are told. */
export function convolution({ node, types }: Place<'conv2d'>): Attributes {
  const { stride, padding, groups, dilation } = node.attrs;
  return {
    kernel_shape: types[1]!.shape.slice(2).map(Number),
    strides: [stride, stride],
    pads: [padding, padding, padding, padding],
    dilations: [dilation, dilation],
    group: groups,
  };
}

function pooled({ onnx, node, inputs }: Place<'max_pool'>): Value {
  const { kernel, stride, padding } = node.attrs;
  return onnx.add('MaxPool', inputs, {
    kernel_shape: [kernel, kernel],
    strides: [stride, stride],
    pads: [padding, padding, padding, padding],
  });
}

function reduced<K extends 'sum' | 'mean' | 'max' | 'min'>(opType: string): Lowering<K> {
  return ({ onnx, node, inputs, types }) => {
    const { axes, keep } = node.attrs;
    const whole = types[0]!.dtype === 'i32' && node.type.dtype === 'f32';
    const x = whole ? onnx.cast(inputs[0]!, FLOAT) : inputs[0]!;
    // Without axes ONNX would reduce all of them.
    if (axes.length === 0) return x;
    return onnx.add(opType, [x, onnx.integers(axes)], { keepdims: keep ? 1 : 0 });
  };
}

/** A divisor of integers without zeros, by which some runtimes end the process, and where the zeros are. */
function safeDivisor({ onnx, inputs }: Place<'div' | 'mod'>): {
  readonly divisor: Value;
  readonly isZero: Value;
} {
  const isZero = onnx.add('Equal', [inputs[1]!, onnx.scalar(0, 'i32')]);
  return { divisor: onnx.add('Where', [isZero, onnx.scalar(1, 'i32'), inputs[1]!]), isZero };
}

/** ONNX divides integers towards zero; ours floor, and are 0 where the divisor is. */
function divided(place: Place<'div'>): Value {
  const { onnx, inputs } = place;
  if (!isInteger(place)) return onnx.add('Div', inputs);
  const { divisor, isZero } = safeDivisor(place);
  const rest = onnx.add('Mod', [inputs[0]!, divisor]);
  const quotient = onnx.add('Div', [onnx.add('Sub', [inputs[0]!, rest]), divisor]);
  return onnx.add('Where', [isZero, onnx.scalar(0, 'i32'), quotient]);
}

/** Of integers ONNX's has the divisor's sign as ours; of floats it has not. */
function remainder(place: Place<'mod'>): Value {
  const { onnx, inputs } = place;
  if (isInteger(place)) {
    const { divisor, isZero } = safeDivisor(place);
    return onnx.add('Where', [isZero, onnx.scalar(0, 'i32'), onnx.add('Mod', [inputs[0]!, divisor])]);
  }
  const times = onnx.add('Floor', [onnx.add('Div', inputs)]);
  return onnx.add('Sub', [inputs[0]!, onnx.add('Mul', [times, inputs[1]!])]);
}

function taken({ onnx, node, inputs }: Place<'take'>): Value {
  const { axis } = node.attrs;
  const index = onnx.add('Unsqueeze', [onnx.cast(inputs[1]!, INT64), onnx.integers([axis])]);
  return onnx.add('GatherND', [inputs[0]!, index], { batch_dims: axis });
}

function picked({ onnx, node, inputs }: Place<'pick'>): Value {
  const [first, end, axis] = [0, node.attrs.count, -1].map((n) => onnx.integers([n]));
  const order = onnx.add('Slice', [inputs[1]!, first!, end!, axis!]);
  return onnx.add('GatherElements', [inputs[0]!, order], { axis: -1 });
}

/** Of equal values the first comes first, as ours. */
function sorted({ onnx, node, inputs, types }: Place<'argsort'>): Value {
  const length = Number(types[0]!.shape.at(-1)!);
  const largest = node.attrs.descending ? 1 : 0;
  return onnx.cast(onnx.addSecond('TopK', [inputs[0]!, onnx.integers([length])], { largest }), INT32);
}

/** Ops whose nodes ONNX has, and for the others why not. */
export const lowerings: { readonly [K in OpName]: Lowering<K> | string } = {
  input: ({ node, fed }) => fed(node),
  param: ({ onnx, node }) => onnx.weight(node.attrs.name, node.attrs.shape.length),
  constant: filled,
  iota: counted,

  neg: plain('Neg'),
  exp: plain('Exp'),
  ln: plain('Log'),
  tanh: plain('Tanh'),
  erf: plain('Erf'),
  sqrt: plain('Sqrt'),
  rsqrt: ({ onnx, inputs }) => onnx.add('Reciprocal', [onnx.add('Sqrt', inputs)]),
  sigmoid: plain('Sigmoid'),
  relu: plain('Relu'),
  abs: plain('Abs'),
  sin: plain('Sin'),
  cos: plain('Cos'),
  floor: plain('Floor'),
  ceil: plain('Ceil'),
  round: plain('Round'),
  sign: plain('Sign'),
  step: ({ onnx, inputs }) => onnx.cast(onnx.add('Greater', [inputs[0]!, onnx.scalar(0, 'f32')]), FLOAT),
  cast: ({ onnx, node, inputs }) => onnx.cast(inputs[0]!, onnxTypes[node.attrs.to]),
  mask_future: ({ onnx, node, inputs }) =>
    masked(onnx, inputs[0]!, [node.type.shape.at(-2)!, node.type.shape.at(-1)!]),

  add: plain('Add'),
  sub: plain('Sub'),
  mul: plain('Mul'),
  div: divided,
  pow: plain('Pow'),
  maximum: plain('Max'),
  minimum: plain('Min'),
  mod: remainder,
  equal: mask('Equal'),
  not_equal: mask('Equal', true),
  less: mask('Less'),
  less_equal: mask('LessOrEqual'),
  greater: mask('Greater'),
  greater_equal: mask('GreaterOrEqual'),
  where: ({ onnx, inputs }) => onnx.add('Where', [onnx.cast(inputs[0]!, BOOL), inputs[1]!, inputs[2]!]),
  map: passes,
  uniform: 'it draws random numbers',

  sum: reduced('ReduceSum'),
  mean: reduced('ReduceMean'),
  max: reduced('ReduceMax'),
  min: reduced('ReduceMin'),
  argmax: ({ onnx, node, inputs }) =>
    onnx.cast(onnx.add('ArgMax', inputs, { axis: node.attrs.axis, keepdims: 0 }), INT32),
  argsort: sorted,
  cumsum: ({ onnx, node, inputs }) =>
    onnx.add('CumSum', [inputs[0]!, onnx.integer(node.attrs.axis)], { reverse: node.attrs.reverse ? 1 : 0 }),
  softmax: plain('Softmax', { axis: -1 }),
  softmax_grad: training,
  log_softmax: plain('LogSoftmax', { axis: -1 }),
  log_softmax_grad: training,

  layer_norm: ({ onnx, node, inputs }) =>
    onnx.add('LayerNormalization', inputs, { axis: -1, epsilon: { float: node.attrs.eps } }),
  group_moments: passes,
  layer_norm_grad: training,
  layer_norm_grad_weight: training,
  l2_normalize: ({ onnx, inputs }) => unitRows(onnx, inputs[0]!),
  l2_normalize_grad: training,

  matmul: product,
  conv2d: (place) => place.onnx.add('Conv', place.inputs, convolution(place)),
  conv2d_grad_input: training,
  conv2d_grad_weight: training,
  avg_pool: ({ onnx, node: { attrs }, inputs }) =>
    onnx.add('AveragePool', inputs, {
      kernel_shape: [attrs.kernel, attrs.kernel],
      strides: [attrs.kernel, attrs.kernel],
    }),
  avg_pool_grad: training,
  max_pool: pooled,
  max_pool_index: training,
  max_pool_grad: training,
  batch_norm: ({ onnx, node, inputs }) =>
    onnx.add('BatchNormalization', inputs, { epsilon: { float: node.attrs.eps } }),
  batch_moments: training,
  batch_norm_sums: training,
  rank_mean: ranks,
  rank_gather: ranks,
  pack_halves: passes,
  unpack_halves: passes,

  attention: attended,
  attention_lse: training,
  attention_grad_q: training,
  attention_grad_k: training,
  attention_grad_v: training,

  reshape: reshaped,
  transpose: ({ onnx, node, inputs }) => onnx.add('Transpose', inputs, { perm: node.attrs.perm }),
  slice: sliced,
  expand: (place) => place.onnx.add('Expand', [place.inputs[0]!, vectorOf(place.node.attrs.shape, place)]),
  concat: ({ onnx, node, inputs }) => onnx.add('Concat', inputs, { axis: node.attrs.axis }),
  pad: padded,
  flip: flipped,
  embedding: plain('Gather', { axis: 0 }),
  embedding_grad: training,
  take: taken,
  take_grad: training,
  pick: picked,
  pick_grad: training,
  // Of one device.
  all_gather: ({ inputs }) => inputs[0]!,
  stop_gradient: ({ inputs }) => inputs[0]!,
  recompute: passes,
};

/** Rows divided by their lengths. */
export function unitRows(onnx: OnnxGraph, x: Value, as?: Value): Value {
  const length = onnx.add('ReduceL2', [x, onnx.integers([-1])], { keepdims: 1 });
  return onnx.add('Div', [x, length], {}, as);
}
