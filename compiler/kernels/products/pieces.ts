/**
 * Long sums of small results: K is cut into pieces that are summed side by side, and their partial results
 * are added in order.
 *
 * The gradient of a weight has few elements and a term for every sample (or pixel) of the batch: its tiles
 * alone leave a GPU idle. Pieces become a batch axis of the product, so every schedule serves them; partial
 * results go to scratch, a column reduction adds them, and an epilogue runs behind it. How many there are
 * follows from shape and device alone, whatever was measured, since it decides the order of the sum (see
 * schedules.ts).
 */
import { type Node, sizeOf } from '../../graph/types.ts';
import type { MapProgram } from '../../ops/map-program.ts';
import type { DeviceProfile } from '../../profile.ts';
import { emitMap } from '../moves/map.ts';
import { type ColumnSpec, columnReduction } from '../rows/columns.ts';
import { type ProductSize, readsStorage, stagedCost, stagedCostBeside } from '../schedules/contract.ts';
import { matrixElement } from '../schedules/matrix.ts';
import type { LowerContext } from '../text/kernel.ts';
import { denseView, isDense, type View } from '../text/view.ts';
import type { Contraction, Operand } from './contraction.ts';

/**
 * Tiles of 16×64 results that keep busy a device that reads operands straight from storage. cpu: two for each of
 * 16 cores. gpu: two of 64×64 for each of 128 cores.
 */
const enough = { cpu: 32, gpu: 1024 } as const;

/**
 * Terms that a piece must have. A partial result is written and read once, 8 bytes for 2 FLOP a term: 128
 * terms are 32 FLOP a byte, about what GPUs compute while they move one (20 to 80); and they are 8 slices of
 * staging behind one start.
 */
const leastTerms = 128;

/**
 * What joining costs, in multiplications of one multiprocessor (waves.ts): a launch, and a partial result that is
 * written and read. Launches take 2 to 3 µs; the partial's 8 bytes come at what kernels reach of 0.9 to 4.3e12 bytes a
 * second, 0.85, with nothing beside them, while a multiprocessor would make 0.4 to 1.3e12 multiplications a second by
 * matrices, 0.15 to 0.2e12 without: 3 to 5 by matrices, 0.3 to 2 without.
 */
const joining = { matrix: { launch: 2e6, partial: 4.5 }, plain: { launch: 5e5, partial: 1.5 } } as const;

/** Terms that pass while a piece starts, its first loads on their way, and while its results are stored. */
const startTerms = 64;

type Size = Pick<ProductSize, 'batch' | 'm' | 'n' | 'k' | 'matrix'>;

/** What a product costs in so many pieces; undefined where operands are read straight from storage. */
function piecesCost(profile: DeviceProfile, { batch, m, n, k, matrix }: Size) {
  const step = stagedCost(profile, matrix);
  const { launch, partial } = joining[matrix === undefined ? 'plain' : 'matrix'];
  const product = (pieces: number, terms: number) =>
    (terms + startTerms) * step!({ batch: pieces * batch, m, n });
  const cost = (count: number) => {
    const terms = Math.floor(k / count);
    const rest = k - count * terms;
    const remainder = rest === 0 ? 0 : product(1, rest) + launch;
    const join = count === 1 ? 0 : launch + partial * (count + (rest > 0 ? 1 : 0)) * batch * m * n;
    return product(count, terms) + remainder + join;
  };
  return step && cost;
}

/** How many of `counts`, which rise: those of the least cost, or the fewest that keep the device busy. */
export function wantedPieces(profile: DeviceProfile, size: Size, counts: readonly number[]): number {
  const cost = piecesCost(profile, size);
  if (cost === undefined) {
    const { batch, m, n } = size;
    const busy = Math.ceil(enough[profile.kind] / (batch * Math.ceil(m / 16) * Math.ceil(n / 64)));
    return Math.min(busy, counts.at(-1) ?? 1);
  }
  const costs = counts.map(cost);
  return counts[costs.indexOf(Math.min(...costs))] ?? 1;
}

/** Whether two products, which alone were cut into so many pieces, cost less whole, in one launch. */
export function costLessBeside(
  profile: DeviceProfile,
  [one, other]: readonly [Size, Size],
  [pieces, otherPieces]: readonly [number, number],
): boolean {
  const started = ({ k, ...size }: Size) => ({ ...size, k: k + startTerms });
  const beside = stagedCostBeside(profile, [started(one), started(other)]);
  if (beside === undefined || one.matrix !== other.matrix) return false;
  const { launch } = joining[one.matrix === undefined ? 'plain' : 'matrix'];
  return beside < piecesCost(profile, one)!(pieces) + piecesCost(profile, other)!(otherPieces) + launch;
}

/** Pieces whose partial results, of `size` elements each, one binding can hold. */
export function mostPieces({ limits }: DeviceProfile, size: number): number {
  return Math.max(1, Math.floor(limits.maxStorageBufferBindingSize / (4 * size)));
}

