/**
 * The contract family: every matrix product, batched or not, any transpose, with its fused epilogue.
 *
 * A `matmul` node becomes a `Contraction` (strided operands), a schedule is chosen for the device, and the
 * schedule's printer makes the kernel. Copies appear only where a schedule cannot index an operand as it
 * lies.
 */
import { alignUp } from '../../graph/dims.ts';
import type { Node, NodeOf, Origin } from '../../graph/types.ts';
import { sizeOf } from '../../graph/types.ts';
import { type MapProgram, programOf } from '../../ops/map-program.ts';
import { operandCount } from '../../ops/matmul.ts';
import type { DeviceProfile, MatrixElement } from '../../profile.ts';
import { lowerElementwise } from '../moves/map.ts';
import { emitTransposedCopy } from '../moves/transpose.ts';
import { lowerSum } from '../rows/reduce.ts';
import { type ContractTile, readsStorage } from '../schedules/contract.ts';
import { matrixElement } from '../schedules/matrix.ts';
import { chooseSchedule } from '../schedules/schedules.ts';
import { bytesOf } from '../text/access.ts';
import type { KernelArg, Lower, LowerContext } from '../text/kernel.ts';
import { elementBytes, type Width } from '../text/memory.ts';
import { denseView, type View } from '../text/view.ts';
import { collapseAxes, expandView } from '../text/view-algebra.ts';
import { programHelpers } from '../text/wgsl.ts';
import { mapsInPlace, printRegisterTile, registerTileGrid } from './contract-cpu.ts';
import { printWorkgroupTile, workgroupTileGrid } from './contract-gpu.ts';
import { matrixExtensions, matrixTileGrid, printMatrixTile } from './contract-matrix.ts';
import { printQuadTile } from './contract-quads.ts';
import {
  type Contraction,
  type ImageStrides,
  type Normalisation,
  type Operand,
  operandOf,
  type ProductArgs,
  type ResultPrinter,
  resultPrinter,
  storesByColumns,
  storesVectors,
  unitStride,
  vectorAligned,
  vectorExtra,
  vectorExtraDown,
} from './contraction.ts';
import { productSize } from './key.ts';
import { canSumLeft } from './left-sums.ts';
import { foldNormalisation } from './normalised.ts';
import { cutProduct, joinPieces, piecesOfProduct } from './pieces.ts';
import { denseAxis, stagedVectors } from './staging.ts';

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

