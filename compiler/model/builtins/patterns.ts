/**
 * Axis patterns: `rearrange(x, [b, t, (h d)] -> [b, h, t, d], h = heads)` and `einsum(q[b, i, d], k[b, j, d]
 * -> [b, i, j])`.
 *
 * A rearrangement becomes at most a reshape (splitting groups), a transpose and a reshape (merging groups).
 */
import type { ArrowExpr, AxisItem, AxisPattern, Identifier } from '../../../grammar/ast.ts';
import type { Span } from '../../../grammar/source.ts';
import { ShapeMismatch } from '../../graph/builder.ts';
import { divideDims, multiplyDims } from '../../graph/dims.ts';
import { einsum } from '../../graph/einsum.ts';
import type { Dim } from '../../graph/types.ts';
import { formatDim, formatShape, sameDim } from '../../graph/types.ts';
import { asDim } from '../nodes/arithmetic.ts';
import { emit, refuse, shapeOf, toTensor } from '../nodes/emit.ts';
import { evaluate, originAt } from '../values/scope.ts';
import { sourceText } from '../values/session.ts';
import { didYouMean } from '../values/suggest.ts';
import { type AxisOrigin, poison, type TensorValue, type Value } from '../values/values.ts';
import type { BuiltinCall } from './row.ts';

/** Names of one axis of a pattern: none for a literal 1, several for a group. */
function namesOf(item: AxisItem): readonly Identifier[] {
  if (item.kind === 'one') return [];
  return item.kind === 'axis' ? [item.name] : item.names;
}

function allNames(pattern: AxisPattern): Identifier[] {
  return pattern.axes.flatMap((item) => [...namesOf(item)]);
}

/** Names used twice, or not on both sides of a rearrangement. A mistake that needs no shapes to see. */
export function patternFault(
  from: AxisPattern,
  to: AxisPattern,
): { span: Span; message: string } | undefined {
  const left = allNames(from);
  const right = allNames(to);
  for (const side of [left, right]) {
    const twice = side.find((n, i) => side.findIndex((m) => m.text === n.text) < i);
    if (twice !== undefined)
      return { span: twice.span, message: `axis \`${twice.text}\` stands twice in the pattern` };
  }
  const lost = left.find((n) => !right.some((m) => m.text === n.text));
  if (lost !== undefined)
    return { span: lost.span, message: `axis \`${lost.text}\` is missing on the right of the pattern` };
  const known = left.map((n) => n.text);
  const made = right.find((n) => !known.includes(n.text));
  if (made === undefined) return undefined;
  return {
    span: made.span,
    message: `axis \`${made.text}\` is not on the left of the pattern${didYouMean(made.text, known)}`,
  };
}

// ── rearrange ──────────────────────────────────────────────────────────────────────────────────────────────

export function rearrangeCall(call: BuiltinCall): Value {
  const pattern = call.values.get('pattern');
  const input = call.values.get('x');
  if (pattern?.kind !== 'pattern' || input === undefined) return poison;
  const { from, to } = pattern.expr;
  if (from === undefined) {
    return call.env.session.report('Z310', pattern.expr.span, 'rearrange needs a pattern [...] -> [...]', {
      help: 'rearrange(x, [b, c, h, w] -> [b, (h w), c])',
    });
  }
  const fault = patternFault(from, to) ?? unknownSizes(call, from);
  if (fault !== undefined) return call.env.session.report('Z310', fault.span, fault.message);
  const x = toTensor(input, call.env, call.spans.get('x') ?? call.span);
  if (x === undefined) return poison;
  const sizes = axisSizes(call, from, x);
  return sizes === undefined ? poison : lower(call, { from, to, x, sizes });
}

/** A named size for an axis that the pattern lacks. */
function unknownSizes(call: BuiltinCall, from: AxisPattern): { span: Span; message: string } | undefined {
  const known = allNames(from).map((n) => n.text);
  for (const [name] of call.values) {
    if (name === 'x' || name === 'pattern' || known.includes(name)) continue;
    const span = call.spans.get(name) ?? call.span;
    return { span, message: `the pattern has no axis \`${name}\`${didYouMean(name, known)}` };
  }
  return undefined;
}

