/**
 * The template behind every kernel that works along one axis: softmax, layer norm, their gradients, sums of
 * rows.
 *
 * A row kernel is a list of steps over one row: reductions (several in one pass), scalars derived from them,
 * and a final store. The same list is printed for a CPU profile (one invocation walks a whole row) and for a
 * GPU profile (a workgroup shares a row, with a tree reduction in workgroup memory). Expressions are written
 * for vec4 and scalar elements alike. Every reduction has a fixed order, so results repeat bit for bit.
 */
import { type Origin, sizeOf } from '../../graph/types.ts';
import type { DeviceProfile } from '../../profile.ts';
import { chooseSchedule } from '../schedules/schedules.ts';
import {
  bytesOf,
  indexExpression,
  type Operand,
  Operands,
  repeatsLast,
  vectorizable,
} from '../text/access.ts';
import { gridOf, type Kernel } from '../text/kernel.ts';
import type { View } from '../text/view.ts';
import { hiddenBound } from '../text/wgsl.ts';
import { type Fold, folds, horizontal, treeReduction } from './folds.ts';

export interface Reduction {
  readonly op: Fold;
  readonly name: string;
  /** Expression over the roles it reads and earlier names. */
  readonly value: string;
  readonly reads: readonly string[];
}

export type RowStep =
  | { readonly reduce: readonly Reduction[] }
  /** A scalar from earlier names. */
  | { readonly name: string; readonly value: string }
  /** The element of the output (and of another view of its shape) at each place of the row, from what it reads. */
  | { readonly store: string; readonly reads: readonly string[]; readonly also?: View }
  /** The one element of the output (or of the view given) that belongs to the row. */
  | { readonly put: string; readonly into?: View };

export interface RowInput {
  readonly role: string;
  /** Leading axes count the rows, the last axis runs along a row. `[length]` alone: the same for all rows. */
  readonly view: View;
}

interface RowSpec {
  readonly name: string;
  readonly inputs: readonly RowInput[];
  /** Like the inputs for `store`; without the last axis for `put`. */
  readonly output: View;
  readonly steps: readonly RowStep[];
  /**
   * Each row is cut into `count` pieces of `length` elements (the last may be shorter); output has an axis
   * for them.
   */
  readonly pieces?: { readonly count: number; readonly length: number };
  readonly flops: number;
}

/** `layer_norm 400x768.v 3in 4steps`: other operands or steps mean that other arithmetic was joined to it. */
function rowsKey(spec: RowSpec, vector: boolean): string {
  const [first] = spec.inputs;
  const pieces = spec.pieces === undefined ? '' : `/${spec.pieces.length}`;
  const size = `${first!.view.shape.join('x')}${pieces}${vector ? '.v' : ''}`;
  return `${spec.name} ${size} ${spec.inputs.length}in ${spec.steps.length}steps`;
}

/** Prints a row kernel for the profile. All inputs have equal rows or are `[length]`. */
export function rowKernel(spec: RowSpec, profile: DeviceProfile, origin: Origin): Kernel {
  const lead = spec.inputs[0]!.view.shape.slice(0, -1);
  const length = spec.inputs[0]!.view.shape.at(-1)!;
  const rows = sizeOf(lead) * (spec.pieces?.count ?? 1);
  const vector = isVector(spec);
  const operands = new Operands(operandsOf(spec, vector));
  const span = (spec.pieces?.length ?? length) / (vector ? 4 : 1);
  const threads = profile.kind === 'gpu' ? threadsFor(span) : 1;
  const printer = new RowPrinter(spec, operands, vector, threads);
  const own = threads === 1 ? chooseSchedule(profile, 'rows', { key: rowsKey(spec, vector) }) : undefined;
  const size = own?.schedule.size ?? threads;
  const head =
    threads === 1
      ? `@compute @workgroup_size(${size})
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
  let row = id.x + id.y * groups.x * ${size}u;
`
      : `@compute @workgroup_size(${size})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let row = group.x + group.y * groups.x;
`;
  const body = `${printer.helpers()}${head}  if (row >= ${rows}u) { return; }\n${printer.print()}}\n`;
  return {
    name: vector ? `${spec.name}_vec4` : spec.name,
    args: operands.args,
    body,
    workgroups: gridOf(threads === 1 ? Math.ceil(rows / size) : rows, profile),
    origin,
    flops: spec.flops,
    bytes: bytesOf(spec.output, ...spec.inputs.map((input) => input.view)),
    ...(own === undefined ? {} : { schedule: own.choice }),
  };
}

function isVector(spec: RowSpec): boolean {
  const whole = spec.pieces === undefined || spec.pieces.length % 4 === 0;
  return (
    whole &&
    spec.inputs.every(({ view }) => vectorizable(view) || repeatsLast(view)) &&
    spec.inputs.some(({ view }) => vectorizable(view))
  );
}

