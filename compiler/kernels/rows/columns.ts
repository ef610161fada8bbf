/**
 * Reductions down columns: the kept axes run along the invocations, the reduced ones are walked by each.
 *
 * Bias gradients and batch statistics have this shape; several sums over the same inputs are taken in one
 * kernel. Neighbouring invocations read neighbouring elements (vec4 where the layout allows). On GPUs a
 * workgroup shares its columns' rows and joins them in a tree; an invocation has several loads on their way at
 * once, since one that waits for each keeps next to nothing of a large card's memory busy. Where that leaves
 * the device idle, rows are cut into pieces with a partial result each, and a second kernel joins those in
 * order: the same bits every time, and accurate because no sum runs over more than a few hundred terms.
 */
import { type Node, type Origin, sizeOf } from '../../graph/types.ts';
import type { DeviceProfile } from '../../profile.ts';
import { bytesOf, type Operand, Operands, repeatsLast, vectorizable } from '../text/access.ts';
import { gridOf, type Kernel, type LowerContext } from '../text/kernel.ts';
import { equalParts, slicePart } from '../text/slices.ts';
import type { TileText } from '../text/tile-text.ts';
import { denseView, type View } from '../text/view.ts';
import { bindingStart, extent } from '../text/windows.ts';
import { across, type ColumnKernel, ColumnPrinter, down, flight, outRole } from './column-printer.ts';
import type { Fold } from './folds.ts';
import type { RowInput } from './rows.ts';

export interface ColumnSpec {
  /** All of one shape. */
  readonly inputs: readonly RowInput[];
  /** Reduced axes, ascending. */
  readonly axes: readonly number[];
  readonly op: Fold;
  /** What is reduced, over the roles: one result each. */
  readonly values: readonly string[];
  /** Multiplies the results (1 / count for means). */
  readonly scale?: number;
  /** Per element. */
  readonly flops: number;
  /** Where the last columns go, those behind the only output's. */
  readonly behind?: View | undefined;
}

/**
 * Emits one or two kernels that leave each value's reduction in its output, which is dense over the kept
 * axes.
 */
export function columnReduction(
  ctx: LowerContext,
  node: Node,
  spec: ColumnSpec,
  outputs: readonly View[],
): void {
  const most = ctx.profile.limits.maxStorageBufferBindingSize / 4 - bindingStart;
  const large = spec.inputs.map(({ view }) => (view.storage.elements > most ? extent(view) / most : 1));
  if (Math.max(...large) > 1) reduceInParts(ctx, node, spec, outputs, Math.ceil(Math.max(...large)));
  else reduceColumns(ctx, node, spec, outputs);
}

/** Slices along the first reduced axis, each what a binding can hold, then their results. */
function reduceInParts(
  ctx: LowerContext,
  node: Node,
  spec: ColumnSpec,
  outputs: readonly View[],
  wanted: number,
): void {
  const axis = spec.axes[0]!;
  const count = equalParts(spec.inputs[0]!.view.shape[axis]!, wanted);
  const { scale, behind, ...plain } = spec;
  const size = sizeOf(outputs[0]!.shape) + (behind ? sizeOf(behind.shape) : 0);
  const partial = partials(ctx, node, count, outputs.length, size);
  for (let p = 0; p < count; p++) {
    const inputs = spec.inputs.map(({ role, view }) => ({
      role,
      view: ctx.window(slicePart(view, { index: p, count }, axis)),
    }));
    const places = outputs.map((_, v) => ({ ...partial, offset: (p * outputs.length + v) * size }));
    reduceColumns(ctx, node, { ...plain, inputs }, places);
  }
  joinPartials(ctx, node, { op: spec.op, scale, behind }, partial, outputs);
}

/** Room for partial results of pieces, [pieces, values, size]. */
export function partials(ctx: LowerContext, node: Node, count: number, values: number, size: number): View {
  const storage = ctx.scratch(count * values * size, 'f32', `${node.op} of pieces`);
  return denseView(storage, [count, values, size]);
}

/** Reduces [pieces, values, size] over the pieces; one kernel, whatever its outputs. */
export function joinPartials(
  ctx: LowerContext,
  node: Node,
  { op, scale, behind }: Pick<ColumnKernel, 'op' | 'scale' | 'behind'>,
  partial: View,
  outputs: readonly View[],
): void {
  const [count, , size] = partial.shape as [number, number, number];
  const make = (suffix: string) => {
    const inputs = outputs.map((_, v) => ({
      role: `x${v}${suffix}`,
      view: { ...partial, shape: [count, size], strides: [partial.strides[0]!, 1], offset: v * size },
    }));
    const values = inputs.map(({ role }) => role);
    const spec = { inputs, reduced: 1, op, values, flops: 1, piece: count, scale, outputs, behind, suffix };
    return columnKernel(spec, ctx.profile, node.origin);
  };
  const { kernel, shared } = make('');
  const late = (suffix: string) => {
    const { kernel, shared } = make(suffix);
    return { text: shared!, grid: kernel.workgroups, args: kernel.args };
  };
  ctx.emit(shared && kernel.workgroups[1] === 1 ? { ...kernel, late } : kernel);
}

