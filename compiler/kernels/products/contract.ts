/**
 * The contract family: every matrix product, batched or not, any transpose, with its fused epilogue.
 *
 * A `matmul` node becomes a `Contraction` (strided operands), a schedule is chosen for the device, and the
 * schedule's printer makes the kernel. Copies appear only where a schedule cannot index an operand as it
 * lies.
 */
import type { Node, NodeOf, Origin } from '../../graph/types.ts';
import { sizeOf } from '../../graph/types.ts';
import { programOf } from '../../ops/map-program.ts';
import { operandCount } from '../../ops/matmul.ts';
import { lowerElementwise } from '../moves/map.ts';
import { emitTransposedCopy } from '../moves/transpose.ts';
import { lowerSum } from '../rows/reduce.ts';
import { readsStorage } from '../schedules/contract.ts';
import { matrixElement } from '../schedules/matrix.ts';
import type { Lower, LowerContext } from '../text/kernel.ts';
import { denseView, type View } from '../text/view.ts';
import { collapseAxes, expandView } from '../text/view-algebra.ts';
import { type Contraction, type Normalisation, operandOf, unitStride } from './contraction.ts';
import { emitBeside, emitContraction } from './emit.ts';
import { canSumLeft } from './left-sums.ts';
import { foldNormalisation } from './normalised.ts';
import { cutProduct, joinPieces, piecesOfProduct } from './pieces.ts';

/** Swaps the last two axes. */
function swapped(view: View): View {
  const perm = view.shape.map((_, i) => i);
  const [last, before] = [perm.pop()!, perm.pop()!];
  const order = [...perm, last, before];
  return { ...view, shape: order.map((i) => view.shape[i]!), strides: order.map((i) => view.strides[i]!) };
}

function contraction(ctx: LowerContext, node: NodeOf<'matmul'>): Contraction {
  const { transposeA, transposeB, epilogue } = node.attrs;
  const raw = (i: number) => ctx.view(node.inputs[i]!);
  const a = transposeA ? swapped(raw(0)) : raw(0); // [..., M, K]
  const b = transposeB ? swapped(raw(1)) : raw(1); // [..., K, N]
  const result = ctx.result(node);
  const moments = ctx.joined(node, 'row-moments');
  const rank = result.shape.length;
  const batchShape = result.shape.slice(0, -2);
  const m = result.shape[rank - 2]!;
  const n = result.shape[rank - 1]!;
  const k = a.shape.at(-1)!;
  const fullA = expandView(a, [...batchShape, m, k]);
  const fullB = expandView(b, [...batchShape, k, n]);
  const extras = node.inputs
    .slice(operandCount(node.attrs))
    .map((id) => expandView(ctx.view(id), result.shape));
  // Where no batch axis moves the right operand, batch axes are just more rows.
  const shared = fullB.strides.slice(0, -2).every((s, i) => s === 0 || batchShape[i] === 1);
  const batchAxes = shared ? 0 : rank - 2;
  const flatB = shared ? { ...fullB, shape: fullB.shape.slice(-2), strides: fullB.strides.slice(-2) } : fullB;
  return {
    batch: sizeOf(batchShape.slice(0, batchAxes)),
    m: shared ? sizeOf(batchShape) * m : m,
    n,
    k,
    a: operandOf(fullA, batchAxes, 'middle'),
    b: operandOf(flatB, batchAxes, 'last'),
    result: operandOf(result, batchAxes, 'middle'),
    epilogue,
    extras: extras.map((view) => operandOf(view, batchAxes, 'middle')),
    ...normalisation(ctx, node),
    ...(moments ? { moments: ctx.result(moments) } : {}),
  };
}

function normalisation(
  ctx: LowerContext,
  { inputs, attrs }: NodeOf<'matmul'>,
): { readonly normalise?: Normalisation } {
  if (!attrs.normalise) return {};
  const [moments, weight, bias] = inputs.slice(2, 5).map((id) => ctx.dense(id)) as [View, View, View];
  return { normalise: { moments, weight, bias, eps: attrs.normalise.eps } };
}

/** The right operand dense along N, copied if it is not. */
function columnsDense(ctx: LowerContext, c: Contraction, origin: Origin): Contraction {
  if (unitStride(c.b.outer) || c.n === 1) return c;
  const view: View = {
    ...c.b.view,
    shape: [...c.b.batch.shape, c.k, c.n],
    strides: [...c.b.batch.strides, c.b.inner, ...c.b.outer.strides],
  };
  return { ...c, b: operandOf(transposedCopy(ctx, view, origin), c.b.batch.shape.length, 'last') };
}

/**
 * The left operand dense along M, where it is one row axis dense along K and the copy pays for itself. On
 * GPUs it does not: for 768 columns it moves 8 bytes to spare a tenth of 1536 FLOP, and is a launch.
 */
