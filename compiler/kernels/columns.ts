/**
 * Reductions down columns: the kept axes run along the invocations, the reduced ones are walked by each.
 *
 * Bias gradients and batch statistics have this shape. Neighbouring invocations read neighbouring elements (vec4 where the
 * layout allows), which is coalesced on GPUs and needs no workgroup memory. Where many elements are reduced they are cut
 * into pieces with a partial result each, and a second kernel joins the pieces in order: deterministic, and
 * accurate because no partial sum runs over more than a few hundred terms.
 */
import { type Node, type Origin, sizeOf } from '../graph/types.ts';
import type { DeviceProfile } from '../profile.ts';
import {
  bytesOf,
  flatMain,
  flatWorkgroup,
  indexExpression,
  LOWEST,
  type Operand,
  Operands,
  repeatsLast,
  vectorizable,
} from './access.ts';
import { gridOf, type Kernel, type LowerContext } from './kernel.ts';
import { equalParts } from './parts.ts';
import type { RowInput } from './rows.ts';
import { denseView, type View } from './view.ts';
import { literal } from './wgsl.ts';
import { extent } from './windows.ts';

export interface ColumnSpec {
  /** All of one shape. */
  readonly inputs: readonly RowInput[];
  /** Reduced axes, ascending. */
  readonly axes: readonly number[];
  readonly op: 'sum' | 'max';
  /** What is reduced, over the roles. */
  readonly value: string;
  /** Multiplies the result (1 / count for means). */
  readonly scale?: number;
  /** Per element. */
  readonly flops: number;
}

/** Emits one or two kernels that leave the reduction in `output`, which is dense over the kept axes. */
export function columnReduction(ctx: LowerContext, node: Node, spec: ColumnSpec, output: View): void {
  const most = ctx.profile.limits.maxStorageBufferBindingSize / 4 - 64;
  const large = spec.inputs.map(({ view }) => (view.storage.elements > most ? extent(view) / most : 1));
  if (Math.max(...large) > 1) reduceInParts(ctx, node, spec, output, Math.ceil(Math.max(...large)));
  else reduceColumns(ctx, node, spec, output);
}

/** Slices along the first reduced axis, each what a binding can hold, then their results. */
function reduceInParts(ctx: LowerContext, node: Node, spec: ColumnSpec, output: View, wanted: number): void {
  const axis = spec.axes[0]!;
  const parts = equalParts(spec.inputs[0]!.view.shape[axis]!, wanted);
  const size = sizeOf(output.shape);
  const partial = denseView(ctx.scratch(parts * size, 'f32', `${node.op} of parts`), [
    parts,
    ...output.shape,
  ]);
  for (let p = 0; p < parts; p++) {
    const inputs = spec.inputs.map(({ role, view }) => {
      const length = view.shape[axis]! / parts;
      const shape = view.shape.map((n, a) => (a === axis ? length : n));
      return {
        role,
        view: ctx.window({ ...view, shape, offset: view.offset + p * length * view.strides[axis]! }),
      };
    });
    const { scale: _, ...unscaled } = spec;
    const part = { ...partial, shape: output.shape, strides: partial.strides.slice(1), offset: p * size };
    reduceColumns(ctx, node, { ...unscaled, inputs }, part);
  }
  const { op, scale } = spec;
  const inputs = [{ role: 'x', view: { ...partial, shape: [parts, size], strides: [size, 1] } }];
  const join = { inputs, axes: [0], op, value: 'x', flops: 1, ...(scale === undefined ? {} : { scale }) };
  reduceColumns(ctx, node, join, { ...output, shape: [size], strides: [1] });
}

function reduceColumns(ctx: LowerContext, node: Node, spec: ColumnSpec, output: View): void {
  const shape = spec.inputs[0]!.view.shape;
  const kept = shape.map((_, axis) => axis).filter((axis) => !spec.axes.includes(axis));
  const inputs = spec.inputs.map(({ role, view }) => ({
    role,
    view: permuted(view, [...spec.axes, ...kept]),
  }));
  const keptShape = kept.map((axis) => shape[axis]!);
  const count = sizeOf(spec.axes.map((axis) => shape[axis]!));
  const columns = sizeOf(keptShape);
  const plain = { inputs, reduced: spec.axes.length, op: spec.op, value: spec.value, flops: spec.flops };
  const piece = pieceLength(count, columns, ctx.profile);
  const target = denseView(output.storage, keptShape, output.offset);
  if (piece >= count) {
    ctx.emit(
      columnKernel({ ...plain, piece: count, scale: spec.scale, output: target }, ctx.profile, node.origin),
    );
    return;
  }
  const pieces = Math.ceil(count / piece);
  const scratch = ctx.scratch(pieces * columns, 'f32', `${node.op} of pieces`);
  const parts = denseView(scratch, [pieces, ...keptShape]);
  ctx.emit(columnKernel({ ...plain, piece, scale: undefined, output: parts }, ctx.profile, node.origin));
  const joined = { role: 'x', view: parts };
  const join = { inputs: [joined], reduced: 1, op: spec.op, value: 'x', flops: 1, piece: pieces };
  ctx.emit(columnKernel({ ...join, scale: spec.scale, output: target }, ctx.profile, node.origin));
}

