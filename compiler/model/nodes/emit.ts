/**
 * Adds graph nodes for expressions, and turns a shape rule's refusal into a diagnostic that says where each
 * side came from.
 *
 * Axis origins travel along: each axis of a result keeps the origin of the operand axis it equals. That is
 * only for messages; shapes themselves are the builder's.
 */

import type { Span } from '../../../grammar/source.ts';
import { ShapeMismatch } from '../../graph/builder.ts';
import type { ShapeError } from '../../graph/shape-error.ts';
import type { Dim } from '../../graph/types.ts';
import { formatDim, sameDim } from '../../graph/types.ts';
import type { OpAttributes, OpName } from '../../ops/attributes.ts';
import * as mistakes from '../values/mistakes.ts';
import { type Env, originAt } from '../values/scope.ts';
import { type Extras, placeOf } from '../values/session.ts';
import type { AxisOrigin, Poison, TensorValue, Value } from '../values/values.ts';
import { describe } from '../values/values.ts';

/** Largest size of one axis: indices on the device are 32-bit. */
export const maxAxis = 2 ** 31 - 1;

interface EmitOptions {
  /** What messages call the inputs; `left`, `right` or argument names. */
  readonly names?: readonly string[];
  /** Origins of the result's axes; guessed from the inputs when absent. */
  readonly axes?: readonly (AxisOrigin | undefined)[];
}

export function shapeOf(value: TensorValue, env: Env): readonly Dim[] {
  return env.tracer!.builder.type(value.node).shape;
}

/** A node of `op`, or poison and a diagnostic at `span`. */
export function emit<K extends OpName>(
  env: Env,
  op: K,
  inputs: readonly TensorValue[],
  attrs: OpAttributes[K],
  span: Span,
  options: EmitOptions = {},
): TensorValue | Poison {
  const { builder } = env.tracer!;
  try {
    const ids = inputs.map((i) => i.node);
    const node = builder.add(op, ids, attrs, originAt(env, span));
    const shape = builder.type(node).shape;
    const large = shape.find((d) => typeof d === 'number' && d > maxAxis);
    if (large !== undefined) {
      return env.session.report('Z313', span, `an axis of ${formatDim(large)} is longer than ${maxAxis}`);
    }
    return {
      kind: 'tensor',
      node,
      axes: fitAxes(options.axes, shape.length) ?? guessAxes(env, inputs, shape),
    };
  } catch (error) {
    if (!(error instanceof ShapeMismatch)) throw error;
    return refuse(env, error.error, inputs, span, options.names ?? []);
  }
}

function fitAxes(axes: readonly (AxisOrigin | undefined)[] | undefined, rank: number) {
  return axes?.length === rank ? axes : undefined;
}

/**
 * Aligned at the last axis: an axis takes the origin of the first input whose axis there has the same size.
 */
function guessAxes(
  env: Env,
  inputs: readonly TensorValue[],
  shape: readonly Dim[],
): (AxisOrigin | undefined)[] {
  const axes: (AxisOrigin | undefined)[] = shape.map(() => undefined);
  for (const input of inputs) {
    const from = shapeOf(input, env);
    for (let back = 1; back <= Math.min(shape.length, from.length); back++) {
      const at = shape.length - back;
      const origin = input.axes[from.length - back];
      if (axes[at] === undefined && sameDim(from[from.length - back]!, shape[at]!)) axes[at] = origin;
    }
  }
  return axes;
}

/** A shape rule's refusal as a diagnostic. */
export function refuse(
  env: Env,
  error: ShapeError,
  inputs: readonly TensorValue[],
  span: Span,
  names: readonly string[],
): Poison {
  const code = error.code ?? 'Z301';
  return env.session.report(code, span, error.message, explainSides(env, error, inputs, names));
}

/** "left is 768 (width = 768, mine.zoo:3), right is 512", with labels where blocks gave the sizes. */
function explainSides(
  env: Env,
  error: ShapeError,
  inputs: readonly TensorValue[],
  names: readonly string[],
): Extras {
  const captions: string[] = [];
  const labels: { span: Span; text: string }[] = [];
  const sides: { origin: AxisOrigin | undefined; dim: Dim }[] = [];
  for (const { input, axis } of error.blame ?? []) {
    const value = inputs[input];
    if (value === undefined || axis === undefined) continue;
    const dim = shapeOf(value, env)[axis];
    if (dim === undefined) continue;
    const origin = value.axes[axis];
    sides.push({ origin, dim });
    const name = names[input] ?? (inputs.length === 1 ? 'it' : `input ${input + 1}`);
    captions.push(`${name} is ${formatDim(dim)}${givenHere(origin)}`);
    if (origin?.giver !== undefined)
      labels.push({ span: origin.giver.span, text: `gives ${formatDim(dim)}` });
  }
  const help = error.help?.startsWith('cast')
    ? 'float(...) turns integers into f32'
    : (error.help ?? repair(sides));
  return {
    ...(captions.length === 0 ? {} : { caption: captions.join(', ') }),
    ...(labels.length === 0 ? {} : { labels }),
    ...(help === undefined ? {} : { help }),
  };
}

