/** Built-ins over tensors: each row turns evaluated arguments into nodes. Pattern operations are in patterns.ts. */
import type { Dim } from '../graph/types.ts';
import { formatShape } from '../graph/types.ts';
import { asDim } from './arithmetic.ts';
import type { Builtin, BuiltinCall, BuiltinParameter } from './builtins.ts';
import { emit, shapeOf, toTensor, toTensors } from './emit.ts';
import { imageBuiltins } from './image-builtins.ts';
import { einsumCall, rearrangeCall } from './patterns.ts';
import { type AxisOrigin, bool, isNumber, poison, type TensorValue, type Value } from './values.ts';

const unaryOps = [
  'exp',
  'ln',
  'sqrt',
  'abs',
  'tanh',
  'erf',
  'rsqrt',
  'sigmoid',
  'relu',
  'mask_future',
] as const;
export type UnaryOp = (typeof unaryOps)[number];

/** The argument as a tensor, or undefined after a report. */
export function tensorArgument(call: BuiltinCall, name: string): TensorValue | undefined {
  const value = call.values.get(name);
  return value === undefined ? undefined : toTensor(value, call.env, call.spans.get(name) ?? call.span);
}

export function staticInt(call: BuiltinCall, name: string): number | undefined {
  const value = call.values.get(name);
  return value?.kind === 'int' ? value.value : undefined;
}

function flag(call: BuiltinCall, name: string): boolean {
  const value = call.values.get(name) ?? bool(false);
  return value.kind === 'bool' && value.value;
}

export function unaryNode(op: UnaryOp, call: BuiltinCall): Value {
  const x = tensorArgument(call, 'x');
  return x === undefined ? poison : emit(call.env, op, [x], {}, call.span, { names: ['it'] });
}

/** Integers as f32; what is floating stays. */
export function castNode(call: BuiltinCall): Value {
  const x = tensorArgument(call, 'x');
  if (x === undefined || call.env.tracer!.builder.type(x.node).dtype === 'f32') return x ?? poison;
  return emit(call.env, 'cast', [x], { to: 'f32' }, call.span, { axes: x.axes });
}

function unary(name: UnaryOp, about: string): Builtin {
  return { name, about, parameters: [{ name: 'x', kind: 'tensor' }], apply: (call) => unaryNode(name, call) };
}

// ── axes ────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** An axis counted from the front, or undefined after a report. */
function axisOf(call: BuiltinCall, axis: number, rank: number, shape: readonly Dim[]): number | undefined {
  const at = axis < 0 ? axis + rank : axis;
  if (at >= 0 && at < rank) return at;
  const count = rank === 1 ? '1 axis' : `${rank} axes`;
  const message = `there is no axis ${axis} in ${formatShape(shape)}, which has ${count}`;
  call.env.session.report('Z302', call.spans.get('axis') ?? call.span, message);
  return undefined;
}

/** The axes to reduce: all of them without `axis`. */
function reducedAxes(call: BuiltinCall, shape: readonly Dim[]): number[] | undefined {
  const value = call.values.get('axis');
  if (value === undefined) return shape.map((_, i) => i);
  const wanted = value.kind === 'list' ? value.items : [value];
  const axes = new Set<number>();
  for (const item of wanted) {
    const axis = item.kind === 'int' ? axisOf(call, item.value, shape.length, shape) : undefined;
    if (axis === undefined) return undefined;
    axes.add(axis);
  }
  return [...axes].sort((a, b) => a - b);
}

function reduce(op: 'sum' | 'mean' | 'max', call: BuiltinCall): Value {
  const x = tensorArgument(call, 'x');
  if (x === undefined) return poison;
  const shape = shapeOf(x, call.env);
  const axes = reducedAxes(call, shape);
  if (axes === undefined) return poison;
  if (axes.length === 0) return x;
  const keep = flag(call, 'keep');
  const origins = x.axes.flatMap((o, i) => (axes.includes(i) ? (keep ? [undefined] : []) : [o]));
  return emit(call.env, op, [x], { axes, keep }, call.span, { axes: origins });
}

const reduction: readonly BuiltinParameter[] = [
  { name: 'x', kind: 'tensor' },
  { name: 'axis', kind: 'axes', optional: true },
  { name: 'keep', kind: 'bool', optional: true },
];

function argmax(call: BuiltinCall): Value {
  const x = tensorArgument(call, 'x');
  if (x === undefined) return poison;
  const shape = shapeOf(x, call.env);
  const axis = axisOf(call, staticInt(call, 'axis') ?? -1, shape.length, shape);
  if (axis === undefined) return poison;
  return emit(call.env, 'argmax', [x], { axis }, call.span, { axes: x.axes.filter((_, i) => i !== axis) });
}