/** How many elements one invocation reduces, so that there are enough invocations for the device. */
function pieceLength(count: number, columns: number, profile: DeviceProfile): number {
  const wanted = profile.kind === 'cpu' ? 512 : 32768;
  const shortest = profile.kind === 'cpu' ? 64 : 16;
  const pieces = Math.max(1, Math.ceil(wanted / Math.ceil(columns / 4)));
  return Math.min(512, Math.max(shortest, Math.ceil(count / pieces)));
}

interface ColumnKernel {
  readonly inputs: readonly RowInput[];
  /** The leading axes of the inputs that are reduced. */
  readonly reduced: number;
  readonly op: 'sum' | 'max';
  readonly value: string;
  readonly scale: number | undefined;
  readonly flops: number;
  readonly piece: number;
  /** Dense; kept axes, with one for the pieces in front where there are several. */
  readonly output: View;
}

function columnKernel(spec: ColumnKernel, profile: DeviceProfile, origin: Origin): Kernel {
  const shape = spec.inputs[0]!.view.shape;
  const keptShape = shape.slice(spec.reduced);
  const count = sizeOf(shape.slice(0, spec.reduced));
  const columns = sizeOf(keptShape);
  const vector =
    spec.inputs.every(({ view }) => vectorizable(view) || (keptShape.length > 0 && repeatsLast(view))) &&
    vectorizable(spec.output) &&
    keptShape.length > 0;
  const width = vector ? 4 : 1;
  const operands = new Operands([
    ...spec.inputs.map(
      ({ role, view }): Operand => ({ role, view, access: 'read', vector: vector && !repeatsLast(view) }),
    ),
    { role: 'out', view: spec.output, access: 'read_write', vector },
  ]);
  const pieces = Math.ceil(count / spec.piece);
  const total = (columns / width) * pieces;
  const size = flatWorkgroup(profile);
  const type = vector ? 'vec4<f32>' : 'f32';
  const update = spec.op === 'sum' ? `total += ${spec.value};` : `total = max(total, ${spec.value});`;
  const scale = spec.scale === undefined || spec.scale === 1 ? '' : ` * ${literal(spec.scale)}`;
  const outBase = spec.output.offset / width;
  const body = `${flatMain(size, total)}  let column = index % ${columns / width}u;
  let first = (index / ${columns / width}u) * ${spec.piece}u;
  let end = min(first + ${spec.piece}u, ${count}u);
${spec.inputs.map((input) => `  let ${input.role}_base = ${columnBase(input.view, spec.reduced, width)};`).join('\n')}
  var total = ${type}(${spec.op === 'sum' ? '0.0' : LOWEST});
  for (var i = first; i < end; i += 1u) {
${spec.inputs.map((input) => `    let ${input.role} = ${columnLoad(input, spec.reduced, operands, vector)};`).join('\n')}
    ${update}
  }
  ${operands.at('out', outBase === 0 ? 'index' : `index + ${outBase}u`)} = total${scale};
}
`;
  return {
    name: `column_${spec.op}${vector ? '_vec4' : ''}`,
    args: operands.args,
    body,
    workgroups: gridOf(Math.ceil(total / size), profile),
    origin,
    flops: spec.flops * count * columns,
    bytes: bytesOf(spec.output, ...spec.inputs.map((input) => input.view)),
  };
}

/** Offset of a column in the units of its operand: vec4s for vector operands, elements for repeated ones. */
function columnBase(view: View, reduced: number, width: number): string {
  const shape = view.shape.slice(reduced);
  const strides = view.strides.slice(reduced);
  if (width === 4) shape[shape.length - 1]! /= 4;
  const unit = width === 4 && !repeatsLast(view) ? 4 : 1;
  const scaled = strides.map((s, axis) => (axis === strides.length - 1 ? s : s / unit));
  return indexExpression('column', shape, scaled, view.offset / unit);
}

function columnLoad({ role, view }: RowInput, reduced: number, operands: Operands, vector: boolean): string {
  const unit = vector && !repeatsLast(view) ? 4 : 1;
  const step = indexExpression(
    'i',
    view.shape.slice(0, reduced),
    view.strides.slice(0, reduced).map((s) => s / unit),
  );
  const one = operands.at(role, `${role}_base + ${step}`);
  return vector && unit === 1 ? `vec4<f32>(${one})` : one;
}

function permuted(view: View, order: readonly number[]): View {
  return {
    ...view,
    shape: order.map((axis) => view.shape[axis]!),
    strides: order.map((axis) => view.strides[axis]!),
  };
}
