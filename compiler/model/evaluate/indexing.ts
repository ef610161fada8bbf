/**
 * `layers[0]`, `layers[2..5]`, `qkv[0]`, `x[:, 0]`, `t[:, 0:1]`: static lists, chains of blocks, and tensors.
 */
import type { Expr, IndexExpr, SliceSubscript } from '../../../grammar/ast.ts';
import type { Dim } from '../../graph/types.ts';
import { formatDim, formatShape } from '../../graph/types.ts';
import { asDim } from '../nodes/arithmetic.ts';
import { emit, shapeOf, toTensor } from '../nodes/emit.ts';
import { linksOf } from '../values/instance.ts';
import * as mistakes from '../values/mistakes.ts';
import { type Env, evaluate } from '../values/scope.ts';
import { sourceText } from '../values/session.ts';
import type { TensorValue, Value } from '../values/values.ts';
import { describe, notWhole, poison } from '../values/values.ts';
import { isTensor } from './operators.ts';

export function evaluateIndex(expr: IndexExpr, env: Env): Value {
  const object = evaluate(expr.object, env);
  if (object.kind === 'poison') return poison;
  if (isTensor(object)) {
    const tensor = toTensor(object, env, expr.object.span);
    return tensor === undefined ? poison : sliceTensor(expr, tensor, env);
  }
  const name = sourceText(expr.object.span);
  if (object.kind === 'list') {
    const part = partOf(expr, object.items.length, name, env);
    if (part === undefined) return poison;
    return typeof part === 'number'
      ? object.items[part]!
      : { kind: 'list', items: object.items.slice(...part) };
  }
  const links = linksOf(object);
  if (links === undefined) return mistakes.noIndex(env.session, expr.span, describe(object));
  const part = partOf(expr, links.length, name, env);
  if (part === undefined) return poison;
  if (typeof part === 'number') return { kind: 'instance', instance: links[part]! };
  return { kind: 'array', name: sourceText(expr.span), items: links.slice(...part) };
}

/** The position, or the bounds, of what a subscript of a list or chain takes; undefined after a report. */
function partOf(
  expr: IndexExpr,
  count: number,
  name: string,
  env: Env,
): number | [number, number] | undefined {
  const [subscript, ...more] = expr.subscripts;
  if (subscript === undefined || more.length > 0) {
    env.session.report('Z210', expr.span, `\`${name}\` takes one index`);
    return undefined;
  }
  if (subscript.kind !== 'slice') {
    const at = place(subscript, count, name, env);
    return at === undefined || isInside(at, count - 1, subscript, count, name, env) ? at : undefined;
  }
  if (subscript.mark === ':') {
    mistakes.colonOfChain(env.session, subscript.span, name, subscript);
    return undefined;
  }
  const start = subscript.start === undefined ? 0 : place(subscript.start, count, name, env);
  const end = subscript.end === undefined ? count : place(subscript.end, count, name, env);
  if (start === undefined || end === undefined) return undefined;
  if (subscript.start !== undefined && !isInside(start, count, subscript.start, count, name, env))
    return undefined;
  if (subscript.end !== undefined && !isInside(end, count, subscript.end, count, name, env)) return undefined;
  if (start <= end) return [start, end];
  const [from, to] = [subscript.start, subscript.end].map((bound) => bound && sourceText(bound.span));
  const message = `\`${name}[${from}..${to}]\` ends before it starts: from item ${start} to item ${end}`;
  const open = to === '0' ? { help: `to the end: \`${name}[${from}..]\`` } : {};
  env.session.report('Z311', subscript.span, message, open);
  return undefined;
}

/** A static int counted from the front; undefined after a report. */
function place(expr: Expr, count: number, name: string, env: Env): number | undefined {
  const index = evaluate(expr, env);
  if (index.kind === 'int') return index.value < 0 ? index.value + count : index.value;
  if (index.kind !== 'poison' && notWhole(index) === undefined) notAnIndex(expr, index, name, env);
  return undefined;
}

function notAnIndex(expr: Expr, index: Value, name: string, env: Env): void {
  const help = isTensor(index)
    ? { help: `stack(${name}) and take(x, index, axis = 0) pick by a tensor of indices` }
    : {};
  env.session.report('Z209', expr.span, `an index must be an int, got ${describe(index)}`, help);
}

