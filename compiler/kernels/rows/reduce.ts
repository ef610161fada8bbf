/**
 * Sum, mean, max over any axes, and argmax.
 *
 * Three shapes of work, chosen by layout: rows (the reduced axes end in the dense one), columns (they do
 * not), and both in turn (rows first, then columns of the partial results). Long rows of which there are few,
 * such as a whole tensor summed to a scalar, are cut into pieces first. Order of summation is fixed by shape
 * alone.
 */
import { alignUp } from '../../graph/dims.ts';
import { type Node, numericShape, sizeOf } from '../../graph/types.ts';
import type { OpName } from '../../ops/attributes.ts';
import type { DeviceProfile } from '../../profile.ts';
import { bytesOf, flatMain, indexExpression, Operands } from '../text/access.ts';
import { gridOf, type Kernel, type Lower, type LowerContext } from '../text/kernel.ts';
import { denseView, type View } from '../text/view.ts';
import { collapseAxes } from '../text/view-algebra.ts';
import { hiddenBound, literal } from '../text/wgsl.ts';
import { columnReduction } from './columns.ts';
import { type Fold, folds } from './folds.ts';
import { rowKernel } from './rows.ts';

export const lowerSum: Lower<'sum'> = (ctx, node) => lowerReduction(ctx, node, 'sum', node.attrs.axes);
const lowerMax: Lower<'max'> = (ctx, node) => lowerReduction(ctx, node, 'max', node.attrs.axes);
const lowerMin: Lower<'min'> = (ctx, node) => lowerReduction(ctx, node, 'min', node.attrs.axes);
const lowerMean: Lower<'mean'> = (ctx, node) => {
  const shape = numericShape(ctx.node(node.inputs[0]).type);
  const count = sizeOf(node.attrs.axes.map((axis) => shape[axis]!));
  lowerReduction(ctx, node, 'sum', node.attrs.axes, 1 / count);
};

function lowerReduction(
  ctx: LowerContext,
  node: Node,
  op: Fold,
  axes: readonly number[],
  scale?: number,
): void {
  const view = ctx.view(node.inputs[0]);
  const result = ctx.result(node);
  if (view.storage.dtype === 'i32') {
    ctx.emit(integerReduction(ctx, node, { op, view, result, axes, scale }));
    return;
  }
  const kept = view.shape.map((_, axis) => axis).filter((axis) => !axes.includes(axis));
  const output = denseView(
    result.storage,
    kept.map((axis) => view.shape[axis]!),
    result.offset,
  );
  const work = { op, view, output, scale: scale ?? 1 };
  reduceView(ctx, node, { ...work, kept: axesOf(view, kept), reduced: axesOf(view, axes) });
}

function axesOf(view: View, axes: readonly number[]): Axes {
  const merged = collapseAxes(
    axes.map((a) => view.shape[a]!),
    [axes.map((a) => view.strides[a]!)],
  );
  return { shape: merged.shape, strides: merged.strides[0]! };
}

interface Axes {
  readonly shape: readonly number[];
  readonly strides: readonly number[];
}

interface Reduction {
  readonly op: Fold;
  readonly view: View;
  readonly kept: Axes;
  readonly reduced: Axes;
  readonly output: View;
  readonly scale: number;
}

function reduceView(ctx: LowerContext, node: Node, work: Reduction): void {
  const { view, kept, reduced } = work;
  const alongRows = reduced.strides.at(-1) === 1 || !kept.strides.includes(1);
  if (!alongRows) {
    const shape = [...reduced.shape, ...kept.shape];
    const source = { ...view, shape, strides: [...reduced.strides, ...kept.strides] };
    const axes = reduced.shape.map((_, axis) => axis);
    const inputs = [{ role: 'x', view: source }];
    columnReduction(ctx, node, { inputs, axes, op: work.op, values: ['x'], scale: work.scale, flops: 1 }, [
      work.output,
    ]);
    return;
  }
  const outer = reduced.shape.length - 1;
  const lead = [...kept.shape, ...reduced.shape.slice(0, outer)];
  const leadStrides = [...kept.strides, ...reduced.strides.slice(0, outer)];
  const length = reduced.shape[outer]!;
  const source: View = {
    ...view,
    shape: [...lead, length],
    strides: [...leadStrides, reduced.strides[outer]!],
  };
  const rows = sizeOf(lead);
  const piece = pieceLength(rows, length, ctx.profile);
  if (outer === 0 && piece >= length) {
    rowReduction(ctx, node, work.op, source, work.output, work.scale);
    return;
  }
  const pieces = Math.ceil(length / piece);
  const partShape = pieces > 1 ? [...lead, pieces] : lead;
  const parts = denseView(ctx.scratch(sizeOf(partShape), 'f32', `${node.op} of rows`), partShape);
  rowReduction(
    ctx,
    node,
    work.op,
    source,
    parts,
    1,
    pieces > 1 ? { count: pieces, length: piece } : undefined,
  );
  const ahead = kept.shape.length;
  const rest = collapseAxes(partShape.slice(ahead), [parts.strides.slice(ahead)]);
  reduceView(ctx, node, {
    ...work,
    view: parts,
    kept: { shape: kept.shape, strides: parts.strides.slice(0, ahead) },
    reduced: { shape: rest.shape, strides: rest.strides[0]! },
  });
}

