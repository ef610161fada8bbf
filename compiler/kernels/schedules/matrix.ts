/**
 * Schedules of products by subgroup matrices ("tensor cores"): tiles in units of elements, made for each
 * configuration that a device offers and its subgroup size and limits allow.
 *
 * Sums are f32 throughout: configurations that add up in f16 are not used. Of several that serve one element
 * type the device's largest is taken for all tiles, and K is cut into its steps from the front; so a choice
 * of tile changes no bit.
 */
import {
  type DeviceProfile,
  fitsWorkgroup,
  linePadding,
  type MatrixElement,
  matrixConfig,
  type ProductConfig,
  type SubgroupSize,
  subgroupOf,
} from '../../profile.ts';
import type { Storage } from '../text/view.ts';
import type { Schedule } from './types.ts';

export interface MatrixTile extends Schedule {
  readonly kind: 'matrix';
  readonly config: ProductConfig;
  /** Tile of the result one workgroup makes, and the depth staged through workgroup memory at a time. */
  readonly rows: number;
  readonly columns: number;
  readonly depth: number;
  /** Rows and columns of one subgroup: a grid of matrices. */
  readonly rowsPerSubgroup: number;
  readonly columnsPerSubgroup: number;
  /**
   * 2: the next slice is loaded while one is multiplied. The units of each tile then divide evenly among the
   * invocations.
   */
  readonly buffers: 1 | 2;
  readonly subgroup: SubgroupSize;
  /**
   * Whether tiles lie in workgroup memory as vec4s where they can, so that matrices are stored and loaded in
   * wide pieces.
   */
  readonly packed: boolean;
  /** Whether lines of a tile lie along K whatever the operand's layout, where it is read as vec4s. */
  readonly transposes: boolean;
  /** Whether workgroup memory is scarcer than registers: results then go through less of it, in more rounds. */
  readonly scarce: boolean;
  /** See waves.ts; only of tiles that may be taken unmeasured. */
  readonly rate?: number;
}

interface Shape {
  readonly rows: number;
  readonly columns: number;
  readonly depth: number;
  readonly rowsPerSubgroup: number;
  readonly columnsPerSubgroup: number;
  readonly buffers: 1 | 2;
  readonly rate?: number;
}

const shape = (
  rows: number,
  columns: number,
  depth: number,
  [rowsPerSubgroup, columnsPerSubgroup]: readonly [number, number],
  buffers: Shape['buffers'] = 1,
): Shape => ({ rows, columns, depth, rowsPerSubgroup, columnsPerSubgroup, buffers });

const rated = (rate: number, s: Shape): Shape => ({ ...s, rate });

/**
 * Reasoned, not measured: 32×32 to 64×64 results a subgroup keep the matrix units busy between loads from
 * workgroup memory (each element of a tile is loaded once for 32 to 64 multiplications) and leave registers
 * for two workgroups on a multiprocessor. The first four are the defaults: what a tile loads for each
 * multiplication, from memory and from workgroup memory, decides their rates (a product at 350 TFLOP/s in tiles
 * of 64×64 reads 11 TB/s, more than a large card's second cache gives). The others are for the tuner.
 */
const shapes: readonly Shape[] = [
  rated(1, shape(128, 128, 32, [64, 32])),
  rated(0.9, shape(128, 64, 32, [32, 32])),
  rated(0.7, shape(64, 64, 32, [32, 32])),
  rated(0.35, shape(32, 32, 32, [16, 16])),
  shape(128, 128, 32, [64, 64]),
  shape(128, 128, 16, [64, 32]),
  shape(64, 128, 32, [32, 64]),
  shape(64, 64, 64, [32, 32]),
  shape(64, 64, 16, [32, 32]),
  shape(64, 32, 32, [32, 16]),
  shape(32, 64, 32, [16, 32]),
  shape(16, 64, 64, [16, 16]),
  shape(128, 128, 16, [64, 32], 2),
  shape(128, 64, 32, [32, 32], 2),
  shape(64, 64, 32, [32, 32], 2),
  shape(32, 32, 32, [16, 16], 2),
];

function tileOf(
  s: Shape,
  config: ProductConfig,
  device: Pick<MatrixTile, 'subgroup' | 'packed' | 'transposes' | 'scarce'>,
): MatrixTile {
  const { rows, columns, depth, rowsPerSubgroup, columnsPerSubgroup } = s;
  const id = `m${rows}x${columns}x${depth}-${rowsPerSubgroup}x${columnsPerSubgroup}${s.buffers === 2 ? '-b2' : ''}-${config.component}`;
  return { ...s, id, kind: 'matrix', config, ...device };
}