function isInside(at: number, last: number, expr: Expr, count: number, name: string, env: Env): boolean {
  if (at >= 0 && at <= last) return true;
  const items = count === 1 ? '1 item' : `${count} items`;
  const message = `index ${at < 0 ? at - count : at} is outside \`${name}\`: it has ${items}`;
  env.session.report('Z311', expr.span, message);
  return false;
}

interface Cut {
  readonly start: number;
  readonly end: Dim;
  /** A single index drops its axis. */
  readonly drop: boolean;
}

function sliceTensor(expr: IndexExpr, tensor: TensorValue, env: Env): Value {
  const shape = shapeOf(tensor, env);
  if (expr.subscripts.length > shape.length) {
    const has = `${formatShape(shape)}, which has ${shape.length} axes`;
    const message = `${expr.subscripts.length} subscripts for ${has}`;
    return env.session.report('Z302', expr.span, message);
  }
  const dots = expr.subscripts.find((part) => part.kind === 'slice' && part.mark === '..');
  if (dots !== undefined) return mistakes.dotsOfTensor(env.session, dots.span);
  const cuts: Cut[] = [];
  for (const [axis, dim] of shape.entries()) {
    const subscript = expr.subscripts[axis];
    const cut =
      subscript === undefined ? { start: 0, end: dim, drop: false } : cutOf(subscript, dim, axis, env);
    if (cut === undefined) return poison;
    cuts.push(cut);
  }
  const whole = cuts.every((c, i) => c.start === 0 && c.end === shape[i] && !c.drop);
  if (whole) return tensor;
  const starts = cuts.map((c) => c.start);
  const ends = cuts.map((c) => c.end);
  const sliced = emit(env, 'slice', [tensor], { starts, ends }, expr.span);
  if (sliced.kind === 'poison' || !cuts.some((c) => c.drop)) return sliced;
  const keep = cuts.map((c, i) => (c.drop ? -1 : i)).filter((i) => i >= 0);
  const kept = shapeOf(sliced, env);
  const axes = keep.map((i) => tensor.axes[i]);
  return emit(env, 'reshape', [sliced], { shape: keep.map((i) => kept[i]!) }, expr.span, { axes });
}

function cutOf(subscript: Expr | SliceSubscript, dim: Dim, axis: number, env: Env): Cut | undefined {
  if (subscript.kind !== 'slice') {
    const index = position(subscript, dim, env);
    if (index === undefined) return undefined;
    if (typeof dim === 'number' && (index < 0 || index >= dim))
      return outside(subscript, index, dim, axis, env);
    return { start: index, end: index + 1, drop: true };
  }
  const start = subscript.start === undefined ? 0 : position(subscript.start, dim, env);
  const end = subscript.end === undefined ? dim : position(subscript.end, dim, env);
  if (start === undefined || end === undefined) return undefined;
  if (typeof end === 'number' && typeof dim === 'number' && (start < 0 || end > dim || start >= end)) {
    return outside(subscript, start < 0 || start >= end ? start : end, dim, axis, env);
  }
  return { start, end, drop: false };
}

/** A subscript as a position from the front. */
function position(expr: Expr, dim: Dim, env: Env): number | undefined {
  const value = evaluate(expr, env);
  if (value.kind === 'poison') return undefined;
  const index = asDim(value);
  if (typeof index !== 'number') {
    if (notWhole(value) !== undefined) return undefined;
    const help = isTensor(value) ? { help: 'take(x, index, axis = ...) picks by a tensor of indices' } : {};
    env.session.report('Z209', expr.span, `a subscript must be a static int, got ${describe(value)}`, help);
    return undefined;
  }
  if (index >= 0 || typeof dim !== 'number') return index;
  return index + dim;
}

function outside(at: Expr | SliceSubscript, index: number, dim: Dim, axis: number, env: Env): undefined {
  env.session.report(
    'Z311',
    at.span,
    `${index} is outside axis ${axis}, which has ${formatDim(dim)} entries`,
  );
  return undefined;
}
