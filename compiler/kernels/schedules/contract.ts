/**
 * Schedules of the contract family: which tile of the result an invocation or a workgroup makes.
 *
 * The lists are the search space of every device class; the order is that of preference where no rate
 * decides. Each list says where its defaults come from. Whatever the tile, an element is summed along K in
 * order, so all give the same bits. Subgroup matrices (schedules-matrix.ts) sum in an order of their own:
 * whether they are used follows from the device and the operands alone and is no choice.
 */
import { alignUp } from '../../graph/dims.ts';
import { momentColumns } from '../../ops/group-moments.ts';
import {
  type DeviceClass,
  type DeviceProfile,
  deviceClass,
  fitsWorkgroup,
  hasQuads,
  type MatrixElement,
} from '../../profile.ts';
import { type MatrixTile, matrixTiles } from './matrix.ts';
import type { Schedule, SearchSpace, Work } from './types.ts';
import { besideCost, cheapestTile, type GridTile, gridCost } from './waves.ts';

export interface RegisterTile extends Schedule {
  readonly kind: 'registers';
  /** Rows and columns (a multiple of 4) of the result one invocation keeps in registers. */
  readonly rows: number;
  readonly columns: number;
  /** Invocations of a workgroup, side by side along the columns. */
  readonly lanes: number;
  /**
   * Which workgroups come one after the other: those of a row of tiles, or those of a column, which share the
   * right operand.
   */
  readonly order: 'across' | 'down';
  /**
   * GFLOP/s when the left operand is read as vec4 along M (absent where rows are no multiple of 4), and as
   * uniform scalars.
   */
  readonly rate: { readonly column?: number; readonly scalar: number };
  /** A smaller tile for the last rows of the result, where no more than these are left. */
  readonly tail?: Pick<RegisterTile, 'rows' | 'rate'>;
  /** Seconds until the adapter has compiled it: worth spending only on products that are large. */
  readonly compile: number;
}

export interface WorkgroupTile extends Schedule {
  readonly kind: 'workgroup';
  /** Tile of the result one workgroup makes, and the depth staged through workgroup memory at a time. */
  readonly rows: number;
  readonly columns: number;
  readonly depth: number;
  /** Rows and columns (a multiple of 4) of one invocation. */
  readonly rowsPerInvocation: number;
  readonly columnsPerInvocation: number;
  /**
   * 2: the next slice is loaded while one is multiplied. The elements of each tile then divide evenly among
   * the invocations.
   */
  readonly buffers: 1 | 2;
  /** See waves.ts; only of tiles that may be taken unmeasured. */
  readonly rate?: number;
}

/** A workgroup of four invocations, neighbours in a subgroup, which swap what they load. */
export interface QuadTile extends Schedule, Pick<RegisterTile, 'order' | 'compile' | 'rate' | 'tail'> {
  readonly kind: 'quads';
  /** Rows (a multiple of 4) and columns (a multiple of 16) of the result that a quad keeps in registers. */
  readonly rows: number;
  readonly columns: number;
}

export const quadSize = 4;

export type ContractTile = RegisterTile | WorkgroupTile | MatrixTile | QuadTile;
type PlainTile = Exclude<ContractTile, MatrixTile>;

/** A product as far as its tile depends on it. */
export interface ProductSize extends Work {
  readonly batch: number;
  readonly m: number;
  readonly n: number;
  readonly k: number;
  /** Whether the left operand can be read as vec4 along M. */
  readonly columnOperand: boolean;
  /** Whether quads can make it: K runs along one axis, the right operand is read as vec4, nothing is normalised. */
  readonly quads: boolean;
  /** Whether moments of the result's rows are wanted: a tile must then hold whole groups of columns. */
  readonly moments: boolean;
  /** By subgroup matrices of these elements; undefined where the operands and the device do not allow it. */
  readonly matrix?: MatrixElement | undefined;
  /** The two products of one launch (beside.ts), this one the first. */
  readonly beside?: readonly ProductSize[];
}