function reduceColumns(ctx: LowerContext, node: Node, spec: ColumnSpec, outputs: readonly View[]): void {
  const { shape } = spec.inputs[0]!.view;
  const kept = shape.map((_, axis) => axis).filter((axis) => !spec.axes.includes(axis));
  const inputs = spec.inputs.map(({ role, view }) => ({
    role,
    view: permuted(view, [...spec.axes, ...kept]),
  }));
  const count = sizeOf(spec.axes.map((axis) => shape[axis]!));
  const columns = sizeOf(kept.map((axis) => shape[axis]!));
  const { op, values, flops, behind } = spec;
  const plain = { inputs, reduced: spec.axes.length, op, values, flops };
  const piece = pieceLength(count, columns, ctx.profile);
  if (piece >= count) {
    const whole = { ...plain, piece: count, scale: spec.scale, outputs, behind };
    ctx.emit(columnKernel(whole, ctx.profile, node.origin).kernel);
    return;
  }
  const partial = partials(ctx, node, Math.ceil(count / piece), values.length, columns);
  const places = values.map((_, v) => ({ ...partial, offset: v * columns }));
  const pieces = { ...plain, piece, scale: undefined, outputs: places, step: values.length * columns };
  ctx.emit(columnKernel(pieces, ctx.profile, node.origin).kernel);
  joinPartials(ctx, node, { op, scale: spec.scale, behind }, partial, outputs);
}

/**
 * How many elements one invocation (on GPUs: one workgroup) reduces: all of them, unless there are so many of
 * so few columns that the device would be idle.
 */
function pieceLength(count: number, columns: number, profile: DeviceProfile): number {
  const wide = Math.ceil(columns / 4);
  if (profile.kind === 'gpu') {
    const turn = flight * down;
    // Four waits take about as long as the launch that joins pieces.
    if (count <= 4 * turn) return count;
    const pieces = Math.max(Math.ceil(count / mostRows), Math.ceil(busy / Math.ceil(wide / across)));
    return Math.max(1, Math.floor(count / pieces / turn)) * turn;
  }
  const longest = 4096;
  if (count <= longest) return count;
  const pieces = Math.max(Math.ceil(count / (8 * longest)), Math.ceil(128 / wide));
  return Math.max(256, Math.ceil(count / pieces));
}

/** Workgroups wanted on GPUs, about two for each multiprocessor of the largest cards. */
const busy = 256;
/** Rows of a workgroup at most, which bounds how many terms an invocation adds up. */
const mostRows = 16384;

/** A kernel; and its parts, where a workgroup shares its columns' rows. */
function columnKernel(
  spec: ColumnKernel,
  profile: DeviceProfile,
  origin: Origin,
): { readonly kernel: Kernel; readonly shared: TileText | undefined } {
  const { shape } = spec.inputs[0]!.view;
  const keptShape = shape.slice(spec.reduced);
  const count = sizeOf(shape.slice(0, spec.reduced));
  const columns = sizeOf(keptShape);
  const pieces = Math.ceil(count / spec.piece);
  const outputs = [...spec.outputs, ...(spec.behind ? [spec.behind] : [])];
  const aligned = (n: number) => n % 4 === 0;
  const vector =
    keptShape.length > 0 &&
    columns % 4 === 0 &&
    aligned(spec.step ?? 0) &&
    outputs.every(({ offset }) => aligned(offset)) &&
    (spec.behind === undefined || aligned(sizeOf(spec.behind.shape))) &&
    spec.inputs.every(({ view }) => vectorizable(view) || repeatsLast(view)) &&
    spec.inputs.some(({ view }) => vectorizable(view));
  const operands = new Operands([
    ...spec.inputs.map(
      ({ role, view }): Operand => ({ role, view, access: 'read', vector: vector && !repeatsLast(view) }),
    ),
    ...outputs.map((view, v): Operand => ({ role: outRole(spec, v), view, access: 'read_write', vector })),
  ]);
  const printer = new ColumnPrinter(spec, operands, vector, count);
  const units = columns / (vector ? 4 : 1);
  // Software adapters spread workgroups over cores: small ones where there are few columns.
  const size = profile.kind === 'cpu' && units * pieces <= 512 ? 8 : 64;
  const shared = profile.kind === 'gpu' && count > flight;
  const few = profile.kind === 'gpu' ? printer.few(size, units) : printer.flat(size, units, pieces);
  const text = shared ? printer.shared(units) : undefined;
  const body = text ? printer.alone(text, units, pieces) : few;
  const kernel = {
    name: `column_${spec.op}${vector ? '_vec4' : ''}`,
    args: operands.args,
    body,
    workgroups: gridOf(
      shared ? Math.ceil(units / across) * pieces : Math.ceil((units * pieces) / size),
      profile,
    ),
    origin,
    flops: spec.flops * count * columns,
    bytes: bytesOf(...outputs, ...spec.inputs.map((input) => input.view)),
  };
  return { kernel, shared: text };
}

function permuted(view: View, order: readonly number[]): View {
  return {
    ...view,
    shape: order.map((axis) => view.shape[axis]!),
    strides: order.map((axis) => view.strides[axis]!),
  };
}