function axisSizes(call: BuiltinCall, from: AxisPattern, x: TensorValue): Map<string, Dim> | undefined {
  const shape = shapeOf(x, call.env);
  if (from.axes.length !== shape.length) {
    const pattern = `the pattern ${sourceText(from.span)} has ${from.axes.length} axes`;
    const message = `${pattern}, the tensor ${formatShape(shape)} has ${shape.length}`;
    call.env.session.report('Z302', from.span, message);
    return undefined;
  }
  const sizes = new Map<string, Dim>();
  for (const [axis, item] of from.axes.entries()) {
    const problem = sizeItem(call, item, shape[axis]!, sizes);
    if (problem === undefined) continue;
    const origin = x.axes[axis]?.provenance;
    const at = item.kind === 'axis' ? item.name.span : item.span;
    const labels =
      origin === undefined ? [] : [{ span: origin.span, text: `${origin.name} = ${origin.text}` }];
    call.env.session.report('Z310', at, problem, labels.length === 0 ? {} : { labels });
    return undefined;
  }
  return sizes;
}

/** Sizes of the names of one axis; says what is wrong if they do not multiply to it. */
function sizeItem(call: BuiltinCall, item: AxisItem, dim: Dim, sizes: Map<string, Dim>): string | undefined {
  if (item.kind === 'one') return dim === 1 ? undefined : `this axis has ${formatDim(dim)} entries, not 1`;
  const given = (name: Identifier): Dim | undefined => {
    const value = call.values.get(name.text);
    return value === undefined ? undefined : asDim(value);
  };
  if (item.kind === 'axis') {
    const wanted = given(item.name);
    if (wanted !== undefined && !sameDim(wanted, dim)) {
      return `axis \`${item.name.text}\` has ${formatDim(dim)} entries, not ${formatDim(wanted)}`;
    }
    sizes.set(item.name.text, dim);
    return undefined;
  }
  const open = item.names.filter((n) => given(n) === undefined);
  const known = item.names.flatMap((n) => given(n) ?? []);
  const bad = known.find((d) => typeof d === 'number' && d < 1);
  if (bad !== undefined) return `an axis cannot have ${formatDim(bad)} entries`;
  if (open.length > 1) {
    const names = open.map((n) => `\`${n.text}\``).join(' and ');
    return `the sizes of ${names} are both open; give one, as in ${open[0]!.text} = ...`;
  }
  const product = multiplyDims(known);
  const rest = product === undefined ? undefined : divideDims(dim, product);
  const shown = known.map(formatDim).join(' * ');
  if (rest === undefined) return `an axis of ${formatDim(dim)} cannot be split into parts of ${shown}`;
  if (open.length === 0 && rest !== 1) return `an axis of ${formatDim(dim)} is not ${shown}`;
  for (const name of item.names) sizes.set(name.text, given(name) ?? rest);
  return undefined;
}

interface Rearrangement {
  readonly from: AxisPattern;
  readonly to: AxisPattern;
  readonly x: TensorValue;
  readonly sizes: ReadonlyMap<string, Dim>;
}