const registers = (
  rows: number,
  columns: number,
  lanes: number,
  rate: RegisterTile['rate'],
  compile: number,
  order: RegisterTile['order'],
): RegisterTile => ({
  id: `r${rows}x${columns}x${lanes}-${order}`,
  kind: 'registers',
  rows,
  columns,
  lanes,
  order,
  rate,
  compile,
});

const quads = (rows: number, columns: number, scalar: number, compile: number): QuadTile => ({
  id: `q${rows}x${columns}-down`,
  kind: 'quads',
  rows,
  columns,
  order: 'down',
  rate: { scalar },
  compile,
});

const workgroup = (
  rows: number,
  columns: number,
  depth: number,
  [rowsPerInvocation, columnsPerInvocation]: readonly [number, number],
  buffers: WorkgroupTile['buffers'] = 1,
): WorkgroupTile => ({
  id: `w${rows}x${columns}x${depth}-${rowsPerInvocation}x${columnsPerInvocation}${buffers === 2 ? '-b2' : ''}`,
  kind: 'workgroup',
  rows,
  columns,
  depth,
  rowsPerInvocation,
  columnsPerInvocation,
  buffers,
});

const rated = (rate: number, tile: WorkgroupTile): WorkgroupTile => ({ ...tile, rate });

/** The same with a tile of its own for the last rows. */
const withTail = (tile: RegisterTile, last: RegisterTile): RegisterTile => ({
  ...tile,
  id: tile.id.replace('x', `+${last.rows}x`),
  tail: { rows: last.rows, rate: last.rate },
  compile: tile.compile + last.compile,
});

const sixteen = registers(16, 8, 8, { column: 38, scalar: 26 }, 0.7, 'down');
const four = registers(4, 8, 8, { column: 22, scalar: 19 }, 0.2, 'down');

/**
 * Measured: llvmpipe of Mesa 25 on two AVX2 cores, 400×3072×768 (column) and 50×3072×768 (scalar). Eight
 * lanes are its SIMD width; an operand all lanes read at one address costs a broadcast, one they read side by
 * side a few loads, anything else a gather. Larger tiles spill. Rows that are no multiple of 4 fit the 50 and
 * 77 tokens of CLIP's towers; 4 columns fit narrow results; four rows behind threes of sixteen the 50 tokens
 * of one picture. Down the columns is 3 to 15 % faster: the right operand stays in the cache.
 */
const software: readonly RegisterTile[] = [
  sixteen,
  withTail(sixteen, four),
  registers(13, 8, 8, { scalar: 27 }, 0.55, 'down'),
  registers(10, 8, 8, { scalar: 26 }, 0.4, 'down'),
  registers(8, 8, 8, { column: 32, scalar: 25 }, 0.33, 'down'),
  four,
  registers(16, 4, 8, { column: 29, scalar: 19 }, 0.4, 'down'),
  registers(8, 4, 8, { column: 23, scalar: 16 }, 0.2, 'down'),
  registers(4, 4, 8, { column: 17, scalar: 13 }, 0.15, 'down'),
  registers(16, 8, 8, { column: 36, scalar: 25 }, 0.7, 'across'),
  registers(13, 8, 8, { scalar: 26 }, 0.55, 'across'),
  registers(12, 8, 8, { column: 33, scalar: 25 }, 0.5, 'across'),
  registers(8, 8, 8, { column: 30, scalar: 24 }, 0.33, 'across'),
];

/**
 * Measured: SwiftShader 5.0.0 (its Subzero JIT) of Chromium 156, in processor time, GFLOP/s of one core with its last
 * tile whole: 50×768×768, 77×512×512, 400×768×512 and rows up to 8. 52 rows fit the 50 tokens of one picture, 16 its
 * 77 of a text, 32 columns few rows. Convolutions, and products whose right operand is not read as vec4, have register
 * tiles, for which the driver gains nothing from vec4s of the left operand.
 */
