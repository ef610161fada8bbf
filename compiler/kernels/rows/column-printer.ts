/**
 * The text of reductions down columns: walked by each invocation, all of a few rows at once, or shared by a workgroup.
 */
import { sizeOf } from '../../graph/types.ts';
import { flatMain, indexExpression, type Operands, repeatsLast } from '../text/access.ts';
import { printEntry, type TileText } from '../text/tile-text.ts';
import type { View } from '../text/view.ts';
import { literal } from '../text/wgsl.ts';
import { type Fold, folds } from './folds.ts';
import type { RowInput } from './rows.ts';

export interface ColumnKernel {
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
export const across = 16;
export const down = 16;
/**
 * Loads that an invocation of a GPU has on their way at once. 256 workgroups so keep 4 MB of vec4s of halves
 * in flight, more than the largest cards' bandwidth times latency (4.3 TB/s, 0.6 us).
 */
export const flight = 8;
export const outRole = ({ suffix = '' }: ColumnKernel, v: number) => `out${v}${suffix}`;

/** Whether an invocation's `k`th load ahead has an element; undefined where all have, and the first always. */
type InsideTest = (k: number) => string;

/** A line for each of `count` loads. */
function listed(count: number, line: (k: number) => string): string {
  return Array.from({ length: count }, (_, k) => `    ${line(k)}`).join('\n');
}

export class ColumnPrinter {
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
    const first = 'let number = group.x;';
    const rest = `let place = (number % ${blocks}u) * ${across}u + lane % ${across}u;
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
      lines: [first, rest],
    };
  }

  /** The kernel of these parts alone, whose workgroups may go on along y. */
  alone(text: TileText, units: number, pieces: number): string {
    const [, ...rest] = text.lines;
    const head = `let number = group.x + group.y * groups.x;
  if (number >= ${Math.ceil(units / across) * pieces}u) { return; }`;
    const builtins = ', @builtin(num_workgroups) groups: vec3<u32>';
    return printEntry({ ...text, builtins, lines: [head, ...rest] });
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
