/**
 * Moves that could not be made free: take and its gradient, pick, flip, concat, pad.
 *
 * Each is written from the result's side, one invocation for each element (vec4 where all layouts allow), so
 * nothing is scattered and no two invocations write the same place. Inputs are read through their strides.
 */
import { type Node, sizeOf } from '../../graph/types.ts';
import type { OpName } from '../../ops/attributes.ts';
import { arithmeticBehind, type Behind } from '../rows/behind.ts';
import {
  bytesOf,
  coordinateOf,
  flatMain,
  flatWorkgroup,
  indexExpression,
  type Operand,
  Operands,
  repeatsLast,
  vectorizable,
} from '../text/access.ts';
import type { ExchangeKind } from '../text/choices.ts';
import { gridOf, type Lower, type LowerContext } from '../text/kernel.ts';
import { computeType } from '../text/memory.ts';
import type { View } from '../text/view.ts';

interface Move {
  readonly name: string;
  /** Operands read with the result's element type, along the result's last axis. */
  readonly sources: readonly { readonly role: string; readonly view: View }[];
  /** Operands read by plain scalar index. */
  readonly scalars?: readonly { readonly role: string; readonly view: View }[];
  readonly output: View;
  /** Vectors only if this holds too. */
  readonly vector: boolean;
  /** How the output is exchanged for that of all ranks. */
  readonly exchanged?: ExchangeKind;
  /** Statements that leave the element in `value`, over `index` (in units of the element type). */
  write(tools: MoveTools): string;
}

interface MoveTools {
  readonly operands: Operands;
  /** Elements in a unit: 4 or 1. */
  readonly width: number;
  /** `vec4<f32>` or `f32`. */
  readonly type: string;
  /** Load of `role` at the coordinates of `index` over `shape`, whose last axis counts units. */
  load(role: string, view: View, index: string, shape?: readonly number[], shift?: string): string;
}

/** Emits the kernel that fills `output` element by element. */
function emitMove(ctx: LowerContext, node: Node, move: Move): void {
  const { output } = move;
  const vector =
    move.vector &&
    vectorizable(output) &&
    move.sources.every(({ view }) => vectorizable(view) || repeatsLast(view)) &&
    move.sources.some(({ view }) => vectorizable(view));
  const width = vector ? 4 : 1;
  const asOperand =
    (wide: boolean) =>
    (source: { role: string; view: View }): Operand => ({
      ...source,
      access: 'read',
      vector: wide && !repeatsLast(source.view),
    });
  const operands = new Operands([
    ...move.sources.map(asOperand(vector)),
    ...(move.scalars ?? []).map(asOperand(false)),
    { role: 'out', view: output, access: 'read_write', vector },
  ]);
  const element = computeType(output.storage);
  const type = vector ? `vec4<${element}>` : element;
  const total = sizeOf(output.shape) / width;
  const tools: MoveTools = {
    operands,
    width,
    type,
    load(role, view, index, shape = view.shape, shift = '') {
      const unit = vector && !repeatsLast(view) ? 4 : 1;
      const last = shape.length - 1;
      const strides = view.strides.map((s, axis) => (axis === last ? s : s / unit));
      const at = indexExpression(index, inUnits(shape, width), strides, view.offset / unit);
      const one = operands.load(role, `${at}${shift}`);
      return vector && unit === 1 ? `${type}(${one})` : one;
    },
  };
  const size = flatWorkgroup(ctx.profile);
  const place = indexExpression(
    'index',
    inUnits(output.shape, width),
    output.strides.map((s, axis) => (axis === output.shape.length - 1 ? s : s / width)),
    output.offset / width,
  );
  ctx.emit({
    name: vector ? `${move.name}_vec4` : move.name,
    args: operands.args,
    body: `${flatMain(size, total)}${move.write(tools)}  ${operands.store('out', place, 'value')}\n}\n`,
    workgroups: gridOf(Math.ceil(total / size), ctx.profile),
    origin: node.origin,
    flops: 0,
    bytes: bytesOf(output, ...move.sources.map((s) => s.view), ...(move.scalars ?? []).map((s) => s.view)),
    ...(move.exchanged === undefined ? {} : { exchanged: { kind: move.exchanged, view: output } }),
  });
}