const swiftshader: readonly (QuadTile | RegisterTile)[] = [
  quads(52, 16, 4, 0.5),
  quads(32, 32, 4, 0.8),
  quads(16, 16, 3.9, 0.2),
  quads(8, 32, 3.3, 0.2),
  quads(4, 32, 3, 0.1),
  registers(13, 8, 8, { scalar: 2.9 }, 0.1, 'down'),
  registers(12, 8, 8, { column: 3.2, scalar: 3 }, 0.1, 'across'),
  registers(10, 8, 8, { scalar: 2.8 }, 0.1, 'down'),
  registers(16, 8, 8, { column: 3, scalar: 2.9 }, 0.1, 'down'),
  registers(8, 8, 8, { column: 2.8, scalar: 2.5 }, 0.1, 'down'),
  registers(4, 8, 8, { column: 2, scalar: 1.9 }, 0.1, 'down'),
  registers(16, 4, 8, { column: 2.6, scalar: 2.5 }, 0.1, 'down'),
  registers(8, 4, 8, { column: 2, scalar: 2 }, 0.1, 'down'),
  registers(4, 4, 8, { column: 1.5, scalar: 1.4 }, 0.1, 'down'),
];

/**
 * Reasoned, not measured: Apple's GPUs gain nothing from staging in workgroup memory (the design notes of
 * this project, from published kernels), so operands come straight through the cache. 32 lanes are a SIMD
 * group; 8×4 results in each keep registers below the count at which occupancy drops. Rates rank only.
 */
const apple: readonly RegisterTile[] = [
  registers(8, 4, 32, { column: 100, scalar: 90 }, 0, 'across'),
  registers(8, 8, 32, { column: 95, scalar: 85 }, 0, 'across'),
  registers(4, 8, 32, { column: 85, scalar: 80 }, 0, 'across'),
  registers(4, 4, 32, { column: 75, scalar: 70 }, 0, 'across'),
];

/**
 * Reasoned from the literature on NVIDIA, AMD and Intel and from what Mesa's compilers make of them, not measured
 * here: those with a rate are the defaults. Rates follow from the share of multiplications among the instructions of
 * the loop over K and from what is read for each. The others are for the tuner: other depths of staging, and two
 * buffers, which hide the loads behind arithmetic but halve the workgroups that a multiprocessor's memory holds: which
 * counts more differs.
 */
const staged: readonly WorkgroupTile[] = [
  rated(0.65, workgroup(64, 64, 16, [4, 4])),
  rated(0.55, workgroup(32, 64, 16, [4, 4])),
  rated(1, workgroup(128, 128, 16, [8, 8])),
  workgroup(128, 128, 8, [8, 8]),
  rated(0.85, workgroup(128, 64, 16, [8, 4])),
  workgroup(64, 64, 16, [8, 4]),
  workgroup(64, 64, 8, [4, 4]),
  workgroup(64, 64, 32, [4, 4]),
  workgroup(32, 32, 32, [4, 4]),
  workgroup(16, 64, 32, [4, 4]),
  workgroup(64, 64, 16, [4, 4], 2),
  workgroup(64, 64, 8, [4, 4], 2),
  workgroup(32, 64, 16, [4, 4], 2),
  workgroup(128, 64, 8, [8, 4], 2),
  workgroup(128, 128, 8, [8, 8], 2),
];

/**
 * Tiles by class, besides those of subgroup matrices: what is left to `matrix` are products whose operands
 * they do not take.
 */
export const contractTiles: Readonly<Record<DeviceClass, readonly PlainTile[]>> = {
  software,
  swiftshader,
  apple,
  staged,
  matrix: staged,
};

/**
 * Whether products without subgroup matrices read their operands straight from storage here, so that these
 * had better lie dense along the columns.
 */
export function readsStorage(profile: DeviceProfile): boolean {
  return contractTiles[deviceClass(profile)].every(({ kind }) => kind !== 'workgroup');
}

function allowed(tile: PlainTile, profile: DeviceProfile): boolean {
  if (tile.kind === 'quads') return hasQuads(profile);
  if (tile.kind === 'registers') return tile.lanes <= profile.limits.maxComputeWorkgroupSizeX;
  const invocations = (tile.rows / tile.rowsPerInvocation) * (tile.columns / tile.columnsPerInvocation);
  return fitsWorkgroup(profile, invocations, workgroupBytes(tile));
}