/**
 * Whether results are stored as vec4s. Where the output lies otherwise, vec4s are loaded and scalars stored.
 */
function storesVectors(spec: RowSpec, vector: boolean): boolean {
  return vector && spec.steps.some((step) => 'store' in step) && vectorizable(spec.output);
}

function operandsOf(spec: RowSpec, vector: boolean): Operand[] {
  return [
    ...spec.inputs.map(
      ({ role, view }): Operand => ({
        role,
        view,
        access: 'read',
        vector: vector && !repeatsLast(view),
      }),
    ),
    { role: 'out', view: spec.output, access: 'read_write', vector: storesVectors(spec, vector) },
    ...furtherOutputs(spec).map(
      (view, i): Operand => ({ role: `put${i}`, view, access: 'read_write', vector: false }),
    ),
    ...secondOutput(spec).map(
      (view): Operand => ({ role: 'also', view, access: 'read_write', vector: false }),
    ),
  ];
}

function secondOutput({ steps }: RowSpec): View[] {
  return steps.flatMap((step) => ('store' in step && step.also ? [step.also] : []));
}

/** Views that steps put single values into, beside the output. */
function furtherOutputs({ steps }: RowSpec): View[] {
  return steps.flatMap((step) => ('put' in step && step.into ? [step.into] : []));
}

/** Workgroup size of a GPU row: enough threads for a few loads each, a power of two for the tree. */
function threadsFor(loads: number): number {
  let threads = 32;
  while (threads < 256 && threads * 2 < loads) threads *= 2;
  return threads;
}

/**
 * Terms that one invocation adds up before their sum joins a longer one, in rows of more than `longSum`: a chain of n
 * equal terms is off by up to n / 4 roundings of its size, all in one direction.
 */
const shortSum = 64;
const longSum = 256;

interface Block {
  readonly begin: readonly string[];
  readonly end: readonly string[];
}

type StoreStep = Extract<RowStep, { readonly store: string }>;

class RowPrinter {
  private readonly spec: RowSpec;
  private readonly operands: Operands;
  private readonly vector: boolean;
  private readonly threads: number;

  constructor(spec: RowSpec, operands: Operands, vector: boolean, threads: number) {
    this.spec = spec;
    this.operands = operands;
    this.vector = vector;
    this.threads = threads;
  }

  helpers(): string {
    if (this.threads === 1) return '';
    const ops = new Set(
      this.spec.steps.flatMap((step) => ('reduce' in step ? step.reduce.map((r) => r.op) : [])),
    );
    if (ops.size === 0) return '';
    const shared = `var<workgroup> shares: array<f32, ${this.threads}>;\n`;
    return shared + [...ops].map((op) => treeReduction(op, this.threads)).join('');
  }

  print(): string {
    const lines = this.bases();
    for (const step of this.spec.steps) {
      if ('reduce' in step) lines.push(...this.reduce(step.reduce));
      else if ('store' in step) lines.push(...this.store(step));
      else if ('put' in step) lines.push(...this.put(step.put, step.into));
      else lines.push(`let ${step.name} = ${step.value};`);
    }
    return `${lines.map((line) => `  ${line}`).join('\n')}\n`;
  }

  private unit(role: string): number {
    const input = this.spec.inputs.find((i) => i.role === role);
    if (role === 'also') return 1;
    if (input === undefined) return storesVectors(this.spec, this.vector) ? 4 : 1;
    return this.vector && !repeatsLast(input.view) ? 4 : 1;
  }

  /** Where each operand's row begins, and how many loads the row has. */
  private bases(): string[] {
    const { pieces } = this.spec;
    const unit = this.vector ? 4 : 1;
    const length = this.spec.inputs[0]!.view.shape.at(-1)! / unit;
    const lines: string[] = [];
    if (pieces !== undefined) {
      const piece = pieces.length / unit;
      lines.push(`let line = row / ${pieces.count}u;`, `let first = (row % ${pieces.count}u) * ${piece}u;`);
      lines.push(`let end = min(first + ${piece}u, ${length}u);`);
    }
    const row = pieces === undefined ? 'row' : 'line';
    const based: RowInput[] = [...this.spec.inputs];
    if (this.spec.steps.some((step) => 'store' in step)) based.push({ role: 'out', view: this.spec.output });
    based.push(...secondOutput(this.spec).map((view) => ({ role: 'also', view })));
    for (const { role, view } of based) {
      const by = this.unit(role);
      const base = indexExpression(
        row,
        view.shape.slice(0, -1),
        view.strides.slice(0, -1).map((s) => s / by),
        view.offset / by,
      );
      lines.push(`let ${role}_base = ${view.shape.length === 1 ? `${view.offset / by}u` : base};`);
    }
    return lines;
  }

