/**
 * Built-ins over tensors that mean more than one node or choose between several: each row turns evaluated
 * arguments into nodes. Those that mean one node are words of their ops (words.ts), pattern operations are in
 * patterns.ts.
 */
import { checkedFloat, checkedInt } from '../nodes/arithmetic.ts';
import { emit, shapeOf, toTensor, toTensors } from '../nodes/emit.ts';
import type { BuiltinParameter } from '../values/builtin.ts';
import { float, isNumber, poison, type TensorValue, type Value } from '../values/values.ts';
import { axesOf, flag, pairArguments, tensorArgument } from './call.ts';
import { einsumCall, rearrangeCall } from './patterns.ts';
import type { BuiltinCall, BuiltinRow } from './row.ts';

/** A tensor in another element type; one that has it stays. */
export function castNode(call: BuiltinCall, to: 'f32' | 'i32'): Value {
  const x = tensorArgument(call, 'x');
  if (x === undefined || call.env.tracer!.builder.type(x.node).dtype === to) return x ?? poison;
  return emit(call.env, 'cast', [x], { to }, call.span, { axes: x.axes });
}

/** Floats as i32, towards zero; integers stay. */
function truncated(call: BuiltinCall): Value {
  const given = call.values.get('x')!;
  return isNumber(given)
    ? checkedInt(call.env.session, call.span, Math.trunc(given.value))
    : castNode(call, 'i32');
}

/** `N > 1` is a tensor while the batch is open, and a bool once it has a number. */
function maskArgument(call: BuiltinCall): TensorValue | undefined {
  const given = call.values.get('mask')!;
  if (given.kind !== 'bool') return tensorArgument(call, 'mask');
  return toTensor(float(given.value ? 1 : 0), call.env, call.spans.get('mask') ?? call.span);
}

/** `a` where the mask is not 0, else `b`; static numbers take the element type of the other. */
function where(call: BuiltinCall): Value {
  const mask = maskArgument(call);
  const values = pairArguments(call, 'a', 'b');
  if (mask === undefined || values === undefined) return poison;
  return emit(call.env, 'where', [mask, ...values], {}, call.span, { names: ['`mask`', '`a`', '`b`'] });
}

/** The sum of a list, or of a tensor over axes. */
function sum(call: BuiltinCall): Value {
  const given = call.values.get('x')!;
  return given.kind === 'list' ? sumOfList(call, given.items) : overAxes('sum', call);
}

function sumOfList(call: BuiltinCall, items: readonly Value[]): Value {
  const { env, span } = call;
  if (items.every(isNumber)) {
    const total = items.reduce((all, { value }) => all + value, 0);
    return items.every(({ kind }) => kind === 'int')
      ? checkedInt(env.session, span, total)
      : checkedFloat(env.session, span, total);
  }
  const [first, ...others] = items;
  return others.reduce((all: Value, item) => {
    const [a, b] = toTensors([all, item], env, [span, span]);
    return a === undefined || b === undefined ? poison : emit(env, 'add', [a, b], {}, span);
  }, first!);
}

/** A reduction over axes; a tensor without axes is its own. */
function overAxes(op: 'sum' | 'max' | 'min', call: BuiltinCall): Value {
  const x = tensorArgument(call, 'x');
  if (x === undefined) return poison;
  const axes = axesOf(call, 'axis', shapeOf(x, call.env));
  if (axes === undefined) return poison;
  if (axes.length === 0) return x;
  const keep = flag(call, 'keep');
  const origins = x.axes.flatMap((o, i) => (axes.includes(i) ? (keep ? [undefined] : []) : [o]));
  return emit(call.env, op, [x], { axes, keep }, call.span, { axes: origins });
}

const overThese: readonly BuiltinParameter[] = [
  { name: 'axis', kind: 'axes', optional: true },
  { name: 'keep', kind: 'bool', optional: true },
];

// ── extremes ───────────────────────────────────────────────────────────────────────────────────────────────

/** `max(a, b)` of numbers or tensors, `max(x, axis = ...)` over axes. */
function extreme(name: 'max' | 'min', call: BuiltinCall): Value {
  const x = call.values.get('x')!;
  const y = call.values.get('y');
  if (y === undefined) {
    if (!isNumber(x)) return overAxes(name, call);
    const message = `${name} of one number has no meaning`;
    return call.env.session.report('Z209', call.span, message, { help: `${name}(a, b)` });
  }
  if (isNumber(x) && isNumber(y)) return staticExtreme(name, x, y);
  const values = pairArguments(call, 'x', 'y');
  if (values === undefined) return poison;
  const op = name === 'max' ? 'maximum' : 'minimum';
  return emit(call.env, op, values, {}, call.span, { names: ['left', 'right'] });
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

function extremeRow(name: 'max' | 'min', ofTwo: string, ofMany: string): BuiltinRow {
  return {
    name,
    about: `${ofTwo} of two values, or ${ofMany} over axes`,
    shapes: '[...], broadcasting; or without the axes',
    gradient: `to the ${ofTwo}; equal ones share it`,
    source: `torch.${name}imum, torch.a${name}`,
    parameters: [...pair, ...overThese],
    apply: (call) => extreme(name, call),
  };
}

const x: BuiltinParameter = { name: 'x', kind: 'tensor' };

export const tensorBuiltins: readonly BuiltinRow[] = [
  extremeRow('max', 'larger', 'largest'),
  extremeRow('min', 'smaller', 'smallest'),
  {
    name: 'sum',
    about: 'sum over axes, or of a list',
    shapes: '[...] without the axes; of a list, as +',
    gradient: '1',
    source: 'torch.sum',
    parameters: [{ name: 'x', kind: 'summands' }, ...overThese],
    apply: sum,
  },
  {
    name: 'where',
    about: '`a` where the mask is not 0, else `b`',
    shapes: '[...], broadcasting',
    gradient: 'to the chosen side alone',
    source: 'torch.where',
    parameters: [
      { name: 'mask', kind: 'mask' },
      { name: 'a', kind: 'value' },
      { name: 'b', kind: 'value' },
    ],
    apply: where,
  },
  {
    name: 'int',
    about: 'a float, or a tensor of floats, towards zero as ints',
    shapes: '[...], i32',
    gradient: 'none',
    source: 'torch.Tensor.int',
    parameters: [{ name: 'x', kind: 'value' }],
    apply: truncated,
  },
  {
    name: 'einsum',
    about: 'sum of products over named axes',
    shapes: 'as the pattern says',
    gradient: 'of every operand',
    source: 'torch.einsum',
    parameters: [{ name: 'pattern', kind: 'pattern' }],
    apply: einsumCall,
  },
  {
    name: 'rearrange',
    about: 'reorders, splits and merges named axes',
    shapes: 'as the pattern says',
    gradient: 'the way back',
    source: 'einops.rearrange',
    parameters: [x, { name: 'pattern', kind: 'pattern' }],
    openNames: true,
    apply: rearrangeCall,
  },
];
