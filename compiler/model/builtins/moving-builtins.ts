/**
 * Built-ins that move elements: join, repeat, shift, pick. Each row turns evaluated arguments into nodes of a
 * few ops that move; most cost no kernel of their own.
 */
import { multiplyDims } from '../../graph/dims.ts';
import { formatDim, formatShape } from '../../graph/types.ts';
import type { Expressions } from '../../ops/expressions.ts';
import { asDim } from '../nodes/arithmetic.ts';
import { emit, isInteger, shapeOf, toTensor } from '../nodes/emit.ts';
import type { BuiltinParameter } from '../values/builtin.ts';
import { type AxisOrigin, poison, type TensorValue, type Value } from '../values/values.ts';
import { axisOf, built, intBetween, number, staticInt, tensorArgument } from './call.ts';
import type { BuiltinCall, BuiltinRow } from './row.ts';

// ── joining ────────────────────────────────────────────────────────────────────────────────────────────────

/** The tensors of a variadic call, one by one or as a list; undefined after a report. */
function partsOf(call: BuiltinCall): [TensorValue, ...TensorValue[]] | undefined {
  const given = call.leading.flatMap(({ value, span }) =>
    value.kind === 'list' ? value.items.map((item) => ({ value: item, span })) : [{ value, span }],
  );
  const parts = given.map(({ value, span }) => toTensor(value, call.env, span));
  if (!parts.every((part) => part !== undefined)) return undefined;
  const [first, ...others] = parts;
  if (first !== undefined) return [first, ...others];
  call.env.session.report('Z202', call.span, `${call.name} needs at least one tensor`);
  return undefined;
}

function concat(call: BuiltinCall): Value {
  const parts = partsOf(call);
  if (parts === undefined) return poison;
  const [first] = parts;
  const axis = axisOf(call, staticInt(call, 'axis')!, shapeOf(first, call.env));
  if (axis === undefined) return poison;
  const axes: (AxisOrigin | undefined)[] = first.axes.map((o, i) => (i === axis ? undefined : o));
  return emit(call.env, 'concat', parts, { axis }, call.span, { axes });
}

/** Tensors of one shape along a new axis. */
function stack(call: BuiltinCall): Value {
  const parts = partsOf(call);
  if (parts === undefined) return poison;
  const shape = shapeOf(parts[0], call.env);
  const axis = axisOf(call, staticInt(call, 'axis') ?? 0, [...shape, 1]);
  if (axis === undefined) return poison;
  const grown = parts.map((part) => {
    const own = shapeOf(part, call.env);
    const wanted = [...own.slice(0, axis), 1, ...own.slice(axis)];
    const axes = [...part.axes.slice(0, axis), undefined, ...part.axes.slice(axis)];
    return emit(call.env, 'reshape', [part], { shape: wanted }, call.span, { axes });
  });
  if (!grown.every((part) => part.kind === 'tensor')) return poison;
  return emit(call.env, 'concat', grown, { axis }, call.span, { axes: grown[0]!.axes });
}

// ── repeating and counting ─────────────────────────────────────────────────────────────────────────────────

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

/** `[..., n]`: 1 at the position that each id names, else 0. */
function oneHot(call: BuiltinCall): Value {
  const ids = tensorArgument(call, 'ids');
  const size = asDim(call.values.get('n')!);
  if (ids === undefined || size === undefined) return poison;
  const { env, span } = call;
  const column = emit(env, 'reshape', [ids], { shape: [...shapeOf(ids, env), 1] }, span, {
    axes: [...ids.axes, undefined],
  });
  const positions = emit(env, 'iota', [], { length: size }, span);
  if (column.kind === 'poison' || positions.kind === 'poison') return poison;
  return emit(env, 'equal', [column, positions], {}, span, { names: ['`ids`', '`n`'] });
}

// ── shifting ───────────────────────────────────────────────────────────────────────────────────────────────

/** The length of an axis, which has to be a number here. */
function lengthOf(call: BuiltinCall, x: TensorValue, axis: number): number | undefined {
  const length = shapeOf(x, call.env)[axis]!;
  if (typeof length === 'number') return length;
  const message = `${call.name} along the batch has no meaning: axis ${axis} has ${formatDim(length)} entries`;
  call.env.session.report('Z313', call.spans.get('axis') ?? call.span, message);
  return undefined;
}