/** ` (width = 768, mine.zoo:3)`; nothing where a label at the giver says it already. */
export function givenHere(origin: AxisOrigin | undefined): string {
  const provenance = origin?.provenance;
  if (provenance === undefined || isInside(origin)) return '';
  return ` (${provenance.name} = ${provenance.text}, ${placeOf(provenance.span)})`;
}

function isInside(origin: AxisOrigin | undefined): boolean {
  const { giver, provenance } = origin ?? {};
  if (giver === undefined || provenance === undefined) return false;
  const { span } = provenance;
  return span.file === giver.span.file && span.start >= giver.span.start && span.end <= giver.span.end;
}

/**
 * The block call that gave one side, with the number replaced by the other side's name: `Linear(3072,
 * width)`.
 */
function repair(sides: readonly { origin: AxisOrigin | undefined; dim: Dim }[]): string | undefined {
  for (const [i, { origin }] of sides.entries()) {
    const other = sides[1 - i]?.origin?.provenance;
    if (origin?.giver === undefined || !isInside(origin) || other === undefined) continue;
    const { span: whole } = origin.giver;
    const { span: part } = origin.provenance!;
    const text = part.file.text;
    const replaced = text.slice(part.start, part.end).replace(/(?<==\s*)[^=]*$|^[^=]*$/, other.name);
    return text.slice(whole.start, part.start) + replaced + text.slice(part.end, whole.end);
  }
  return undefined;
}

/** A static number or weight as a tensor; undefined and a diagnostic for anything else. */
export function toTensor(value: Value, env: Env, span: Span): TensorValue | undefined {
  if (value.kind === 'poison') return undefined;
  const { tracer } = env;
  if (tracer === undefined) {
    env.session.report('Z217', span, `${describe(value)} can only be used inside \`forward\``);
    return undefined;
  }
  if (value.kind === 'tensor') return value;
  if (value.kind === 'weight') {
    if (value.weight.dtype === 'i64') {
      env.session.report('Z303', span, `${value.weight.name} is i64: it is stored, not computed with`);
      return undefined;
    }
    return { kind: 'tensor', node: tracer.weight(value.weight, originAt(env, span)), axes: value.axes };
  }
  if (value.kind === 'int' || value.kind === 'float') {
    const node = tracer.builder.add(
      'constant',
      [],
      { value: value.value, dtype: 'f32', shape: [] },
      originAt(env, span),
    );
    return { kind: 'tensor', node, axes: [] };
  }
  if (value.kind === 'dim') return openSize(value.dim, env, span);
  mistakes.notATensor(env.session, span, describe(value));
  return undefined;
}

export function isInteger(value: TensorValue, env: Env): boolean {
  return env.tracer!.builder.type(value.node).dtype === 'i32';
}

const [leastInteger, largestInteger] = [-(2 ** 31), 2 ** 31 - 1];

/** Two operands; a static int beside a tensor of integers is one of them, elsewhere it is an f32. */
export function toTensors(
  values: readonly [Value, Value],
  env: Env,
  spans: readonly [Span, Span],
): (TensorValue | undefined)[] {
  const tensors = values.map((value) => (value.kind === 'tensor' ? value : undefined));
  return values.map((value, i) => {
    const other = tensors[1 - i];
    if (value.kind !== 'int' || other === undefined || !isInteger(other, env))
      return toTensor(value, env, spans[i]!);
    if (value.value < leastInteger || value.value > largestInteger) {
      const message = `${value.value} does not fit into an i32`;
      env.session.report('Z313', spans[i]!, message);
      return undefined;
    }
    const attrs = { value: value.value, dtype: 'i32', shape: [] } as const;
    const node = env.tracer!.builder.add('constant', [], attrs, originAt(env, spans[i]!));
    return { kind: 'tensor', node, axes: [] };
  });
}

/** An open dimension as a number in the graph: the sum of that many ones. */
function openSize(dim: Dim, env: Env, span: Span): TensorValue | undefined {
  const ones = emit(env, 'constant', [], { value: 1, dtype: 'f32', shape: [dim] }, span);
  if (ones.kind === 'poison') return undefined;
  const sum = emit(env, 'sum', [ones], { axes: [0], keep: false }, span);
  return sum.kind === 'poison' ? undefined : sum;
}