/** Along any axis: the op knows the last one, others are exchanged with it and back. */
function alongAxis(op: 'softmax' | 'log_softmax', call: BuiltinCall): Value {
  const x = tensorArgument(call, 'x');
  if (x === undefined) return poison;
  const shape = shapeOf(x, call.env);
  const axis = axisOf(call, staticInt(call, 'axis') ?? -1, shape.length, shape);
  if (axis === undefined) return poison;
  const last = shape.length - 1;
  if (axis === last) return emit(call.env, op, [x], {}, call.span);
  const perm = shape.map((_, i) => (i === axis ? last : i === last ? axis : i));
  const moved = emit(call.env, 'transpose', [x], { perm }, call.span);
  if (moved.kind === 'poison') return poison;
  const result = emit(call.env, op, [moved], {}, call.span);
  if (result.kind === 'poison') return poison;
  return emit(call.env, 'transpose', [result], { perm }, call.span, { axes: x.axes });
}

const axisDefaultLast: readonly BuiltinParameter[] = [
  { name: 'x', kind: 'tensor' },
  { name: 'axis', kind: 'axis', optional: true },
];

// ── extremes ────────────────────────────────────────────────────────────────────────────────────────────────────────

/** `max(a, b)` of numbers or tensors, `max(x, axis = ...)` over axes. */
function extreme(name: 'max' | 'min', call: BuiltinCall): Value {
  const x = call.values.get('x')!;
  const y = call.values.get('y');
  if (y === undefined) {
    if (!isNumber(x) && name === 'max') return reduce('max', call);
    const message = `${name} of ${isNumber(x) ? 'one number' : 'a tensor over axes'} has no meaning`;
    return call.env.session.report('Z209', call.span, message, { help: `${name}(a, b)` });
  }
  if (isNumber(x) && isNumber(y)) return staticExtreme(name, x, y);
  const spanOf = (argument: string) => call.spans.get(argument) ?? call.span;
  const [a, b] = toTensors([x, y], call.env, [spanOf('x'), spanOf('y')]);
  if (a === undefined || b === undefined) return poison;
  const op = name === 'max' ? 'maximum' : 'minimum';
  return emit(call.env, op, [a, b], {}, call.span, { names: ['left', 'right'] });
}

function staticExtreme(name: 'max' | 'min', x: Value, y: Value): Value {
  if (!isNumber(x) || !isNumber(y)) return poison;
  const value = name === 'max' ? Math.max(x.value, y.value) : Math.min(x.value, y.value);
  return { kind: x.kind === 'int' && y.kind === 'int' ? 'int' : 'float', value };
}

const pair: readonly BuiltinParameter[] = [
  { name: 'x', kind: 'value' },
  { name: 'y', kind: 'value', optional: true },
];

// ── moving ──────────────────────────────────────────────────────────────────────────────────────────────────────────

function concat(call: BuiltinCall): Value {
  const parts: TensorValue[] = [];
  for (const { value, span } of call.leading) {
    const part = toTensor(value, call.env, span);
    if (part === undefined) return poison;
    parts.push(part);
  }
  const [first] = parts;
  if (first === undefined)
    return call.env.session.report('Z202', call.span, 'concat needs at least one tensor');
  const shape = shapeOf(first, call.env);
  const axis = axisOf(call, staticInt(call, 'axis')!, shape.length, shape);
  if (axis === undefined) return poison;
  const axes: (AxisOrigin | undefined)[] = first.axes.map((o, i) => (i === axis ? undefined : o));
  return emit(call.env, 'concat', parts, { axis }, call.span, { axes });
}

/** Adds leading axes where the new shape has more, then grows axes of 1. */
function expand(call: BuiltinCall): Value {
  const x = tensorArgument(call, 'x');
  const list = call.values.get('shape');
  if (x === undefined || list?.kind !== 'list') return poison;
  const shape = list.items.map((i) => asDim(i)!);
  const bad = shape.find((d) => typeof d === 'number' && d < 1);
  if (bad !== undefined)
    return call.env.session.report('Z313', call.spans.get('shape')!, `an axis cannot have size ${bad}`);
  const from = shapeOf(x, call.env);
  if (from.length > shape.length) {
    const message = `cannot expand ${formatShape(from)} to ${formatShape(shape)}: it has fewer axes`;
    return call.env.session.report('Z302', call.span, message);
  }
  const added = shape.length - from.length;
  const ones = Array.from({ length: added }, () => 1);
  const axes = [...ones.map(() => undefined), ...x.axes];
  const padded =
    added === 0 ? x : emit(call.env, 'reshape', [x], { shape: [...ones, ...from] }, call.span, { axes });
  return padded.kind === 'poison'
    ? poison
    : emit(call.env, 'expand', [padded], { shape }, call.span, { axes });
}