function rowsDense(ctx: LowerContext, c: Contraction, origin: Origin): Contraction {
  const worth =
    ctx.profile.kind === 'cpu' &&
    c.n >= 512 &&
    c.m % 4 === 0 &&
    c.m >= 16 &&
    c.batch === 1 &&
    !unitStride(c.a.outer);
  if (!worth) return c;
  const rows = collapseAxes(c.a.outer.shape, [c.a.outer.strides]);
  const view: View = {
    ...c.a.view,
    shape: [c.k, ...rows.shape],
    strides: [c.a.inner, ...rows.strides[0]!],
  };
  const copy = transposedCopy(ctx, view, origin);
  return {
    ...c,
    a: {
      view: copy,
      batch: { shape: [], strides: [] },
      outer: { shape: copy.shape.slice(1), strides: copy.strides.slice(1) },
      inner: copy.strides[0]!,
    },
  };
}

function transposedCopy(ctx: LowerContext, view: View, origin: Origin): View {
  return ctx.cached(view, () => {
    const copy = denseView(
      ctx.scratch(sizeOf(view.shape), view.storage.dtype, 'transposed operand'),
      view.shape,
    );
    emitTransposedCopy(ctx, view, copy, origin);
    return copy;
  });
}

/** A product with what the plan wants stored beside its result. */
function withSecond(ctx: LowerContext, c: Contraction, node: NodeOf<'matmul'>, user: Node): Contraction {
  const result = ctx.result(user);
  const batchAxes = c.result.batch.shape.length;
  const others = [...new Set(user.inputs.filter((id) => id !== node.id))];
  const operand = (view: View) => operandOf(expandView(view, result.shape), batchAxes, 'middle');
  return {
    ...c,
    second: {
      program: programOf(user)!,
      inputs: user.inputs.map((id) => (id === node.id ? undefined : others.indexOf(id))),
      extras: others.map((id) => operand(ctx.view(id))),
      result: operand(result),
    },
  };
}

/** A product, in how many pieces of K it is made by itself, and what the plan wants stored beside its result. */
interface Planned {
  readonly node: NodeOf<'matmul'>;
  readonly c: Contraction;
  readonly tiled: boolean;
  readonly pieces: number;
  readonly second: Node | undefined;
}

function planned(ctx: LowerContext, node: NodeOf<'matmul'>): Planned {
  let c = contraction(ctx, node);
  const staged = matrixElement(ctx.profile, c.a.view.storage, c.b.view.storage) !== undefined;
  if (!staged && readsStorage(ctx.profile)) {
    if (c.normalise) c = foldNormalisation(ctx, c, node.origin);
    c = rowsDense(ctx, columnsDense(ctx, c, node.origin), node.origin);
  }
  const sum = ctx.joined(node, 'left-sum');
  const tiled = staged || !readsStorage(ctx.profile);
  const inTiles = tiled && canSumLeft(c);
  if (sum && !inTiles) lowerSum(ctx, sum);
  else if (sum) c = { ...c, leftSums: { view: ctx.result(sum), step: 0 } };
  const pieces = piecesOfProduct(ctx.profile, c, node.attrs.transposeA);
  return { node, c, tiled, pieces, second: ctx.joined(node, 'second-result') };
}

function emitPlanned(ctx: LowerContext, { node, c, tiled, pieces, second }: Planned): void {
  if (pieces === 1) {
    const inTile = second && tiled;
    emitContraction(ctx, inTile ? withSecond(ctx, c, node, second) : c, 'matmul', node.origin);
    if (second && !inTile) lowerElementwise(ctx, second);
    return;
  }
  const { products, partial } = cutProduct(ctx, c, pieces);
  for (const product of products) emitContraction(ctx, product, 'matmul', node.origin);
  const extras = c.extras.map(({ view }) => view);
  joinPieces(
    ctx,
    node,
    partial,
    c.result.view,
    { program: c.epilogue, extras },
    { op: 'sum', behind: c.leftSums?.view },
  );
  if (second) lowerElementwise(ctx, second);
}

const lowerMatmul: Lower<'matmul'> = (ctx, node) => {
  const one = planned(ctx, node);
  const beside = ctx.joined(node, 'beside');
  if (beside === undefined) {
    emitPlanned(ctx, one);
    return;
  }
  const other = planned(ctx, beside);
  const plain = [one, other].every(({ tiled, second }) => tiled && second === undefined);
  const pieces = [one.pieces, other.pieces] as const;
  if (plain && emitBeside(ctx, [one.c, other.c], pieces, 'matmul', node.origin)) return;
  emitPlanned(ctx, one);
  emitPlanned(ctx, other);
};

export const contractLowerings = { matmul: lowerMatmul };
