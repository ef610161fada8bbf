/**
 * Tiles of attention by subgroup matrices: which attention a device multiplies so, and how much of a head a
 * workgroup takes. Passes and joins ask as well as kernels, so it follows from device and sizes alone.
 *
 * It is no choice of the tuner's: matrices sum in steps of their own, and norms by tiles. As with products,
 * sums are f32, halves are multiplied as halves, and f32 is never narrowed.
 */
import { alignUp } from './graph/dims.ts';
import { type Node, numericShape } from './graph/types.ts';
import {
  type DeviceProfile,
  fitsWorkgroup,
  hasQuads,
  linePadding,
  matrixConfig,
  type ProductConfig,
  type SubgroupSize,
  subgroupOf,
} from './profile.ts';

/**
 * `forward`; all gradients at once (`gradients`: a workgroup has a whole head); that of q, or those of k and v
 * (either alone, too).
 */
export type AttentionUse = 'forward' | 'gradients' | 'grad_q' | 'grad_kv';

export interface AttentionSizes {
  readonly queries: number;
  readonly keys: number;
  readonly width: number;
  /** All operands are stored as halves. */
  readonly halves: boolean;
}

export interface AttentionTile {
  /** Among schedules: its matrices and their elements. */
  readonly id: string;
  readonly config: ProductConfig;
  readonly subgroup: SubgroupSize;
  /** Whether matrices lie in arrays of vec4s. */
  readonly packed: boolean;
  /** Owned rows of a subgroup, of which each has one or two invocations; subgroups of a workgroup. */
  readonly strip: number;
  readonly strips: number;
  /** Rows of the other side that are walked at a time. */
  readonly walked: number;
  /** Columns of f32 results that pass through workgroup memory at a time. */
  readonly chunk: number;
  /** Width of a head in whole matrices. */
  readonly width: number;
}

/** Rows of either side, beyond which invocations hold too many weights. */
const mostRows = 96;

/** Sums of wider heads are too many for registers. */
const widest = 128;

/** Whether weights and a row's sums, which are kept while tiles are walked, are too many for registers. */
const isTooMuch = ({ walked, width }: AttentionTile) => walked > 48 || walked * width > 4096;

/** The tiles' arrays in workgroup memory, in elements: `own` and `walked` rows, weights of pairs, f32 results. */
export function attentionArrays(tile: AttentionTile, use: AttentionUse, walkedRows: number) {
  const padding = linePadding[tile.config.component];
  const rows = tile.strip * tile.strips;
  const own = rows * (tile.width + padding);
  const weights = rows * (tile.walked + padding);
  // The weights of all of a row take the place of its query, which is of no more use.
  const shared = use === 'forward' && tile.walked >= walkedRows;
  return {
    shared,
    own: shared ? Math.max(own, weights) : own,
    walked: tile.walked * (tile.width + padding),
    weights: shared ? 0 : weights,
    results: rows * (tile.chunk + linePadding.f32),
    /** f32 values of rows: the factors of results, or log-sum-exp and delta of those walked. */
    scalars: use === 'forward' ? rows : use === 'grad_kv' ? 2 * tile.walked : 0,
  };
}

function bytesOf(tile: AttentionTile, use: AttentionUse, walkedRows: number): number {
  const { own, walked, weights, results, scalars } = attentionArrays(tile, use, walkedRows);
  return (own + walked + weights) * (tile.config.component === 'f16' ? 2 : 4) + 4 * (results + scalars);
}

/** What attention is multiplied by on a device; undefined where it is not by matrices. */
export function attentionMatrices(
  profile: DeviceProfile,
  halves: boolean,
): Pick<AttentionTile, 'id' | 'config' | 'subgroup' | 'packed' | 'strip'> | undefined {
  const subgroup = subgroupOf(profile);
  const config = (halves ? matrixConfig(profile, 'f16') : undefined) ?? matrixConfig(profile, 'f32');
  if (profile.kind === 'cpu' || subgroup === undefined || config === undefined || !hasQuads(profile))
    return undefined;
  const { m, n, k, component } = config;
  const id = `a${m}x${n}x${k}-${component}`;
  const strip = Math.max(m, k, subgroup.size / 2);
  if (strip > subgroup.size || strip % m !== 0 || profile.avoid?.includes(id)) return undefined;
  return { id, config, subgroup, strip, packed: profile.vendor !== 'apple' };
}

/** 1 to `count`. */
const counts = (count: number) => Array.from({ length: count }, (_, i) => i + 1);

/**
 * The tile for a use: of those that fit, the one that pads rows least and stages the other side least often;
 * undefined without matrices, or where a workgroup cannot hold one.
 */
export function attentionTile(
  profile: DeviceProfile,
  use: AttentionUse,
  { queries, keys, width, halves }: AttentionSizes,
): AttentionTile | undefined {
  const matrices = attentionMatrices(profile, halves);
  if (matrices === undefined) return undefined;
  const { config, strip, subgroup } = matrices;
  const unit = Math.max(config.n, config.k);
  const [own, walked] = use === 'grad_kv' ? [keys, queries] : [queries, keys];
  const whole = use === 'gradients';
  const [ownAll, walkedAll] = [Math.ceil(own / strip), Math.ceil(walked / unit)];
  if (width > widest || (whole && Math.max(own, walked) > mostRows)) return undefined;
  let best: AttentionTile | undefined;
  let least = Number.POSITIVE_INFINITY;
  for (const strips of whole ? [ownAll] : counts(Math.min(ownAll, Math.floor(mostRows / strip) || 1)))
    for (const columns of whole ? [walkedAll] : counts(Math.min(walkedAll, Math.floor(mostRows / unit))))
      for (const chunk of [32, 16, 8]) {
        const tile: AttentionTile = {
          ...matrices,
          strips,
          walked: columns * unit,
          chunk: Math.min(chunk, columns * unit),
          width: alignUp(width, unit),
        };
        const fits =
          chunk % config.n === 0 &&
          chunk % ((4 * subgroup.size) / strip) === 0 &&
          fitsWorkgroup(profile, strips * subgroup.size, bytesOf(tile, use, walked));
        const turns = Math.ceil(walked / tile.walked);
        if (!fits || (turns > 1 && isTooMuch(tile))) continue;
        const area = Math.ceil(own / (strips * strip)) * strips * strip * turns * tile.walked;
        // Where rows are walked in several turns, the forward pass takes their scores twice.
        const again = use === 'forward' && turns > 1 ? 1.5 : 1;
        // A multiprocessor has some 64 KiB for its workgroups, and each waits at barriers.
        const beside = 1 + 0.5 / Math.max(1, Math.floor(65536 / bytesOf(tile, use, walked)));
        const cost = area * again * beside * (1 + 16 / (strips * strip) + 16 / tile.walked + 1 / chunk);
        if (cost < least) [best, least] = [tile, cost];
      }
  return best;
}

/** Sizes of a head by the types of its q, k, v and, in a gradient, dout. */
export function attentionSizes(operands: readonly Pick<Node, 'type'>[]): AttentionSizes {
  const [, , queries, width] = numericShape(operands[0]!.type) as [number, number, number, number];
  const keys = numericShape(operands[1]!.type)[2]!;
  return { queries, keys, width, halves: operands.every(({ type }) => type.dtype === 'f16') };
}