function take(call: BuiltinCall): Value {
  const x = tensorArgument(call, 'x');
  const index = tensorArgument(call, 'index');
  if (x === undefined || index === undefined) return poison;
  const shape = shapeOf(x, call.env);
  const axis = axisOf(call, staticInt(call, 'axis') ?? 0, shape.length, shape);
  if (axis === undefined) return poison;
  const axes = x.axes.filter((_, i) => i !== axis);
  return emit(call.env, 'take', [x, index], { axis }, call.span, { axes, names: ['`x`', '`index`'] });
}

function iota(call: BuiltinCall): Value {
  const length = asDim(call.values.get('length')!);
  if (length === undefined) return poison;
  if (typeof length === 'number' && length < 1) {
    return call.env.session.report(
      'Z313',
      call.spans.get('length') ?? call.span,
      `iota needs a length of at least 1, got ${length}`,
    );
  }
  if (call.env.tracer === undefined) {
    return call.env.session.report('Z217', call.span, 'iota can only be used inside `forward`');
  }
  return emit(call.env, 'iota', [], { length }, call.span);
}

function embedding(call: BuiltinCall): Value {
  const table = tensorArgument(call, 'table');
  const ids = tensorArgument(call, 'ids');
  if (table === undefined || ids === undefined) return poison;
  const axes = [...ids.axes, table.axes[1]];
  return emit(call.env, 'embedding', [table, ids], {}, call.span, { axes, names: ['`table`', '`ids`'] });
}

function gather(call: BuiltinCall): Value {
  const x = tensorArgument(call, 'x');
  return x === undefined ? poison : emit(call.env, 'all_gather', [x], {}, call.span, { axes: x.axes });
}

const x: BuiltinParameter = { name: 'x', kind: 'tensor' };

export const tensorBuiltins: readonly Builtin[] = [
  unary('tanh', 'hyperbolic tangent'),
  unary('erf', 'error function'),
  unary('rsqrt', '1 / sqrt(x)'),
  unary('sigmoid', '1 / (1 + exp(-x))'),
  unary('relu', 'max(x, 0)'),
  unary('mask_future', '[..., T, S]: entries with j > i + (S - T) become very negative'),
  { name: 'sum', about: 'sum over axes', parameters: reduction, apply: (call) => reduce('sum', call) },
  { name: 'mean', about: 'mean over axes', parameters: reduction, apply: (call) => reduce('mean', call) },
  {
    name: 'max',
    about: 'larger of two values, or largest over axes',
    parameters: [...pair, ...reduction.slice(1)],
    apply: (call) => extreme('max', call),
  },
  { name: 'min', about: 'smaller of two values', parameters: pair, apply: (call) => extreme('min', call) },
  { name: 'argmax', about: 'position of the largest entry', parameters: axisDefaultLast, apply: argmax },
  {
    name: 'softmax',
    about: 'softmax along an axis',
    parameters: axisDefaultLast,
    apply: (c) => alongAxis('softmax', c),
  },
  {
    name: 'log_softmax',
    about: 'logarithm of softmax along an axis',
    parameters: axisDefaultLast,
    apply: (call) => alongAxis('log_softmax', call),
  },
  {
    name: 'einsum',
    about: 'sum of products over named axes',
    parameters: [{ name: 'pattern', kind: 'pattern' }],
    apply: einsumCall,
  },
  {
    name: 'rearrange',
    about: 'reorders, splits and merges named axes',
    parameters: [x, { name: 'pattern', kind: 'pattern' }],
    openNames: true,
    apply: rearrangeCall,
  },
  {
    name: 'concat',
    about: 'joins tensors along an axis',
    parameters: [x, { name: 'axis', kind: 'axis' }],
    variadic: true,
    apply: concat,
  },
  {
    name: 'expand',
    about: 'repeats axes of 1',
    parameters: [x, { name: 'shape', kind: 'shape' }],
    apply: expand,
  },
  {
    name: 'take',
    about: 'the entry of an axis that an index names, for each element before it',
    parameters: [x, { name: 'index', kind: 'tensor' }, { name: 'axis', kind: 'axis' }],
    apply: take,
  },
  { name: 'iota', about: '0, 1, 2, ... as i32', parameters: [{ name: 'length', kind: 'dim' }], apply: iota },
  {
    name: 'embedding',
    about: 'rows of a table by ids',
    parameters: [
      { name: 'table', kind: 'tensor' },
      { name: 'ids', kind: 'tensor' },
    ],
    apply: embedding,
  },
  { name: 'gather', about: 'features of all chunks and ranks', parameters: [x], apply: gather },
  ...imageBuiltins,
];
