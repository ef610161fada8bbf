/**
 * Reductions down columns: the kept axes run along the invocations, the reduced ones are walked by each.
 *
 * Bias gradients and batch statistics have this shape; several sums over the same inputs are taken in one
 * kernel. Neighbouring invocations read neighbouring elements (vec4 where the layout allows). On GPUs a
 * workgroup shares its columns' rows and joins them in a tree. Where that leaves the device idle, rows are
 * cut into pieces with a partial result each, and a second kernel joins those in order: the same bits every
 * time, and accurate because no sum runs over more than a few hundred terms.
 */
import { type Node, type Origin, sizeOf } from '../../graph/types.ts';
import type { DeviceProfile } from '../../profile.ts';
import {
  bytesOf,
  flatMain,
  indexExpression,
  type Operand,
  Operands,
  repeatsLast,
  vectorizable,
} from '../text/access.ts';
import { gridOf, type Kernel, type LowerContext } from '../text/kernel.ts';
import { equalParts, slicePart } from '../text/slices.ts';
import { denseView, type View } from '../text/view.ts';
import { literal } from '../text/wgsl.ts';
import { bindingStart, extent } from '../text/windows.ts';
import { type Fold, folds } from './folds.ts';
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
  const size = sizeOf(outputs[0]!.shape);
  const partial = partials(ctx, node, count, outputs.length, size);
  const { scale, ...unscaled } = spec;
  for (let p = 0; p < count; p++) {
    const inputs = spec.inputs.map(({ role, view }) => ({
      role,
      view: ctx.window(slicePart(view, { index: p, count }, axis)),
    }));
    const places = outputs.map((_, v) => ({ ...partial, offset: (p * outputs.length + v) * size }));
    reduceColumns(ctx, node, { ...unscaled, inputs }, places);
  }
  joinPartials(ctx, node, { op: spec.op, scale }, partial, outputs);
}

function partials(ctx: LowerContext, node: Node, count: number, values: number, size: number): View {
  const storage = ctx.scratch(count * values * size, 'f32', `${node.op} of pieces`);
  return denseView(storage, [count, values, size]);
}

/** Reduces [pieces, values, size] over the pieces; one kernel, whatever its outputs. */
function joinPartials(
  ctx: LowerContext,
  node: Node,
  { op, scale }: Pick<ColumnSpec, 'op'> & { readonly scale: number | undefined },
  partial: View,
  outputs: readonly View[],
): void {
  const [count, , size] = partial.shape as [number, number, number];
  const inputs = outputs.map((_, v) => ({
    role: `x${v}`,
    view: { ...partial, shape: [count, size], strides: [partial.strides[0]!, 1], offset: v * size },
  }));
  const values = inputs.map(({ role }) => role);
  ctx.emit(
    columnKernel(
      { inputs, reduced: 1, op, values, flops: 1, piece: count, scale, outputs },
      ctx.profile,
      node.origin,
    ),
  );
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
  const { op, values, flops } = spec;
  const plain = { inputs, reduced: spec.axes.length, op, values, flops };
  const piece = pieceLength(count, columns, ctx.profile);
  if (piece >= count) {
    const whole = { ...plain, piece: count, scale: spec.scale, outputs };
    ctx.emit(columnKernel(whole, ctx.profile, node.origin));
    return;
  }
  const partial = partials(ctx, node, Math.ceil(count / piece), values.length, columns);
  const places = values.map((_, v) => ({ ...partial, offset: v * columns }));
  const pieces = { ...plain, piece, scale: undefined, outputs: places, step: values.length * columns };
  ctx.emit(columnKernel(pieces, ctx.profile, node.origin));
  joinPartials(ctx, node, { op, scale: spec.scale }, partial, outputs);
}

/**
 * How many elements one invocation (on GPUs: one workgroup) reduces: all of them, unless there are so many of
 * so few columns that the device would be idle.
 */
function pieceLength(count: number, columns: number, profile: DeviceProfile): number {
  const [busy, longest] = profile.kind === 'cpu' ? [128, 4096] : [4096, 8192];
  const wide = Math.ceil(columns / 4);
  if (count <= longest) return count;
  const pieces = Math.max(Math.ceil(count / (8 * longest)), Math.ceil(busy / wide));
  return Math.max(256, Math.ceil(count / pieces));
}