function rowReduction(
  ctx: LowerContext,
  node: Node,
  op: Fold,
  view: View,
  output: View,
  scale: number,
  pieces?: { count: number; length: number },
): void {
  const spec = {
    name: `row_${op}`,
    inputs: [{ role: 'x', view }],
    output,
    steps: [
      { reduce: [{ op, name: 'total', value: 'x', reads: ['x'] }] },
      { put: scale === 1 ? 'total' : `total * ${literal(scale)}` },
    ],
    flops: sizeOf(view.shape),
  };
  ctx.emit(rowKernel(pieces === undefined ? spec : { ...spec, pieces }, ctx.profile, node.origin));
}

/** Length of the pieces a row is cut into where there are too few rows for the device. */
function pieceLength(rows: number, length: number, profile: DeviceProfile): number {
  const [enough, shortest] = profile.kind === 'cpu' ? [64, 1024] : [128, 8192];
  if (rows >= enough || length <= 2 * shortest) return Math.min(length, 65536);
  const pieces = Math.ceil(enough / rows);
  const piece = Math.max(shortest, Math.ceil(length / pieces));
  return Math.min(65536, alignUp(piece, 4));
}

interface IntegerWork {
  readonly op: Fold;
  readonly view: View;
  readonly result: View;
  readonly axes: readonly number[];
  /** For means, which are sums in f32. */
  readonly scale: number | undefined;
}

/** Counts and positions: one invocation walks all that one result is made of. */
function integerReduction(ctx: LowerContext, node: Node, work: IntegerWork): Kernel {
  const { op, view, result, axes, scale } = work;
  const operands = new Operands([
    { role: 'x', view, access: 'read', vector: false },
    { role: 'out', view: result, access: 'read_write', vector: false },
  ]);
  const kept = view.shape.map((_, axis) => axis).filter((axis) => !axes.includes(axis));
  const of = (list: readonly number[], values: readonly number[]) => list.map((axis) => values[axis]!);
  const count = sizeOf(of(kept, view.shape));
  const size = ctx.profile.kind === 'cpu' ? 8 : 64;
  const base = indexExpression('index', of(kept, view.shape), of(kept, view.strides), view.offset);
  const step = indexExpression('i', of(axes, view.shape), of(axes, view.strides));
  const type = scale === undefined ? 'i32' : 'f32';
  const load = (at: string) => `${type}(${operands.load('x', at)})`;
  const length = sizeOf(of(axes, view.shape));
  const value = scale === undefined ? 'total' : `total * ${literal(scale)}`;
  return {
    name: `${op}_of_integers`,
    args: operands.args,
    body: `${flatMain(size, count)}  let base = ${base};
  var total = ${load('base')};
  for (var i = 1u; i < ${hiddenBound(length, 'id.z')}; i += 1u) {
    ${folds[op].into('total', load(`base + ${step}`))}
  }
  ${operands.store('out', result.offset === 0 ? 'index' : `index + ${result.offset}u`, value)}
}
`,
    workgroups: gridOf(Math.ceil(count / size), ctx.profile),
    origin: node.origin,
    flops: sizeOf(view.shape),
    bytes: bytesOf(view, result),
  };
}

const lowerArgmax: Lower<'argmax'> = (ctx, node) => {
  const view = ctx.view(node.inputs[0]);
  const { axis } = node.attrs;
  const result = ctx.result(node);
  const others = view.shape.map((_, a) => a).filter((a) => a !== axis);
  const lead = others.map((a) => view.shape[a]!);
  const operands = new Operands([
    { role: 'x', view, access: 'read', vector: false },
    { role: 'out', view: result, access: 'read_write', vector: false },
  ]);
  const count = sizeOf(lead);
  const size = ctx.profile.kind === 'cpu' ? 8 : 64;
  const base = indexExpression(
    'index',
    lead,
    others.map((a) => view.strides[a]!),
    view.offset,
  );
  const body = `${flatMain(size, count)}  let base = ${base};
  var best = ${operands.load('x', 'base')};
  var place = 0u;
  for (var i = 1u; i < ${hiddenBound(view.shape[axis]!, 'id.z')}; i += 1u) {
    let x = ${operands.load('x', `base + i * ${view.strides[axis]!}u`)};
    if (x > best) { best = x; place = i; }
  }
  ${operands.store('out', result.offset === 0 ? 'index' : `index + ${result.offset}u`, 'i32(place)')}
}
`;
  ctx.emit({
    name: 'argmax',
    args: operands.args,
    body,
    workgroups: gridOf(Math.ceil(count / size), ctx.profile),
    origin: node.origin,
    flops: sizeOf(view.shape),
    bytes: bytesOf(view, result),
  });
};

export const reduceLowerings = {
  sum: lowerSum,
  mean: lowerMean,
  max: lowerMax,
  min: lowerMin,
  argmax: lowerArgmax,
} satisfies { [K in OpName]?: Lower<K> };