/** Subgroups of a workgroup, down and across the tile. */
export function subgroupGrid(tile: MatrixTile): readonly [down: number, across: number] {
  return [tile.rows / tile.rowsPerSubgroup, tile.columns / tile.columnsPerSubgroup];
}

export function invocationsOf(tile: MatrixTile): number {
  const [down, across] = subgroupGrid(tile);
  return down * across * tile.subgroup.size;
}

/** Rows of results that pass through workgroup memory at a time. */
export function resultLines(tile: MatrixTile): number {
  return tile.config.m * (tile.scarce ? 1 : subgroupGrid(tile)[0]);
}

/**
 * Elements that a tile takes of each array in workgroup memory, its lines along `k` (or along rows or
 * columns).
 */
export function arraySizes(
  tile: MatrixTile,
  along: { readonly a: 'outer' | 'k'; readonly b: 'outer' | 'k' },
) {
  const { rows, columns, depth, config, buffers } = tile;
  const padding = linePadding[config.component];
  const size = (extent: number, axis: 'outer' | 'k') =>
    buffers * (axis === 'k' ? extent * (depth + padding) : depth * (extent + padding));
  return {
    a: size(rows, along.a),
    b: size(columns, along.b),
    result: resultLines(tile) * (columns + linePadding.f32),
  };
}

/** The most bytes of workgroup memory a tile takes, whatever the operands' layouts. */
export function matrixBytes(tile: MatrixTile): number {
  const byK = arraySizes(tile, { a: 'k', b: 'k' });
  const byOuter = arraySizes(tile, { a: 'outer', b: 'outer' });
  const operands = Math.max(byK.a, byOuter.a) + Math.max(byK.b, byOuter.b);
  return operands * (tile.config.component === 'f16' ? 2 : 4) + byK.result * 4;
}

function allowed(tile: MatrixTile, profile: DeviceProfile): boolean {
  const { config, depth, rowsPerSubgroup, columnsPerSubgroup } = tile;
  const even = [tile.rows, tile.columns].every(
    (extent) => ((depth * extent) / 4) % invocationsOf(tile) === 0,
  );
  if (tile.buffers === 2 && !even) return false;
  return (
    depth % config.k === 0 &&
    rowsPerSubgroup % config.m === 0 &&
    columnsPerSubgroup % config.n === 0 &&
    fitsWorkgroup(profile, invocationsOf(tile), matrixBytes(tile))
  );
}

/** Every product of a plan asks for them. */
const tilesOf = new WeakMap<DeviceProfile, readonly MatrixTile[]>();

/**
 * All tiles of subgroup matrices that a device allows, those of halves first; none for software adapters. Without those to
 * avoid: where none is left, products are made as on a device that has no subgroup matrices.
 */
export function matrixTiles(profile: DeviceProfile): readonly MatrixTile[] {
  const known = tilesOf.get(profile);
  if (known !== undefined) return known;
  const made = makeTiles(profile);
  tilesOf.set(profile, made);
  return made;
}

function makeTiles(profile: DeviceProfile): MatrixTile[] {
  const subgroup = subgroupOf(profile);
  if (profile.kind === 'cpu' || subgroup === undefined || !profile.features.includes('subgroups')) return [];
  // Vulkan says what matrices in arrays of vectors are; Metal's own loads know scalars alone.
  const packed = profile.vendor !== 'apple';
  // RDNA 3 reads a matrix across the lines of a tile by single halves; others have loads that transpose. Two workgroups
  // have the 64 KiB of a compute unit between them.
  const amd = profile.vendor === 'amd';
  return (['f16', 'f32'] as const).flatMap((element) => {
    const config = matrixConfig(profile, element);
    if (config === undefined) return [];
    return shapes
      .map((s) => tileOf(s, config, { subgroup, packed, transposes: amd, scarce: amd }))
      .filter((tile) => allowed(tile, profile) && !profile.avoid?.includes(tile.id));
  });
}

/**
 * The element type in which a device multiplies operands by subgroup matrices; undefined where it does not.
 * Halves are multiplied as halves or widened, but f32 is never narrowed: it needs matrices of f32.
 */
export function matrixElement(
  profile: DeviceProfile,
  a: Pick<Storage, 'dtype'>,
  b: Pick<Storage, 'dtype'>,
): MatrixElement | undefined {
  const tiles = matrixTiles(profile);
  const has = (element: MatrixElement) => tiles.some(({ config }) => config.component === element);
  if (a.dtype === 'f16' && b.dtype === 'f16' && has('f16')) return 'f16';
  return has('f32') ? 'f32' : undefined;
}