/** Bytes of both staged tiles, whose lines are padded by one vec4, and of what normalises the rows. */
export function workgroupBytes({ rows, columns, depth, buffers }: WorkgroupTile): number {
  return 4 * buffers * depth * (rows + 4 + columns + 4) + 8 * rows;
}

/** Columns of the result that one workgroup makes. */
export function tileColumns(tile: PlainTile): number {
  return tile.kind === 'registers' ? tile.columns * tile.lanes : tile.columns;
}

/**
 * How often a kernel is assumed to run, which its compilation is spread over: 200 runs of a model with some
 * ten equal layers.
 */
const assumedRuns = 2000;

/** Estimated seconds of a product, compilation included. */
function estimate(tile: RegisterTile | QuadTile, { batch, m, n, k, columnOperand }: ProductSize): number {
  const rateOf = ({ rate }: Pick<RegisterTile, 'rate'>) =>
    1e9 * ((columnOperand ? rate.column : undefined) ?? rate.scalar);
  const { rows, tail } = tile;
  const rest = m % rows;
  const last = tail !== undefined && rest <= tail.rows ? tail : tile;
  const seconds = (m - rest) / rateOf(tile) + (rest === 0 ? 0 : last.rows / rateOf(last));
  return 2 * batch * k * alignUp(n, tileColumns(tile)) * seconds + tile.compile / assumedRuns;
}

export const contractSpace: SearchSpace<ProductSize, ContractTile> = {
  schedules: (profile) => [
    ...matrixTiles(profile),
    ...contractTiles[deviceClass(profile)].filter((tile) => allowed(tile, profile)),
  ],
  fits(tile, { matrix, columnOperand, moments, quads }) {
    if (tile.kind === 'matrix' || matrix !== undefined)
      return tile.kind === 'matrix' && tile.config.component === matrix;
    if (tile.kind === 'quads' && !quads) return false;
    const reads = tile.kind !== 'registers' || !columnOperand || tile.rate.column !== undefined;
    return reads && (!moments || tileColumns(tile) % momentColumns === 0);
  },
  /** Register tiles: the least estimated time. Others: the least cost by waves. */
  preferred: (fitting, work, profile) => {
    const tiles = fitting.filter((tile) => tile.kind === 'registers' || tile.kind === 'quads');
    if (tiles.length > 0)
      return tiles.reduce((best, tile) => (estimate(tile, work) < estimate(best, work) ? tile : best));
    return cheapestTile<Exclude<ContractTile, RegisterTile | QuadTile>>(
      profile,
      fitting.filter((tile) => tile.kind === 'matrix' || tile.kind === 'workgroup'),
      work,
    );
  },
};

/** The tiles of products of these elements whose operands are staged; undefined where they are read from storage. */
function stagedTiles(
  profile: DeviceProfile,
  matrix: MatrixElement | undefined,
): readonly (MatrixTile | WorkgroupTile)[] | undefined {
  if (matrix === undefined && readsStorage(profile)) return undefined;
  return contractSpace
    .schedules(profile)
    .filter((tile): tile is MatrixTile | WorkgroupTile =>
      matrix === undefined
        ? tile.kind === 'workgroup'
        : tile.kind === 'matrix' && tile.config.component === matrix,
    );
}

type Costs = (work: Pick<ProductSize, 'batch' | 'm' | 'n'>) => number;

/**
 * What a step of K costs products of these elements with the tile that each takes unmeasured (waves.ts); undefined
 * where operands are read straight from storage.
 */
export function stagedCost(profile: DeviceProfile, matrix: MatrixElement | undefined): Costs | undefined {
  const tiles = stagedTiles(profile, matrix);
  return tiles && ((work) => gridCost(profile, cheapestTile<GridTile>(profile, tiles, work), work));
}

/** What two such products cost in one launch. */
export function stagedCostBeside(
  profile: DeviceProfile,
  works: readonly Pick<ProductSize, 'batch' | 'm' | 'n' | 'k' | 'matrix'>[],
): number | undefined {
  const [first] = works;
  const tiles = stagedTiles(profile, first!.matrix);
  return (
    tiles && besideCost(profile, cheapestTile<GridTile>(profile, tiles, { ...first!, beside: works }), works)
  );
}