/**
 * Into how many pieces (1: none) a product's K is cut.
 *
 * Only sums over samples (`transposeA`), or such that are far longer than the result is wide: the products of
 * a forward pass stay whole, because each cut costs a launch, and so do those that share a layer norm
 * (normalised.ts). Software adapters cut none: on two cores of llvmpipe pieces gain nothing (64×64×100000 in
 * 8) and cost up to a quarter (768×768×400 in 4).
 */
export function piecesOfProduct(profile: DeviceProfile, c: Contraction, transposeA: boolean): number {
  const { batch, m, n, k } = c;
  if (profile.kind === 'cpu' || !isDense(c.result.view) || c.normalise || c.moments) return 1;
  if (!transposeA && k < 8 * Math.max(m, n)) return 1;
  const matrix = matrixElement(profile, c.a.view.storage, c.b.view.storage);
  // One less than fits: a remainder of K is a piece of its own.
  const most = Math.min(Math.floor(k / leastTerms), mostPieces(profile, (batch * n + 1) * m) - 1);
  const counts = Array.from({ length: Math.max(1, most) }, (_, i) => i + 1);
  const wanted = wantedPieces(profile, { batch, m, n, k, matrix }, counts);
  return matrix === undefined && readsStorage(profile) ? equalPieces(k, wanted, most) : wanted;
}

/** `target`, or a number near it that divides `k`, so that no remainder needs a dispatch of its own. */
function equalPieces(k: number, target: number, most: number): number {
  if (target < 2) return 1;
  for (let count = target; count <= Math.min(most, 2 * target); count++) if (k % count === 0) return count;
  for (let count = target; 2 * count >= target && count > 1; count--) if (k % count === 0) return count;
  return target;
}

interface Pieces {
  /** The pieces as one batched product; where they do not come out even, the remainder of K as another. */
  readonly products: readonly Contraction[];
  /** Their results, [pieces, elements of the result], and behind each what it sums of the left operand. */
  readonly partial: View;
}

/** The products of `count` pieces; without an epilogue, which belongs behind their sum. */
export function cutProduct(ctx: LowerContext, c: Contraction, count: number): Pieces {
  const size = sizeOf(c.result.view.shape);
  const row = size + (c.leftSums ? c.m : 0);
  const length = Math.floor(c.k / count);
  const rest = c.k - count * length;
  const rows = count + (rest > 0 ? 1 : 0);
  const partial = denseView(ctx.scratch(rows * row, 'f32', 'pieces of a product'), [rows, row]);
  const plain: Contraction = { ...c, epilogue: undefined, extras: [] };
  const result: Operand = { ...c.result, view: { ...c.result.view, storage: partial.storage, offset: 0 } };
  const sums = (start: number, step: number) =>
    c.leftSums && { leftSums: { view: { ...partial, offset: start + size }, step } };
  const pieces: Contraction = {
    ...plain,
    batch: count * c.batch,
    k: length,
    a: along(c.a, count, length * c.a.inner),
    b: along(c.b, count, length * c.b.inner),
    result: along(result, count, row),
    ...sums(0, row),
  };
  if (rest === 0) return { products: [pieces], partial };
  const last: Contraction = {
    ...plain,
    k: rest,
    a: behind(c.a, count * length * c.a.inner),
    b: behind(c.b, count * length * c.b.inner),
    result: behind(result, count * row),
    ...sums(count * row, 0),
  };
  return { products: [pieces, last], partial };
}

/** The operand with a further batch axis in front. */
function along(operand: Operand, count: number, stride: number): Operand {
  const { shape, strides } = operand.batch;
  return { ...operand, batch: { shape: [count, ...shape], strides: [stride, ...strides] } };
}

function behind(operand: Operand, offset: number): Operand {
  return { ...operand, view: { ...operand.view, offset: operand.view.offset + offset } };
}

/** What maps a joined sum, over it and further operands. */
interface Epilogue {
  readonly program: MapProgram | undefined;
  readonly extras: readonly View[];
}

/**
 * Joins partial results [pieces, size] in order; `result` is dense. An epilogue maps the whole, never a part, nor what
 * lies `behind` it.
 */
export function joinPieces(
  ctx: LowerContext,
  node: Node,
  partial: View,
  result: View,
  { program, extras }: Epilogue = { program: undefined, extras: [] },
  join: Pick<ColumnSpec, 'op' | 'scale' | 'behind'> = { op: 'sum' },
): void {
  const { shape } = result;
  const sum =
    program === undefined ? result : denseView(ctx.scratch(sizeOf(shape), 'f32', 'sum of pieces'), shape);
  const inputs = [{ role: 'x', view: partial }];
  const flat = { ...sum, shape: [sizeOf(shape)], strides: [1] };
  columnReduction(ctx, node, { inputs, axes: [0], values: ['x'], flops: 1, ...join }, [flat]);
  if (program !== undefined)
    emitMap(ctx, { name: 'epilogue', program, inputs: [sum, ...extras], result, origin: node.origin });
}