function lower(call: BuiltinCall, { from, to, x, sizes }: Rearrangement): Value {
  const origins = new Map<string, AxisOrigin | undefined>();
  for (const [axis, item] of from.axes.entries())
    if (item.kind === 'axis') origins.set(item.name.text, x.axes[axis]);
  const left = allNames(from).map((n) => n.text);
  const right = allNames(to).map((n) => n.text);
  const split = left.map((n) => sizes.get(n)!);
  const merged = to.axes.map((item) => multiplyDims(namesOf(item).map((n) => sizes.get(n.text)!)));
  if (merged.some((d) => d === undefined)) {
    return call.env.session.report('Z310', to.span, 'two open dimensions cannot be merged into one axis');
  }
  const axes = to.axes.map((item) => (item.kind === 'axis' ? origins.get(item.name.text) : undefined));
  const perm = right.map((n) => left.indexOf(n));
  let value: TensorValue = x;
  const step = (op: 'reshape' | 'transpose', attrs: { shape?: readonly Dim[]; perm?: readonly number[] }) => {
    const names =
      op === 'reshape' ? attrs.shape!.map(() => undefined) : perm.map((p) => origins.get(left[p]!));
    const next =
      op === 'reshape'
        ? emit(call.env, op, [value], { shape: attrs.shape! }, call.span, { axes: names })
        : emit(call.env, op, [value], { perm: attrs.perm! }, call.span, { axes: names });
    if (next.kind === 'tensor') value = next;
    return next.kind === 'tensor';
  };
  if (!sameShapes(split, shapeOf(x, call.env)) && !step('reshape', { shape: split })) return poison;
  if (perm.some((p, i) => p !== i) && !step('transpose', { perm })) return poison;
  if (!sameShapes(merged as Dim[], shapeOf(value, call.env)) && !step('reshape', { shape: merged as Dim[] }))
    return poison;
  return { ...value, axes };
}

function sameShapes(a: readonly Dim[], b: readonly Dim[]): boolean {
  return a.length === b.length && a.every((d, i) => sameDim(d, b[i]!));
}

// ── einsum ─────────────────────────────────────────────────────────────────────────────────────────────────

export function einsumCall(call: BuiltinCall): Value {
  const pattern = call.values.get('pattern');
  if (pattern?.kind !== 'pattern') return poison;
  const { operands, to } = pattern.expr;
  const fault = einsumFault(pattern.expr);
  if (fault !== undefined) return call.env.session.report('Z310', fault.span, fault.message);
  const values: TensorValue[] = [];
  for (const { value } of operands) {
    const tensor = toTensor(evaluate(value, call.env), call.env, value.span);
    if (tensor !== undefined) values.push(tensor);
  }
  if (values.length < operands.length) return poison;
  const origins = new Map<string, AxisOrigin | undefined>();
  const inputs = operands.map(({ axes }, i) => {
    const names = allNames(axes).map((n) => n.text);
    for (const [at, name] of names.entries()) origins.set(name, origins.get(name) ?? values[i]!.axes[at]);
    return { node: values[i]!.node, axes: names };
  });
  const out = allNames(to).map((n) => n.text);
  const { builder } = call.env.tracer!;
  try {
    const place = originAt(call.env, call.span);
    const node = builder.withOrigin(place, () => einsum(builder, inputs, out));
    return { kind: 'tensor', node, axes: out.map((n) => origins.get(n)) };
  } catch (error) {
    if (!(error instanceof ShapeMismatch)) throw error;
    const names = operands.map(({ value }) => `\`${sourceText(value.span)}\``);
    return refuse(call.env, error.error, values, call.span, names);
  }
}

/** What is wrong with an einsum pattern before shapes are known. */
export function einsumFault({
  from,
  operands,
  to,
  span,
}: ArrowExpr): { span: Span; message: string } | undefined {
  if (from !== undefined || operands.length === 0) {
    return { span, message: 'einsum needs operands with axes: einsum(a[i, k], b[k, j] -> [i, j])' };
  }
  const patterns = [...operands.map((o) => o.axes), to];
  const group = patterns.flatMap((p) => [...p.axes]).find((item) => item.kind !== 'axis');
  if (group !== undefined) {
    return { span: group.span, message: 'einsum takes plain axis names; groups and 1 belong in rearrange' };
  }
  const known = operands.flatMap((o) => allNames(o.axes).map((n) => n.text));
  const made = allNames(to).find((n) => !known.includes(n.text));
  if (made === undefined) return undefined;
  return {
    span: made.span,
    message: `no operand has an axis \`${made.text}\`${didYouMean(made.text, known)}`,
  };
}