  /**
   * `lines` for every place of a row, behind the loads of the roles that they read.
   * @param block what begins and ends so many of them, where they come in blocks
   */
  private loop(lines: readonly string[], reads: readonly string[], block?: Block): string[] {
    const { pieces } = this.spec;
    const unit = this.vector ? 4 : 1;
    const length = this.spec.inputs[0]!.view.shape.at(-1)! / unit;
    const first = pieces === undefined ? '0u' : 'first';
    const start = this.threads === 1 ? first : pieces === undefined ? 'lane' : 'first + lane';
    const whole = this.threads === 1 ? hiddenBound(length, 'id.z') : `${length}u`;
    const end = pieces === undefined ? whole : 'end';
    const loads = this.spec.inputs
      .filter(({ role }) => reads.includes(role))
      .map((input) => `    let ${input.role} = ${this.load(input)};`);
    const places = (from: string, to: string) => [
      `for (var i = ${from}; i < ${to}; i += ${this.threads}u) {`,
      ...loads.map((l) => l.slice(2)),
      ...lines.map((l) => `  ${l}`),
      '}',
    ];
    if (block === undefined) return places(start, end);
    return [
      `for (var block = ${start}; block < ${end}; block += ${shortSum}u) {`,
      ...block.begin,
      ...places('block', `min(block + ${shortSum}u, ${end})`),
      ...block.end,
      '}',
    ];
  }

  private load({ role, view }: RowInput): string {
    if (repeatsLast(view)) {
      const one = this.operands.load(role, `${role}_base`);
      return this.vector ? `vec4<f32>(${one})` : one;
    }
    const stride = view.strides.at(-1)!;
    const step = this.vector || stride === 1 ? 'i' : `i * ${stride}u`;
    return this.operands.load(role, `${role}_base + ${step}`);
  }

  private reduce(reductions: readonly Reduction[]): string[] {
    const type = this.vector ? 'vec4<f32>' : 'f32';
    const lines = reductions.map(({ op, name }) => `var ${name}_acc = ${type}(${folds[op].neutral});`);
    const span =
      (this.spec.pieces?.length ?? this.spec.inputs[0]!.view.shape.at(-1)!) / (this.vector ? 4 : 1);
    const blocks = this.threads === 1 && span > longSum && reductions.some(({ op }) => op === 'sum');
    const into = blocks ? 'part' : 'acc';
    const block: Block = {
      begin: reductions.map(({ op, name }) => `var ${name}_part = ${type}(${folds[op].neutral});`),
      end: reductions.map(({ op, name }) => folds[op].into(`${name}_acc`, `${name}_part`)),
    };
    lines.push(
      ...this.loop(
        reductions.map(({ op, name, value }) => folds[op].into(`${name}_${into}`, value)),
        reductions.flatMap(({ reads }) => reads),
        blocks ? block : undefined,
      ),
    );
    for (const { op, name } of reductions) {
      const own = this.vector ? horizontal(op, `${name}_acc`) : `${name}_acc`;
      lines.push(`let ${name} = ${this.threads === 1 ? own : `tree_${op}(lane, ${own})`};`);
    }
    return lines;
  }

  private store({ store: value, reads, also }: StoreStep): string[] {
    const stores = this.storesAt('out', this.spec.output, storesVectors(this.spec, this.vector));
    const second = also === undefined ? [] : this.storesAt('also', also, false);
    return this.loop([`let value = ${value};`, ...stores, ...second], reads);
  }

  /**
   * Statements that store `value` at place `i` of a row: whole, or its four components where they lie apart.
   */
  private storesAt(role: string, view: View, whole: boolean): string[] {
    const stride = view.strides.at(-1)!;
    if (!this.vector || whole) {
      const step = whole || stride === 1 ? 'i' : `i * ${stride}u`;
      return [this.operands.store(role, `${role}_base + ${step}`, 'value')];
    }
    const at = (q: number) => `${role}_base + (4u * i + ${q}u) * ${stride}u`;
    return [0, 1, 2, 3].map((q) => this.operands.store(role, at(q), `value[${q}]`));
  }

  private put(value: string, into: View | undefined): string[] {
    const { shape, strides, offset } = into ?? this.spec.output;
    const role = into ? `put${furtherOutputs(this.spec).indexOf(into)}` : 'out';
    const statement = this.operands.store(role, indexExpression('row', shape, strides, offset), value);
    return [this.threads === 1 ? statement : `if (lane == 0u) { ${statement} }`];
  }
}