/**
 * The view with no step along axes of length 1: their strides may be any number, and count where the result is
 * longer along them.
 */
function standing(view: View): View {
  return { ...view, strides: view.strides.map((s, axis) => (view.shape[axis] === 1 ? 0 : s)) };
}

/** Shape with the last axis counted in units. */
function inUnits(shape: readonly number[], width: number): number[] {
  return shape.map((n, axis) => (axis === shape.length - 1 ? n / width : n));
}

const lowerTake: Lower<'take'> = (ctx, node) => {
  const x = ctx.view(node.inputs[0]);
  const index = ctx.view(node.inputs[1]);
  const { axis } = node.attrs;
  const output = ctx.result(node);
  const last = axis === x.shape.length - 1;
  const without: View = {
    ...x,
    shape: x.shape.filter((_, a) => a !== axis),
    strides: x.strides.filter((_, a) => a !== axis),
  };
  emitMove(ctx, node, {
    name: 'take',
    sources: [{ role: 'x', view: without }],
    scalars: [{ role: 'choice', view: index }],
    output,
    vector: !last && x.strides[axis]! % 4 === 0,
    write({ operands, width, load }) {
      const outer = sizeOf(inUnits(output.shape, width).slice(axis));
      const row = indexExpression(`(index / ${outer}u)`, index.shape, index.strides, index.offset);
      const chosen = operands.load('choice', row);
      return `  let chosen = u32(clamp(${chosen}, 0, ${x.shape[axis]! - 1}));
  let value = ${load('x', without, 'index', without.shape, ` + chosen * ${x.strides[axis]! / width}u`)};
`;
    },
  });
};

const lowerTakeGrad: Lower<'take_grad'> = (ctx, node) => {
  const index = ctx.view(node.inputs[0]);
  const dy = ctx.view(node.inputs[1]);
  const { axis } = node.attrs;
  const output = ctx.result(node);
  const grown: View = {
    ...dy,
    shape: output.shape,
    strides: [...dy.strides.slice(0, axis), 0, ...dy.strides.slice(axis)],
  };
  emitMove(ctx, node, {
    name: 'take_grad',
    sources: [{ role: 'dy', view: grown }],
    scalars: [{ role: 'choice', view: index }],
    output,
    vector: axis !== output.shape.length - 1,
    write({ operands, width, type, load }) {
      const shape = inUnits(output.shape, width);
      const outer = sizeOf(shape.slice(axis));
      const row = indexExpression(`(index / ${outer}u)`, index.shape, index.strides, index.offset);
      return `  var value = ${type}();
  if (i32(${coordinateOf('index', shape, axis)}) == ${operands.load('choice', row)}) {
    value = ${load('dy', grown, 'index')};
  }
`;
    },
  });
};

const lowerPick: Lower<'pick'> = (ctx, node) => {
  const x = ctx.view(node.inputs[0]);
  const order = ctx.view(node.inputs[1]);
  const { count } = node.attrs;
  const output = ctx.result(node);
  const rowOf = ({ shape, strides, offset }: View) =>
    indexExpression('row', shape.slice(0, -1), strides.slice(0, -1), offset);
  emitMove(ctx, node, {
    name: 'pick',
    sources: [],
    scalars: [
      { role: 'x', view: x },
      { role: 'order', view: order },
    ],
    output,
    vector: false,
    write({ operands }) {
      const chosen = operands.load(
        'order',
        `${rowOf(order)} + (index % ${count}u) * ${order.strides.at(-1)}u`,
      );
      const most = x.shape.at(-1)! - 1;
      const place = `${rowOf(x)} + chosen * ${x.strides.at(-1)}u`;
      return `  let row = index / ${count}u;
  let chosen = u32(clamp(${chosen}, 0, ${most}));
  let value = ${operands.load('x', place)};
`;
    },
  });
};

