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
import { printEntry, type TileText } from '../text/tile-text.ts';
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
  readonly behind?: View | undefined;
  /** Distance of pieces in the outputs, where there are several. */
  readonly step?: number;
  /** Of names. */
  readonly suffix?: string;
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
/**
 * Loads that an invocation of a GPU has on their way at once. 256 workgroups so keep 4 MB of vec4s of halves
 * in flight, more than the largest cards' bandwidth times latency (4.3 TB/s, 0.6 us).
 */
const flight = 8;
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

const outRole = ({ suffix = '' }: ColumnKernel, v: number) => `out${v}${suffix}`;

/** Whether an invocation's `k`th load ahead has an element; undefined where all have, and the first always. */
type InsideTest = (k: number) => string;

/** A line for each of `count` loads. */
function listed(count: number, line: (k: number) => string): string {
  return Array.from({ length: count }, (_, k) => `    ${line(k)}`).join('\n');
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

  private get columns(): number {
    return sizeOf(this.spec.inputs[0]!.view.shape.slice(this.spec.reduced));
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

  /** So few rows that every invocation has all of its column on their way at once. */
  few(size: number, units: number): string {
    return `${flatMain(size, units)}  let column = index;
${this.bases()}
  let i = 0u;
${this.loadsAhead(this.count, 1)}
  ${this.start('part')}
${this.joins(this.count)}
  ${this.stores((v) => `part${v}`)}
}
`;
  }

  /** The invocations of a workgroup along its rows take every 16th element and join in a tree. */
  shared(units: number): TileText {
    const { piece } = this.spec;
    const loads = Math.min(flight, Math.ceil(Math.min(piece, this.count) / down));
    const whole = this.count % piece === 0 && piece % (down * loads) === 0;
    const inside = whole ? undefined : (k: number) => `i + ${k * down}u < end`;
    const blocks = Math.ceil(units / across);
    const joined = (v: number) => this.join(`shares${v}[lane]`, `shares${v}[lane + step * ${across}u]`);
    const lines = `let number = group.x;
  let place = (number % ${blocks}u) * ${across}u + lane % ${across}u;
  let column = min(place, ${units - 1}u);
  let piece = number / ${blocks}u;
  let first = piece * ${this.spec.piece}u;
  let end = min(first + ${this.spec.piece}u, ${this.count}u);
${this.bases()}
  ${this.start('total')}
  for (var i = first + lane / ${across}u; i < end; i += ${down * loads}u) {
${this.loadsAhead(loads, down, inside)}
    ${this.start('part')}
${this.joins(loads, inside)}
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
  }`;
    return {
      arrays: this.spec.values.map((_, v) => ({
        name: `shares${v}`,
        element: this.type,
        size: across * down,
      })),
      functions: '',
      attributes: `@workgroup_size(${across * down})`,
      builtins: '',
      lines: [lines],
    };
  }

  /** The kernel of these parts alone, whose workgroups may go on along y. */
  alone(text: TileText, units: number, pieces: number): string {
    const [lines] = text.lines as [string];
    const head = `let number = group.x + group.y * groups.x;
  if (number >= ${Math.ceil(units / across) * pieces}u) { return; }`;
    const builtins = ', @builtin(num_workgroups) groups: vec3<u32>';
    return printEntry({ ...text, builtins, lines: [lines.replace('let number = group.x;', head)] });
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
    const loads = this.spec.inputs.map((input) => `      let ${input.role} = ${this.load(input, 'i')};`);
    return `${loads.join('\n')}\n      ${this.each((value, v) => this.join(`${target}${v}`, value))}`;
  }

  /**
   * The next `loads` elements of every input, `stride` apart. Behind `end` they repeat the last one: a branch
   * would be a wait for each.
   */
  private loadsAhead(loads: number, stride: number, inside?: InsideTest): string {
    const at = (k: number) => (k === 0 ? 'i' : `i + ${k * stride}u`);
    const places = listed(
      loads,
      (k) => `let i${k} = ${inside && k > 0 ? `min(${at(k)}, end - 1u)` : at(k)};`,
    );
    const values = this.spec.inputs.map((input) =>
      listed(loads, (k) => `let ${input.role}_${k} = ${this.load(input, `i${k}`)};`),
    );
    return [places, ...values].join('\n');
  }

  /** Joins what was loaded ahead to the parts, in order. */
  private joins(loads: number, inside?: InsideTest): string {
    const neutral = `${this.type}(${folds[this.spec.op].neutral})`;
    return listed(loads, (k) => {
      const names = this.spec.inputs.map(({ role }) => `let ${role} = ${role}_${k};`).join(' ');
      const counted = (value: string) =>
        inside && k > 0 ? `select(${neutral}, ${value}, ${inside(k)})` : value;
      return `{ ${names} ${this.each((value, v) => this.join(`part${v}`, counted(value)))} }`;
    });
  }

  private load({ role, view }: RowInput, i: string): string {
    const unit = this.vector && !repeatsLast(view) ? 4 : 1;
    const step = indexExpression(
      i,
      view.shape.slice(0, this.spec.reduced),
      view.strides.slice(0, this.spec.reduced).map((s) => s / unit),
    );
    const one = this.operands.load(role, `${role}_base + ${step}`);
    return this.vector && unit === 1 ? `vec4<f32>(${one})` : one;
  }

  private stores(result: (v: number) => string): string {
    const { scale, outputs, behind, step = 0 } = this.spec;
    const factor = scale === undefined || scale === 1 ? '' : ` * ${literal(scale)}`;
    const width = this.vector ? 4 : 1;
    const value = (v: number) => `${result(v)}${factor}`;
    if (behind) {
      const first = (this.columns - sizeOf(behind.shape)) / width;
      const at = (offset: number) => `column${offset < 0 ? ` - ${-offset}u` : ` + ${offset}u`}`;
      const own = this.operands.store(outRole(this.spec, 0), at(outputs[0]!.offset / width), value(0));
      const last = this.operands.store(outRole(this.spec, 1), at(behind.offset / width - first), value(0));
      return `if (column < ${first}u) { ${own} } else { ${last} }`;
    }
    return this.each((_, v) => {
      const offset = outputs[v]!.offset / width;
      const at = `column${step === 0 ? '' : ` + piece * ${step / width}u`}${offset === 0 ? '' : ` + ${offset}u`}`;
      return this.operands.store(outRole(this.spec, v), at, value(v));
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
