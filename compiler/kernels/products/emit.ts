/**
 * Kernels of products: their bindings, the tile of the device, the text; of one product, or of two in one launch.
 */
import { alignUp } from '../../graph/dims.ts';
import type { Origin } from '../../graph/types.ts';
import type { DeviceProfile, MatrixElement } from '../../profile.ts';
import { type ContractTile, readsStorage } from '../schedules/contract.ts';
import { matrixElement } from '../schedules/matrix.ts';
import { chooseSchedule } from '../schedules/schedules.ts';
import { bytesOf } from '../text/access.ts';
import { gridOf, type KernelArg, type LowerContext } from '../text/kernel.ts';
import { elementBytes, type Width } from '../text/memory.ts';
import { printBeside, printEntry, type TileText, workgroupsOf } from '../text/tile-text.ts';
import type { View } from '../text/view.ts';
import { programHelpers } from '../text/wgsl.ts';
import { mapsInPlace, printRegisterTile, registerTileGrid } from './contract-cpu.ts';
import { printWorkgroupTile, workgroupTileGrid } from './contract-gpu.ts';
import { matrixExtensions, matrixTileGrid, printMatrixTile } from './contract-matrix.ts';
import { printQuadTile } from './contract-quads.ts';
import {
  type Contraction,
  type ImageStrides,
  type Operand,
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
import { costLessBeside } from './pieces.ts';
import { denseAxis, stagedVectors } from './staging.ts';

/** Views of what a normalisation reads in the kernel. */
function normalisationViews({ normalise }: Contraction): readonly View[] {
  if (!normalise) return [];
  const { moments, weight, bias, folded } = normalise;
  return folded ? [moments] : [moments, weight, bias];
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

/** What sets a product apart from the first one of its launch: its names, and what is bound already. */
interface Beside {
  readonly suffix: string;
  readonly bound: readonly KernelArg[];
}

const first: Beside = { suffix: '', bound: [] };

/** One binding for each storage, named after its first use. */
function bindOperands(
  c: Contraction,
  { aVector, bVector }: Loads,
  extraVectors: readonly boolean[],
  vectors: (operand: Operand) => boolean,
  { suffix, bound }: Beside,
): ProductArgs & { readonly more: readonly KernelArg[]; readonly read: readonly KernelArg[] } {
  const args: KernelArg[] = [];
  const bind = ({ storage }: View, name: string, width: Width): KernelArg => {
    const same = (arg: KernelArg) => arg.storage.id === storage.id;
    const known = args.find(same) ?? bound.find((arg) => same(arg) && arg.width === width);
    if (known) return known;
    const arg: KernelArg = { name: `${name}${suffix}`, width, storage, access: 'read' };
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
  /** The kernel, or what two of one launch are put together from. */
  readonly text: string | TileText;
  readonly grid: readonly [number, number, number];
  readonly enables?: readonly string[];
}

/**
 * @param alone whether an operand's storage is bound for it alone
 * @param suffix of functions
 */
function printTile(
  c: Contraction,
  tile: ContractTile,
  args: ProductArgs,
  printer: ResultPrinter,
  alone: (arg: KernelArg) => boolean,
  suffix: string,
): Tiled {
  switch (tile.kind) {
    case 'registers':
      return { text: printRegisterTile(c, tile, args, printer), grid: registerTileGrid(c, tile) };
    case 'quads':
      return {
        text: printQuadTile(c, tile, args, printer),
        grid: registerTileGrid(c, tile),
        enables: ['subgroups'],
      };
    case 'workgroup':
      return { text: printWorkgroupTile(c, tile, args, printer), grid: workgroupTileGrid(c, tile) };
    case 'matrix': {
      const asStored = (arg: KernelArg) => tile.config.component === 'f16' && alone(arg);
      return {
        text: printMatrixTile(c, tile, { ...args, asStored, suffix }, printer),
        grid: matrixTileGrid(c, tile),
        enables: matrixExtensions(tile),
      };
    }
  }
}

/** Kinds of tiles that kernels are named after. */
const named: ReadonlySet<ContractTile['kind']> = new Set(['matrix', 'quads']);

const nameOf = ({ kind, rows, columns }: ContractTile) =>
  `${named.has(kind) ? `${kind}_` : ''}${rows}x${columns}`;

/** Functions that programs call, each once. */
function helpersOf(products: readonly Contraction[]): string {
  const programs = products.flatMap(({ epilogue, second }) => [epilogue, second?.program]);
  const texts = programs.flatMap((program) => (program ? programHelpers(program, 4) : []));
  return [...new Set(texts)].join('');
}

/** A product whose tile is to be chosen. */
function asWork(profile: DeviceProfile, c: Contraction) {
  const shared = sharedStorages(c);
  const modes = loadsOf(profile, c, shared);
  return { c, shared, modes, size: productSize(c, modes) };
}

/** A product's kernel with a tile, or its part of one. */
function printed({ c, shared, modes }: ReturnType<typeof asWork>, tile: ContractTile, beside = first) {
  const { suffix } = beside;
  /** What a product writes: its result, and the moments of that one's rows. */
  const written = (name: string, width: Width, { storage }: View): KernelArg => ({
    name: `${name}${suffix}`,
    width,
    storage,
    access: 'read_write',
  });
  const byColumns = tile.kind === 'registers' && tile.rows % 4 === 0 && storesByColumns(c) && !mapsInPlace(c);
  const isVector = byColumns ? vectorExtraDown : vectorExtra;
  const vectors = (e: Operand) => !shared.has(e.view.storage.id) && isVector(c, e);
  const extraVectors = c.extras.map(vectors);
  // A quad's lanes have rows of their own, one by one.
  const loads = { ...modes, aVector: modes.aVector && tile.kind !== 'quads' };
  const { read, more, ...args } = bindOperands(c, loads, extraVectors, vectors, beside);
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
  const elements = c.batch * c.m * c.n;
  return {
    ...printTile(c, tile, own, printer, alone, suffix),
    args: [
      ...read,
      result,
      ...(c.moments ? [written('own_stats', 2, c.moments)] : []),
      ...(second ? [second.result] : []),
      ...sums,
    ],
    flops: elements * (2 * c.k + (c.epilogue?.instructions.length ?? 0)),
    bytes:
      c.batch * c.k * (elementBytes(c.a.view.storage) * c.m + elementBytes(c.b.view.storage) * c.n) +
      elementBytes(c.result.view.storage) * elements +
      (c.second ? bytesOf(c.second.result.view, ...c.second.extras.map(({ view }) => view)) : 0),
  };
}

/** Emits the kernel of one product with the schedule of the device. `family` names it in profiles. */
export function emitContraction(ctx: LowerContext, c: Contraction, family: string, origin: Origin): void {
  const work = asWork(ctx.profile, c);
  const { schedule: tile, choice } = chooseSchedule(ctx.profile, 'contract', work.size);
  const { text, grid, enables, args, flops, bytes } = printed(work, tile);
  ctx.emit({
    name: `${family}_${nameOf(tile)}`,
    args,
    body: helpersOf([c]) + (typeof text === 'string' ? text : printEntry(text)),
    ...(enables === undefined ? {} : { enables }),
    workgroups: grid,
    origin,
    flops,
    bytes,
    schedule: choice,
  });
}

/**
 * Emits one kernel of two products, which alone were cut into so many pieces, where that costs less, both tiles lie alike
 * in workgroup memory, and the device binds so many buffers; else nothing.
 */
export function emitBeside(
  ctx: LowerContext,
  products: readonly [Contraction, Contraction],
  pieces: readonly [number, number],
  family: string,
  origin: Origin,
): boolean {
  const { profile } = ctx;
  // Who has the longer sums begins.
  const works = products.map((c) => asWork(profile, c)).sort((one, other) => other.c.k - one.c.k);
  const [one, other] = works as [(typeof works)[0], (typeof works)[0]];
  const sizes = [one.size, other.size] as const;
  const plain = products.every((c) => !c.normalise && !c.moments);
  const ordered = one.c === products[0] ? pieces : ([pieces[1], pieces[0]] as const);
  if (!plain || !costLessBeside(profile, sizes, ordered)) return false;
  const size = { ...one.size, key: sizes.map(({ key }) => key).join(' + '), beside: sizes };
  const { schedule: tile, choice } = chooseSchedule(profile, 'contract', size);
  const left = printed(one, tile);
  const right = printed(other, tile, {
    suffix: '_2',
    bound: left.args.filter(({ access }) => access === 'read'),
  });
  const args = [...left.args, ...right.args];
  const single = new Set(args.map(({ storage }) => storage.id)).size === args.length;
  if (!single || args.length > profile.limits.maxStorageBuffersPerShaderStage) return false;
  const body = printBeside([left, right]);
  if (body === undefined) return false;
  ctx.emit({
    name: `${family}_beside_${nameOf(tile)}`,
    args,
    body: helpersOf(products) + body,
    ...(left.enables === undefined ? {} : { enables: left.enables }),
    workgroups: gridOf(workgroupsOf(left) + workgroupsOf(right), profile),
    origin,
    flops: left.flops + right.flops,
    bytes: left.bytes + right.bytes,
    schedule: choice,
  });
  return true;
}