/** Written from the order's side: it names every place of a row once. */
const lowerPickGrad: Lower<'pick_grad'> = (ctx, node) => {
  const order = ctx.view(node.inputs[0]);
  const dy = ctx.view(node.inputs[1]);
  const output = ctx.result(node);
  const [count, length] = [dy.shape.at(-1)!, output.shape.at(-1)!];
  const operands = new Operands([
    { role: 'order', view: order, access: 'read', vector: false },
    { role: 'dy', view: dy, access: 'read', vector: false },
    { role: 'out', view: output, access: 'read_write', vector: false },
  ]);
  const rowOf = ({ shape, strides, offset }: View) =>
    indexExpression('row', shape.slice(0, -1), strides.slice(0, -1), offset);
  const total = sizeOf(output.shape);
  const size = flatWorkgroup(ctx.profile);
  const at = `${rowOf(order)} + along * ${order.strides.at(-1)}u`;
  const given = operands.load('dy', `${rowOf(dy)} + along * ${dy.strides.at(-1)}u`);
  const place = `${rowOf(output)} + chosen * ${output.strides.at(-1)}u`;
  ctx.emit({
    name: 'pick_grad',
    args: operands.args,
    body: `${flatMain(size, total)}  let row = index / ${length}u;
  let along = index % ${length}u;
  let chosen = u32(clamp(${operands.load('order', at)}, 0, ${length - 1}));
  var value = ${computeType(output.storage)}();
  if (along < ${count}u) { value = ${given}; }
  ${operands.store('out', place, 'value')}
}
`,
    workgroups: gridOf(Math.ceil(total / size), ctx.profile),
    origin: node.origin,
    flops: 0,
    bytes: bytesOf(order, dy, output),
  });
};

const lowerFlip: Lower<'flip'> = (ctx, node) => {
  const x = standing(ctx.view(node.inputs[0]));
  const { axis } = node.attrs;
  const output = ctx.result(node);
  const last = axis === output.shape.length - 1;
  emitMove(ctx, node, {
    name: 'flip',
    sources: [{ role: 'x', view: x }],
    output,
    vector: !last,
    write({ width, load }) {
      const along = coordinateOf('index', inUnits(output.shape, width), axis);
      const step = x.strides[axis]! / (repeatsLast(x) ? 1 : width);
      // u32 wraps around: from the entry's own place to the one as far from the end.
      const shift = ` + ${(output.shape[axis]! - 1) * step}u - ${along} * ${2 * step}u`;
      return `  let value = ${load('x', x, 'index', x.shape, step === 0 ? '' : shift)};\n`;
    },
  });
};

/** A copy, for ranks to exchange. */
const lowerExchange: Lower<'rank_mean' | 'rank_gather'> = (ctx, node) => {
  const x = standing(ctx.view(node.inputs[0]));
  emitMove(ctx, node, {
    name: node.op,
    sources: [{ role: 'x', view: x }],
    output: ctx.result(node),
    vector: true,
    exchanged: node.op === 'rank_mean' ? 'mean' : 'gather',
    write: ({ load }) => `  let value = ${load('x', x, 'index')};\n`,
  });
};