interface ColumnKernel {
  readonly inputs: readonly RowInput[];
  /** The leading axes of the inputs that are reduced. */
  readonly reduced: number;
  readonly op: Fold;
  readonly values: readonly string[];
  readonly scale: number | undefined;
  readonly flops: number;
  readonly piece: number;
  /** Where the first piece of each value goes, dense over the columns. */
  readonly outputs: readonly View[];
  /** Distance of pieces in the outputs, where there are several. */
  readonly step?: number;
}

/**
 * Terms that are added before their sum joins a longer one, and short sums before theirs does: a chain of n
 * positive terms, such as those of a variance, is off by √(n / 3) roundings, so 4096 terms in three levels by
 * 4 and not by 37.
 */
const shortSum = 16;
const longSum = 16 * shortSum;
/** Invocations of a GPU's workgroup along the columns and along the rows. */
const across = 16;
const down = 16;

function columnKernel(spec: ColumnKernel, profile: DeviceProfile, origin: Origin): Kernel {
  const { shape } = spec.inputs[0]!.view;
  const keptShape = shape.slice(spec.reduced);
  const count = sizeOf(shape.slice(0, spec.reduced));
  const columns = sizeOf(keptShape);
  const pieces = Math.ceil(count / spec.piece);
  const aligned = (n: number) => n % 4 === 0;
  const vector =
    keptShape.length > 0 &&
    columns % 4 === 0 &&
    aligned(spec.step ?? 0) &&
    spec.outputs.every(({ offset }) => aligned(offset)) &&
    spec.inputs.every(({ view }) => vectorizable(view) || repeatsLast(view)) &&
    spec.inputs.some(({ view }) => vectorizable(view));
  const operands = new Operands([
    ...spec.inputs.map(
      ({ role, view }): Operand => ({ role, view, access: 'read', vector: vector && !repeatsLast(view) }),
    ),
    ...spec.outputs.map((view, v): Operand => ({ role: `out${v}`, view, access: 'read_write', vector })),
  ]);
  const printer = new ColumnPrinter(spec, operands, vector, count);
  const units = columns / (vector ? 4 : 1);
  // Software adapters spread workgroups over cores: small ones where there are few columns.
  const size = units * pieces <= 512 ? 8 : 64;
  const shared = profile.kind === 'gpu' && count >= 4 * down;
  const body = shared ? printer.shared(units, pieces) : printer.flat(size, units, pieces);
  return {
    name: `column_${spec.op}${vector ? '_vec4' : ''}`,
    args: operands.args,
    body,
    workgroups: gridOf(
      shared ? Math.ceil(units / across) * pieces : Math.ceil((units * pieces) / size),
      profile,
    ),
    origin,
    flops: spec.flops * count * columns,
    bytes: bytesOf(...spec.outputs, ...spec.inputs.map((input) => input.view)),
  };
}

class ColumnPrinter {
  private readonly spec: ColumnKernel;
  private readonly operands: Operands;
  private readonly vector: boolean;
  private readonly count: number;

  constructor(spec: ColumnKernel, operands: Operands, vector: boolean, count: number) {
    this.spec = spec;
    this.operands = operands;
    this.vector = vector;
    this.count = count;
  }

  private get type(): string {
    return this.vector ? 'vec4<f32>' : 'f32';
  }

  private each(make: (value: string, v: number) => string): string {
    return this.spec.values.map(make).join(' ');
  }

  private start(name: string): string {
    return this.each((_, v) => `var ${name}${v} = ${this.type}(${folds[this.spec.op].neutral});`);
  }

  private join(target: string, value: string): string {
    return folds[this.spec.op].into(target, value);
  }

  /** Every invocation walks a piece of its column in short sums. */
  flat(size: number, units: number, pieces: number): string {
    return `${flatMain(size, units * pieces)}  let column = index % ${units}u;
  let piece = index / ${units}u;
  let first = piece * ${this.spec.piece}u;
  let end = min(first + ${this.spec.piece}u, ${this.count}u);
${this.bases()}
  ${this.start('total')}
  for (var long = first; long < end; long += ${longSum}u) {
    let long_end = min(long + ${longSum}u, end);
    ${this.start('sum')}
    for (var short = long; short < long_end; short += ${shortSum}u) {
      ${this.start('part')}
      for (var i = short; i < min(short + ${shortSum}u, long_end); i += 1u) {
${this.step('part')}
      }
      ${this.each((_, v) => this.join(`sum${v}`, `part${v}`))}
    }
    ${this.each((_, v) => this.join(`total${v}`, `sum${v}`))}
  }
  ${this.stores((v) => `total${v}`)}
}
`;
  }