/** Elements move by `shift` towards the end, and from there to the front. */
function roll(call: BuiltinCall): Value {
  const x = tensorArgument(call, 'x');
  if (x === undefined) return poison;
  const axis = axisOf(call, staticInt(call, 'axis')!, shapeOf(x, call.env));
  const length = axis === undefined ? undefined : lengthOf(call, x, axis);
  if (axis === undefined || length === undefined) return poison;
  const shift = ((staticInt(call, 'shift')! % length) + length) % length;
  if (shift === 0) return x;
  const rolled = (e: Expressions) => {
    const ends = [e.part(x.node, axis, length - shift, length), e.part(x.node, axis, 0, length - shift)];
    return e.b.add('concat', ends, { axis });
  };
  return built(call, rolled, x.axes);
}

/** A value before and behind the elements of an axis. */
function pad(call: BuiltinCall): Value {
  const x = tensorArgument(call, 'x');
  if (x === undefined) return poison;
  const { env, span } = call;
  const shape = shapeOf(x, env);
  const axis = axisOf(call, staticInt(call, 'axis')!, shape);
  const [before, after] = [intBetween(call, 'before', 0, 0), intBetween(call, 'after', 0, 0)];
  if (axis === undefined || before === undefined || after === undefined) return poison;
  if (before + after === 0) return x;
  const value = number(call, 'value', 0);
  const axes = x.axes.map((o, a) => (a === axis ? undefined : o));
  if (value === 0) {
    const at = (n: number) => shape.map((_, a) => (a === axis ? n : 0));
    return emit(env, 'pad', [x], { before: at(before), after: at(after) }, span, { axes });
  }
  const dtype = isInteger(x, env) ? 'i32' : 'f32';
  if (dtype === 'i32' && !Number.isInteger(value)) {
    const message = `\`value\` of pad must be an int for integers, got ${value}`;
    return env.session.report('Z209', call.spans.get('value') ?? span, message);
  }
  const filled = (n: number) =>
    n === 0
      ? []
      : [emit(env, 'constant', [], { value, dtype, shape: shape.map((d, a) => (a === axis ? n : d)) }, span)];
  const parts = [...filled(before), x, ...filled(after)];
  if (!parts.every((p) => p.kind === 'tensor')) return poison;
  return emit(env, 'concat', parts, { axis }, span, { axes });
}

// ── picking ────────────────────────────────────────────────────────────────────────────────────────────────

/** Entries of an axis by numbers: the axis goes in front, its entries are rows of a table, and back. */
function select(call: BuiltinCall): Value {
  const x = tensorArgument(call, 'x');
  const indices = tensorArgument(call, 'indices');
  if (x === undefined || indices === undefined) return poison;
  const { env, span } = call;
  const shape = shapeOf(x, env);
  const axis = axisOf(call, staticInt(call, 'axis')!, shape);
  const length = axis === undefined ? undefined : lengthOf(call, x, axis);
  if (axis === undefined || length === undefined) return poison;
  const others = shape.map((_, a) => a).filter((a) => a !== axis);
  const rest = others.map((a) => shape[a]!);
  const width = multiplyDims(rest);
  if (width === undefined) return env.session.report('Z310', span, 'two open dimensions cannot be merged');
  const table = built(call, (e) => e.reshape(e.transpose(x.node, [axis, ...others]), [length, width]));
  const rows = emit(env, 'embedding', [table, indices], {}, span, { names: ['`x`', '`indices`'] });
  if (rows.kind === 'poison') return poison;
  const picked = shapeOf(indices, env);
  // [indices ..., rest ...] with the indices where the axis was.
  const behind = picked.map((_, i) => i);
  const places = rest.map((_, i) => picked.length + i);
  const perm = [...places.slice(0, axis), ...behind, ...places.slice(axis)];
  const axes = [...x.axes.slice(0, axis), ...indices.axes, ...x.axes.slice(axis + 1)];
  return built(call, (e) => e.transpose(e.reshape(rows.node, [...picked, ...rest]), perm), axes);
}