const lowerPad: Lower<'pad'> = (ctx, node) => {
  const x = standing(ctx.view(node.inputs[0]));
  const { before } = node.attrs;
  const output = ctx.result(node);
  const last = output.shape.length - 1;
  emitMove(ctx, node, {
    name: 'pad',
    sources: [{ role: 'x', view: x }],
    output,
    vector: before[last]! % 4 === 0 && output.shape[last]! % 4 === 0,
    write({ width, type, load }) {
      const shape = inUnits(output.shape, width);
      const tests: string[] = [];
      let back = 0;
      output.shape.forEach((n, axis) => {
        const start = before[axis]!;
        const length = x.shape[axis]!;
        back += start * x.strides[axis]!;
        if (length === n) return;
        const unit = axis === last ? width : 1;
        const at = coordinateOf('index', shape, axis);
        tests.push(`((${at}) - ${start / unit}u < ${length / unit}u)`);
      });
      const inside: View = { ...x, shape: output.shape, strides: x.shape.map((_, a) => x.strides[a]!) };
      const shift = back === 0 ? '' : ` - ${back / width}u`;
      return `  var value = ${type}();
  if (${tests.length === 0 ? 'true' : tests.join(' && ')}) {
    value = ${load('x', inside, 'index', output.shape, shift)};
  }
`;
    },
  });
};

/**
 * One kernel joins as many inputs as bindings allow; each group of inputs fills its own stretch of the axis.
 */
const lowerConcat: Lower<'concat'> = (ctx, node) => {
  const { axis } = node.attrs;
  const views = node.inputs.map((id) => standing(ctx.view(id)));
  const most = ctx.profile.limits.maxStorageBuffersPerShaderStage - 2;
  const behind = arithmeticBehind(ctx, node, 'value');
  if (behind) {
    emitConcat(ctx, node, views, axis, behind.output, behind);
    return;
  }
  const output = ctx.result(node);
  let start = 0;
  for (let from = 0; from < views.length; from += most) {
    const group = views.slice(from, from + most);
    const length = group.reduce((sum, view) => sum + view.shape[axis]!, 0);
    const part: View = {
      ...output,
      shape: output.shape.map((n, a) => (a === axis ? length : n)),
      offset: output.offset + start * output.strides[axis]!,
    };
    emitConcat(ctx, node, group, axis, part);
    start += length;
  }
};

function emitConcat(
  ctx: LowerContext,
  node: Node,
  views: readonly View[],
  axis: number,
  output: View,
  behind?: Behind,
): void {
  const last = axis === output.shape.length - 1;
  const sources = views.map((view, i) => ({ role: `x${i}`, view }));
  const extras = behind?.extras ?? [];
  emitMove(ctx, node, {
    name: `concat${views.length}`,
    sources: [...sources, ...extras],
    output,
    vector: !last || views.every((view) => view.shape[axis]! % 4 === 0 && !repeatsLast(view)),
    write({ width, type, load }) {
      const shape = inUnits(output.shape, width);
      const lines = [`  let along = ${coordinateOf('index', shape, axis)};`, `  var value = ${type}();`];
      let start = 0;
      sources.forEach(({ role, view }, i) => {
        const unit = last ? width : 1;
        const end = start + view.shape[axis]!;
        const grown: View = { ...view, shape: output.shape };
        const stride = view.strides[axis]! / (unit === 4 || repeatsLast(view) ? 1 : width);
        const back = (start / unit) * stride;
        const read = load(role, grown, 'index', output.shape, back === 0 ? '' : ` - ${back}u`);
        const test = i === sources.length - 1 ? '' : `if (along < ${end / unit}u) `;
        lines.push(`  ${i === 0 ? '' : 'else '}${test}{ value = ${read}; }`);
        start = end;
      });
      for (const { role, view } of extras) lines.push(`  let ${role} = ${load(role, view, 'index')};`);
      if (behind) lines.push(`  value = ${behind.value};`);
      return `${lines.join('\n')}\n`;
    },
  });
}

export const moveLowerings = {
  take: lowerTake,
  take_grad: lowerTakeGrad,
  pick: lowerPick,
  pick_grad: lowerPickGrad,
  flip: lowerFlip,
  rank_mean: lowerExchange,
  rank_gather: lowerExchange,
  concat: lowerConcat,
  pad: lowerPad,
} satisfies { [K in OpName]?: Lower<K> };
