/**
 * Schedules of the contract family as data: which tile an invocation makes, per kind of device.
 *
 * The compiler picks by shape from the list of the profile's kind; a tuner that measures candidates on the device only has
 * to reorder or extend these lists. Rates are relative, measured on one adapter of the kind, and rank candidates.
 */
import type { DeviceKind } from '../profile.ts';

export interface RegisterTile {
  readonly kind: 'registers';
  /** Rows and columns (a multiple of 4) of the result one invocation keeps in registers. */
  readonly rows: number;
  readonly columns: number;
  /** Invocations of a workgroup, side by side along the columns. */
  readonly lanes: number;
  /** GFLOP/s when the left operand is read as vec4 along M, and when it is read as uniform scalars. */
  readonly rate: { readonly column: number; readonly scalar: number };
  /** Seconds until the adapter has compiled it: worth spending only on products that are large. */
  readonly compile: number;
}

export interface WorkgroupTile {
  readonly kind: 'workgroup';
  /** Tile of the result one workgroup makes, and the depth staged through workgroup memory at a time. */
  readonly rows: number;
  readonly columns: number;
  readonly depth: number;
  /** Rows of one invocation; its columns are one vec4. */
  readonly rowsPerInvocation: number;
}

/**
 * cpu: lavapipe of Mesa 25 on two AVX2 cores, 400×3072×768. Eight lanes are its SIMD width; an operand all lanes read at
 * one address costs a broadcast, one they read side by side a few loads, anything else a gather. Larger tiles spill.
 */
const registerTiles: readonly RegisterTile[] = [
  { kind: 'registers', rows: 16, columns: 8, lanes: 8, rate: { column: 36, scalar: 26 }, compile: 0.7 },
  { kind: 'registers', rows: 8, columns: 8, lanes: 8, rate: { column: 27, scalar: 25 }, compile: 0.33 },
  { kind: 'registers', rows: 4, columns: 8, lanes: 8, rate: { column: 19, scalar: 18 }, compile: 0.2 },
];

/** gpu: the usual 64×64 tile of 256 invocations with a 4×4 result each; fits every device's default limits. */
const workgroupTiles: readonly WorkgroupTile[] = [
  { kind: 'workgroup', rows: 64, columns: 64, depth: 16, rowsPerInvocation: 4 },
  { kind: 'workgroup', rows: 32, columns: 64, depth: 16, rowsPerInvocation: 4 },
];

export const contractSchedules: {
  readonly cpu: readonly RegisterTile[];
  readonly gpu: readonly WorkgroupTile[];
} & Record<DeviceKind, readonly (RegisterTile | WorkgroupTile)[]> = {
  cpu: registerTiles,
  gpu: workgroupTiles,
};

/** How often a plan's product is assumed to run: what its compilation is spread over. */
const assumedRuns = 200;

/** The register tile with the least estimated time for a product of M rows and `flopsOfRow` FLOPs a row, compilation included. */
export function chooseRegisterTile(m: number, flopsOfRow: number, columnOperand: boolean): RegisterTile {
  const time = (tile: RegisterTile) => {
    const rate = 1e9 * (columnOperand ? tile.rate.column : tile.rate.scalar);
    return (Math.ceil(m / tile.rows) * tile.rows * flopsOfRow) / rate + tile.compile / assumedRuns;
  };
  return contractSchedules.cpu.reduce((best, tile) => (time(tile) < time(best) ? tile : best));
}

/** The largest workgroup tile that M fills at least half. */
export function chooseWorkgroupTile(m: number): WorkgroupTile {
  const { gpu } = contractSchedules;
  return gpu.find((tile) => m > tile.rows / 2) ?? gpu.at(-1)!;
}
