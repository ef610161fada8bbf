/**
 * Built-ins over tensors that mean more than one node or choose between several: each row turns evaluated arguments into
 * nodes. Those that mean one node are words of their ops (words.ts), pattern operations are in patterns.ts.
 */
import { formatShape } from '../../graph/types.ts';
import { asDim } from '../nodes/arithmetic.ts';
import { emit, shapeOf, toTensor, toTensors } from '../nodes/emit.ts';
import type { BuiltinParameter } from '../values/builtin.ts';
import { type AxisOrigin, isNumber, poison, type TensorValue, type Value } from '../values/values.ts';
import { axesOf, axisOf, flag, staticInt, tensorArgument } from './call.ts';
import { einsumCall, rearrangeCall } from './patterns.ts';
import type { BuiltinCall, BuiltinRow } from './row.ts';

/** Integers as f32; what is floating stays. */
export function castNode(call: BuiltinCall): Value {
  const x = tensorArgument(call, 'x');
  if (x === undefined || call.env.tracer!.builder.type(x.node).dtype === 'f32') return x ?? poison;
  return emit(call.env, 'cast', [x], { to: 'f32' }, call.span, { axes: x.axes });
}

/** The largest over axes; a tensor without axes is its own. */
function largestOver(call: BuiltinCall): Value {
  const x = tensorArgument(call, 'x');
  if (x === undefined) return poison;
  const axes = axesOf(call, 'axis', shapeOf(x, call.env));
  if (axes === undefined) return poison;
  if (axes.length === 0) return x;
  const keep = flag(call, 'keep');
  const origins = x.axes.flatMap((o, i) => (axes.includes(i) ? (keep ? [undefined] : []) : [o]));
  return emit(call.env, 'max', [x], { axes, keep }, call.span, { axes: origins });
}

const reduction: readonly BuiltinParameter[] = [
  { name: 'x', kind: 'tensor' },
  { name: 'axis', kind: 'axes', optional: true },
  { name: 'keep', kind: 'bool', optional: true },
];

// ── extremes ───────────────────────────────────────────────────────────────────────────────────────────────

/** `max(a, b)` of numbers or tensors, `max(x, axis = ...)` over axes. */
function extreme(name: 'max' | 'min', call: BuiltinCall): Value {
  const x = call.values.get('x')!;
  const y = call.values.get('y');
  if (y === undefined) {
    if (!isNumber(x) && name === 'max') return largestOver(call);
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

// ── moving ─────────────────────────────────────────────────────────────────────────────────────────────────

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
  const axis = axisOf(call, staticInt(call, 'axis')!, shape);
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

const x: BuiltinParameter = { name: 'x', kind: 'tensor' };

export const tensorBuiltins: readonly BuiltinRow[] = [
  {
    name: 'max',
    about: 'larger of two values, or largest over axes',
    parameters: [...pair, ...reduction.slice(1)],
    apply: (call) => extreme('max', call),
  },
  { name: 'min', about: 'smaller of two values', parameters: pair, apply: (call) => extreme('min', call) },
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
  { name: 'iota', about: '0, 1, 2, ... as i32', parameters: [{ name: 'length', kind: 'dim' }], apply: iota },
];
