/**
 * `layers[0]`, `resblocks[i]`, `qkv[0]`, `x[:, 0]`, `t[:, 0:1]`: static lists, arrays of blocks, and tensors.
 */
import type { Expr, IndexExpr, SliceSubscript } from '../../../grammar/ast.ts';
import type { Dim } from '../../graph/types.ts';
import { formatDim, formatShape } from '../../graph/types.ts';
import { asDim } from '../nodes/arithmetic.ts';
import { emit, shapeOf, toTensor } from '../nodes/emit.ts';
import * as mistakes from '../values/mistakes.ts';
import { type Env, evaluate } from '../values/scope.ts';
import type { TensorValue, Value } from '../values/values.ts';
import { describe, poison } from '../values/values.ts';
import { isTensor } from './operators.ts';

export function evaluateIndex(expr: IndexExpr, env: Env): Value {
  const object = evaluate(expr.object, env);
  if (object.kind === 'poison') return poison;
  if (isTensor(object)) {
    const tensor = toTensor(object, env, expr.object.span);
    return tensor === undefined ? poison : sliceTensor(expr, tensor, env);
  }
  if (object.kind === 'list') return listItem(expr, object.items, 'list', env);
  if (object.kind === 'array') {
    const items = object.items.map((instance): Value => ({ kind: 'instance', instance }));
    return listItem(expr, items, `\`${object.name}\``, env);
  }
  return mistakes.noIndex(env.session, expr.span, describe(object));
}

function listItem(expr: IndexExpr, items: readonly Value[], what: string, env: Env): Value {
  const [subscript, ...more] = expr.subscripts;
  if (subscript === undefined || more.length > 0 || subscript.kind === 'slice') {
    return env.session.report('Z210', expr.span, `a ${what.replace(/`/g, '')} takes one index`);
  }
  const index = evaluate(subscript, env);
  if (index.kind === 'poison') return poison;
  if (index.kind !== 'int') {
    return env.session.report('Z209', subscript.span, `an index must be an int, got ${describe(index)}`);
  }
  const item = items[index.value < 0 ? index.value + items.length : index.value];
  if (item !== undefined) return item;
  const message = `index ${index.value} is outside the ${what}: it has ${items.length} items`;
  return env.session.report('Z311', subscript.span, message);
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