  /** The invocations of a workgroup along its rows take every 16th element and join in a tree. */
  shared(units: number, pieces: number): string {
    const blocks = Math.ceil(units / across);
    const shares = this.each((_, v) => `var<workgroup> shares${v}: array<${this.type}, ${across * down}>;`);
    const joined = (v: number) => this.join(`shares${v}[lane]`, `shares${v}[lane + step * ${across}u]`);
    return `${shares}
@compute @workgroup_size(${across * down})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let number = group.x + group.y * groups.x;
  if (number >= ${blocks * pieces}u) { return; }
  let place = (number % ${blocks}u) * ${across}u + lane % ${across}u;
  let column = min(place, ${units - 1}u);
  let piece = number / ${blocks}u;
  let first = piece * ${this.spec.piece}u;
  let end = min(first + ${this.spec.piece}u, ${this.count}u);
${this.bases()}
  ${this.start('total')}
  for (var short = first + lane / ${across}u; short < end; short += ${down * shortSum}u) {
    ${this.start('part')}
    for (var i = short; i < min(short + ${down * shortSum}u, end); i += ${down}u) {
${this.step('part')}
    }
    ${this.each((_, v) => this.join(`total${v}`, `part${v}`))}
  }
  ${this.each((_, v) => `shares${v}[lane] = total${v};`)}
  workgroupBarrier();
  for (var step = ${down / 2}u; step > 0u; step >>= 1u) {
    if (lane / ${across}u < step) { ${this.each((_, v) => joined(v))} }
    workgroupBarrier();
  }
  if (lane < ${across}u && place < ${units}u) {
    ${this.stores((v) => `shares${v}[lane]`)}
  }
}
`;
  }

  /** Offsets of the column in each operand, in its units: vec4s for vector operands, elements for others. */
  private bases(): string {
    return this.spec.inputs
      .map(({ role, view }) => {
        const width = this.vector ? 4 : 1;
        const shape = view.shape.slice(this.spec.reduced);
        const strides = view.strides.slice(this.spec.reduced);
        if (this.vector) shape[shape.length - 1]! /= 4;
        const unit = this.vector && !repeatsLast(view) ? width : 1;
        const scaled = strides.map((s, axis) => (axis === strides.length - 1 ? s : s / unit));
        return `  let ${role}_base = ${indexExpression('column', shape, scaled, view.offset / unit)};`;
      })
      .join('\n');
  }

  /** Loads element `i` of every input and joins each value to its accumulator. */
  private step(target: string): string {
    const loads = this.spec.inputs.map((input) => `      let ${input.role} = ${this.load(input)};`);
    return `${loads.join('\n')}\n      ${this.each((value, v) => this.join(`${target}${v}`, value))}`;
  }

  private load({ role, view }: RowInput): string {
    const unit = this.vector && !repeatsLast(view) ? 4 : 1;
    const step = indexExpression(
      'i',
      view.shape.slice(0, this.spec.reduced),
      view.strides.slice(0, this.spec.reduced).map((s) => s / unit),
    );
    const one = this.operands.load(role, `${role}_base + ${step}`);
    return this.vector && unit === 1 ? `vec4<f32>(${one})` : one;
  }

  private stores(result: (v: number) => string): string {
    const { scale, outputs, step = 0 } = this.spec;
    const factor = scale === undefined || scale === 1 ? '' : ` * ${literal(scale)}`;
    const width = this.vector ? 4 : 1;
    return this.each((_, v) => {
      const offset = outputs[v]!.offset / width;
      const at = `column${step === 0 ? '' : ` + piece * ${step / width}u`}${offset === 0 ? '' : ` + ${offset}u`}`;
      return this.operands.store(`out${v}`, at, `${result(v)}${factor}`);
    });
  }
}

function permuted(view: View, order: readonly number[]): View {
  return {
    ...view,
    shape: order.map((axis) => view.shape[axis]!),
    strides: order.map((axis) => view.strides[axis]!),
  };
}