/** Views of what a normalisation reads in the kernel. */
function normalisationViews({ normalise }: Contraction): readonly View[] {
  if (!normalise) return [];
  const { moments, weight, bias, folded } = normalise;
  return folded ? [moments] : [moments, weight, bias];
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

/** Storages that one product reads through two views: they are bound once, as scalars. */
function sharedStorages(c: Contraction): ReadonlySet<number> {
  const seen = new Set<number>();
  const shared = new Set<number>();
  const further = normalisationViews(c).map((view) => ({ view }));
  for (const { view } of [c.a, c.b, ...c.extras, ...(c.second?.extras ?? []), ...further]) {
    if (seen.has(view.storage.id)) shared.add(view.storage.id);
    seen.add(view.storage.id);
  }
  return shared;
}

interface Loads {
  readonly aVector: boolean;
  readonly bVector: boolean;
}

/** One binding for each storage, named after its first use. */
function bindOperands(
  c: Contraction,
  { aVector, bVector }: Loads,
  extraVectors: readonly boolean[],
  vectors: (operand: Operand) => boolean,
): ProductArgs & { readonly more: readonly KernelArg[]; readonly read: readonly KernelArg[] } {
  const args: KernelArg[] = [];
  const bind = ({ storage }: View, name: string, width: Width): KernelArg => {
    const known = args.find((arg) => arg.storage.id === storage.id);
    if (known) return known;
    const arg: KernelArg = { name, width, storage, access: 'read' };
    args.push(arg);
    return arg;
  };
  const a = bind(c.a.view, 'a', aVector ? 4 : 1);
  const b = bind(c.b.view, 'b', bVector ? 4 : 1);
  const extras = c.extras.map((e, i) => bind(e.view, `extra${i}`, extraVectors[i] ? 4 : 1));
  const second = c.second?.extras.map((e, i) => bind(e.view, `more${i}`, vectors(e) ? 4 : 1)) ?? [];
  const [moments, weight, bias] = normalisationViews(c);
  if (moments) bind(moments, 'row_stats', 2);
  const norm = weight && bias && { gain: bind(weight, 'gain', 1), shift: bind(bias, 'shift', 1) };
  return { a, b, extras, more: second, norm, read: args };
}

/** Whether every column of the left operand has whole vec4s, if need be with padding behind its last row. */
function wholeColumns({ m, k, batch, a, walk }: Contraction): boolean {
  if (m % 4 === 0) return true;
  const rows = alignUp(m, 4);
  const last = a.view.offset + (k - 1) * a.inner;
  return batch === 1 && walk === undefined && a.inner >= rows && a.view.storage.elements >= last + rows;
}

/** How register tiles read operands: walks that jump through an image need their strides aligned as well. */
function loadModes(c: Contraction, shared: ReadonlySet<number>): Loads {
  const vectorisable = (o: Operand, strides: readonly number[]) =>
    !shared.has(o.view.storage.id) &&
    unitStride(o.outer) &&
    vectorAligned(o, 'outer') &&
    strides.every((n) => n % 4 === 0);
  const { walk } = c;
  const jumps = ({ batch, row, column }: ImageStrides) => [batch, row, column];
  const left = walk === undefined ? [] : jumps(walk.image);
  const right = walk?.kind === 'pixels' ? jumps(walk.right) : [];
  return {
    // Pixels are never side by side in memory: only channels are rows that vec4s can read.
    aVector: wholeColumns(c) && walk?.kind !== 'taps' && vectorisable(c.a, left),
    bVector: c.n % 4 === 0 && vectorisable(c.b, right),
  };
}

/** How a product's operands are read on a device: straight from storage, or staged, for matrices of `matrix` or not. */
function loadsOf(
  profile: DeviceProfile,
  c: Contraction,
  shared: ReadonlySet<number>,
): Loads & { readonly matrix: MatrixElement | undefined } {
  const matrix = matrixElement(profile, c.a.view.storage, c.b.view.storage);
  if (matrix === undefined && readsStorage(profile)) return { matrix, ...loadModes(c, shared) };
  const { a, b } = stagedVectors(c);
  const alone = (view: View) => !shared.has(view.storage.id);
  // A norm goes along K.
  const normal = c.normalise === undefined || denseAxis(c.a) === 'k';
  return { matrix, aVector: a && normal && alone(c.a.view), bVector: b && alone(c.b.view) };
}

interface Tiled {
  readonly body: string;
  readonly grid: readonly [number, number, number];
  readonly enables?: readonly string[];
}

/** @param alone whether an operand's storage is bound for it alone */
function printTile(
  c: Contraction,
  tile: ContractTile,
  args: ProductArgs,
  printer: ResultPrinter,
  alone: (arg: KernelArg) => boolean,
): Tiled {
  switch (tile.kind) {
    case 'registers':
      return { body: printRegisterTile(c, tile, args, printer), grid: registerTileGrid(c, tile) };
    case 'quads':
      return {
        body: printQuadTile(c, tile, args, printer),
        grid: registerTileGrid(c, tile),
        enables: ['subgroups'],
      };
    case 'workgroup':
      return { body: printWorkgroupTile(c, tile, args, printer), grid: workgroupTileGrid(c, tile) };
    case 'matrix': {
      const asStored = (arg: KernelArg) => tile.config.component === 'f16' && alone(arg);
      return {
        body: printMatrixTile(c, tile, { ...args, asStored }, printer),
        grid: matrixTileGrid(c, tile),
        enables: matrixExtensions(tile),
      };
    }
  }
}

/** What a product writes: its result, and the moments of that one's rows. */
function written(name: string, width: Width, { storage }: View): KernelArg {
  return { name, width, storage, access: 'read_write' };
}

/** Kinds of tiles that kernels are named after. */
const named: ReadonlySet<ContractTile['kind']> = new Set(['matrix', 'quads']);

/** Emits the kernel of one product with the schedule of the device. `family` names it in profiles. */
export function emitContraction(ctx: LowerContext, c: Contraction, family: string, origin: Origin): void {
  const shared = sharedStorages(c);
  const modes = loadsOf(ctx.profile, c, shared);
  const { schedule: tile, choice } = chooseSchedule(ctx.profile, 'contract', productSize(c, modes));
  const byColumns = tile.kind === 'registers' && tile.rows % 4 === 0 && storesByColumns(c) && !mapsInPlace(c);
  const isVector = byColumns ? vectorExtraDown : vectorExtra;
  const vectors = (e: Operand) => !shared.has(e.view.storage.id) && isVector(c, e);
  const extraVectors = c.extras.map(vectors);
  // A quad's lanes have rows of their own, one by one.
  const loads = { ...modes, aVector: modes.aVector && tile.kind !== 'quads' };
  const { read, more, ...args } = bindOperands(c, loads, extraVectors, vectors);
  const result = written('result', storesVectors(c, byColumns) ? 4 : 1, c.result.view);
  const apart = c.leftSums && c.leftSums.view.storage.id !== c.result.view.storage.id;
  const sums = apart ? [written('sums', c.leftSums!.view.offset % 4 === 0 ? 4 : 1, c.leftSums!.view)] : [];
  const second = c.second && {
    extras: more,
    result: written('second', vectorExtra(c, c.second.result) ? 4 : 1, c.second.result.view),
  };
  const printer = resultPrinter(c, args.extras, result, byColumns, second);
  const alone = ({ storage }: KernelArg) => !shared.has(storage.id);
  const own = { ...args, sums: c.leftSums && (sums[0] ?? result) };
  const { body, grid, enables } = printTile(c, tile, own, printer, alone);
  const elements = c.batch * c.m * c.n;
  ctx.emit({
    name: `${family}_${named.has(tile.kind) ? `${tile.kind}_` : ''}${tile.rows}x${tile.columns}`,
    args: [
      ...read,
      result,
      ...(c.moments ? [written('own_stats', 2, c.moments)] : []),
      ...(second ? [second.result] : []),
      ...sums,
    ],
    body: helpersOf([c.epilogue, c.second?.program]) + body,
    ...(enables === undefined ? {} : { enables }),
    workgroups: grid,
    origin,
    flops: elements * (2 * c.k + (c.epilogue?.instructions.length ?? 0)),
    bytes:
      c.batch * c.k * (elementBytes(c.a.view.storage) * c.m + elementBytes(c.b.view.storage) * c.n) +
      elementBytes(c.result.view.storage) * elements +
      (c.second ? bytesOf(c.second.result.view, ...c.second.extras.map(({ view }) => view)) : 0),
    schedule: choice,
  });
}

/** Functions that programs call, each once. */
function helpersOf(programs: readonly (MapProgram | undefined)[]): string {
  const texts = programs.flatMap((program) => (program ? programHelpers(program, 4) : []));
  return [...new Set(texts)].join('');
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

const lowerMatmul: Lower<'matmul'> = (ctx, node) => {
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
  const count = piecesOfProduct(ctx.profile, c, node.attrs.transposeA);
  const second = ctx.joined(node, 'second-result');
  if (count === 1) {
    const inTile = second && tiled;
    emitContraction(ctx, inTile ? withSecond(ctx, c, node, second) : c, 'matmul', node.origin);
    if (second && !inTile) lowerElementwise(ctx, second);
    return;
  }
  const { products, partial } = cutProduct(ctx, c, count);
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
};

export const contractLowerings = { matmul: lowerMatmul };
