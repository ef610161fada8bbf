/** The evaluated arguments of a call to a built-in, as what rows need: tensors, numbers, flags, axes. */
import type { Dim } from '../../graph/types.ts';
import { formatShape } from '../../graph/types.ts';
import { Expressions } from '../../ops/expressions.ts';
import { toTensor, toTensors } from '../nodes/emit.ts';
import { originAt } from '../values/scope.ts';
import { type AxisOrigin, bool, isNumber, type TensorValue } from '../values/values.ts';
import type { BuiltinCall } from './row.ts';

/** The argument as a tensor, or undefined after a report. */
export function tensorArgument(call: BuiltinCall, name: string): TensorValue | undefined {
  const value = call.values.get(name);
  return value === undefined ? undefined : toTensor(value, call.env, call.spans.get(name) ?? call.span);
}

/** Two arguments as tensors, undefined after a report; a number takes the element type of the other. */
export function pairArguments(
  call: BuiltinCall,
  first: string,
  second: string,
): [TensorValue, TensorValue] | undefined {
  const spanOf = (name: string) => call.spans.get(name) ?? call.span;
  const values = [call.values.get(first)!, call.values.get(second)!] as const;
  const [a, b] = toTensors(values, call.env, [spanOf(first), spanOf(second)]);
  return a === undefined || b === undefined ? undefined : [a, b];
}

/** A tensor that `make` builds, of which no shape rule refuses a step; `axes` as far as they are known. */
export function built(
  { env, span }: BuiltinCall,
  make: (e: Expressions) => number,
  axes: readonly (AxisOrigin | undefined)[] = [],
): TensorValue {
  const { builder } = env.tracer!;
  const node = builder.withOrigin(originAt(env, span), () => make(new Expressions(builder)));
  return { kind: 'tensor', node, axes: builder.type(node).shape.map((_, axis) => axes[axis]) };
}

export function staticInt(call: BuiltinCall, name: string): number | undefined {
  const value = call.values.get(name);
  return value?.kind === 'int' ? value.value : undefined;
}

/** A number, `otherwise` where none is given. */
export function number(call: BuiltinCall, name: string, otherwise: number): number {
  const value = call.values.get(name);
  return value !== undefined && isNumber(value) ? value.value : otherwise;
}

export function flag(call: BuiltinCall, name: string): boolean {
  const value = call.values.get(name) ?? bool(false);
  return value.kind === 'bool' && value.value;
}

const mostInt = 2 ** 16;

/** An int of at least `least` that kernels can count to, or undefined after a report. */
export function intBetween(
  call: BuiltinCall,
  name: string,
  least: number,
  otherwise: number,
): number | undefined {
  const value = staticInt(call, name) ?? otherwise;
  if (value >= least && value <= mostInt) return value;
  call.env.session.report(
    'Z313',
    call.spans.get(name) ?? call.span,
    `\`${name}\` of ${call.name} must be from ${least} to ${mostInt}, got ${value}`,
  );
  return undefined;
}

/** An axis counted from the front, or undefined after a report. */
export function axisOf(call: BuiltinCall, axis: number, shape: readonly Dim[]): number | undefined {
  const rank = shape.length;
  const at = axis < 0 ? axis + rank : axis;
  if (at >= 0 && at < rank) return at;
  const count = rank === 1 ? '1 axis' : `${rank} axes`;
  const message = `there is no axis ${axis} in ${formatShape(shape)}, which has ${count}`;
  call.env.session.report('Z302', call.spans.get('axis') ?? call.span, message);
  return undefined;
}

/** The axes that an argument names, sorted: all of them without it; undefined after a report. */
export function axesOf(call: BuiltinCall, name: string, shape: readonly Dim[]): number[] | undefined {
  const value = call.values.get(name);
  if (value === undefined) return shape.map((_, i) => i);
  const wanted = value.kind === 'list' ? value.items : [value];
  const axes = new Set<number>();
  for (const item of wanted) {
    const axis = item.kind === 'int' ? axisOf(call, item.value, shape) : undefined;
    if (axis === undefined) return undefined;
    axes.add(axis);
  }
  return [...axes].sort((a, b) => a - b);
}