/** The largest entries of each row and their positions, largest first. */
function topK(call: BuiltinCall): Value {
  const x = tensorArgument(call, 'x');
  const k = intBetween(call, 'k', 1, 1);
  if (x === undefined || k === undefined) return poison;
  const { env, span } = call;
  const shape = shapeOf(x, env);
  const length = shape.at(-1);
  if (typeof length === 'number' && k > length)
    return env.session.report(
      'Z313',
      call.spans.get('k') ?? span,
      `there are no ${k} largest entries in rows of ${length}: ${formatShape(shape)}`,
      { help: `\`k\` is at most ${length}` },
    );
  const order = emit(env, 'argsort', [x], { descending: true }, span, { axes: x.axes });
  if (order.kind === 'poison') return poison;
  const axes = [...x.axes.slice(0, -1), undefined];
  const values = emit(env, 'pick', [x, order], { count: k }, span, { axes });
  const starts = shape.map(() => 0);
  const ends = [...shape.slice(0, -1), k];
  const indices = emit(env, 'slice', [order], { starts, ends }, span, { axes });
  const fields: [string, Value][] = [
    ['values', values],
    ['indices', indices],
  ];
  return { kind: 'record', fields: new Map(fields) };
}

const x: BuiltinParameter = { name: 'x', kind: 'tensor' };
const several: BuiltinParameter = { name: 'x', kind: 'tensors' };
const axis: BuiltinParameter = { name: 'axis', kind: 'axis' };
const int = (name: string): BuiltinParameter => ({ name, kind: 'int' });

export const movingBuiltins: readonly BuiltinRow[] = [
  {
    name: 'top_k',
    about: 'the k largest entries of each row and their positions: { values, indices }',
    shapes: '[..., n] -> { values: [..., k], indices: i32 [..., k] }',
    gradient: 'of the values, to the entries they came from',
    source: 'torch.topk, sorted',
    parameters: [x, int('k')],
    fields: ['values', 'indices'],
    apply: topK,
  },
  {
    name: 'concat',
    about: 'joins tensors along an axis',
    shapes: '[..., n, ...], [..., m, ...] -> [..., n + m, ...]',
    gradient: 'to each part',
    source: 'torch.cat',
    parameters: [several, axis],
    variadic: true,
    apply: concat,
  },
  {
    name: 'stack',
    about: 'joins tensors of one shape along a new axis',
    shapes: '[...], [...] -> [..., 2, ...]',
    gradient: 'to each part',
    source: 'torch.stack',
    parameters: [several, { ...axis, optional: true }],
    variadic: true,
    apply: stack,
  },
  {
    name: 'expand',
    about: 'repeats axes of 1',
    shapes: '[..., 1, ...] -> the shape',
    gradient: 'sums over what was repeated',
    source: 'torch.Tensor.expand',
    parameters: [x, { name: 'shape', kind: 'shape' }],
    apply: expand,
  },
  {
    name: 'iota',
    about: '0, 1, 2, ... as i32',
    shapes: 'i32 [length]',
    gradient: 'none',
    source: 'torch.arange',
    parameters: [{ name: 'length', kind: 'dim' }],
    apply: iota,
  },
  {
    name: 'one_hot',
    about: '1 at the position that each id names, else 0',
    shapes: 'i32 [...] -> [..., n]',
    gradient: 'none',
    source: 'torch.nn.functional.one_hot, as floats',
    parameters: [
      { name: 'ids', kind: 'tensor' },
      { name: 'n', kind: 'dim' },
    ],
    apply: oneHot,
  },
  {
    name: 'pad',
    about: 'puts a value before and behind the entries of an axis',
    shapes: '[..., n, ...] -> [..., before + n + after, ...]',
    gradient: 'to what is not padding',
    source: 'torch.nn.functional.pad of one axis',
    parameters: [x, axis, int('before'), int('after'), { name: 'value', kind: 'number', optional: true }],
    apply: pad,
  },
  {
    name: 'roll',
    about: 'shifts the entries of an axis; those beyond its end come in front',
    shapes: '[...]',
    gradient: 'roll back',
    source: 'torch.roll',
    parameters: [x, int('shift'), axis],
    apply: roll,
  },
  {
    name: 'select',
    about: 'entries of an axis by numbers, [...] in place of the axis',
    shapes: '[A..., n, C...], i32 [I...] -> [A..., I..., C...]',
    gradient: 'to the entries, adding up',
    source: 'numpy.take',
    parameters: [x, { name: 'indices', kind: 'tensor' }, axis],
    apply: select,
  },
];
