/**
 * What a product costs a GPU by whole waves: its multiprocessors take one tile after the other, and who has no
 * more waits for the last.
 *
 * 150 tiles on 132 multiprocessors take as long as 264; half as large, 300 of them take as long as 198 of the
 * larger. Costs are in multiplications of one multiprocessor at the rate of the best tile, and rank only.
 */
import type { DeviceProfile } from '../../profile.ts';

/** Of a GPU that does not tell: those of large cards have 80 to 144. */
const usualMultiprocessors = 128;

/** The share of its rate that a multiprocessor reaches with one workgroup, which computes or waits; estimated. */
const alone = 0.7;

export interface GridTile {
  readonly rows: number;
  readonly columns: number;
  /** Of the rate that the best tile reaches where multiprocessors are busy; absent where it must be measured. */
  readonly rate?: number;
}

interface GridWork {
  readonly batch: number;
  readonly m: number;
  readonly n: number;
}

/** Cost of one step of K with a tile. */
export function gridCost(
  { multiprocessors = usualMultiprocessors }: DeviceProfile,
  { rows, columns, rate = 1 }: GridTile,
  { batch, m, n }: GridWork,
): number {
  const turns = Math.ceil((batch * Math.ceil(m / rows) * Math.ceil(n / columns)) / multiprocessors);
  return ((turns === 1 ? 1 / alone : turns) * rows * columns) / rate;
}

type Beside = readonly (GridWork & { readonly k: number })[];

/** Cost of two products whose workgroups come in one launch, those of the longer K first, which leave none waiting. */
export function besideCost(
  { multiprocessors = usualMultiprocessors }: DeviceProfile,
  { rows, columns, rate = 1 }: GridTile,
  works: Beside,
): number {
  const tiles = works
    .map(({ batch, m, n, k }) => ({ k, count: batch * Math.ceil(m / rows) * Math.ceil(n / columns) }))
    .sort((one, other) => other.k - one.k);
  const alike = tiles.reduce((all, { count }) => all + count, 0) <= multiprocessors;
  // Multiprocessors that are free at the same time; there are two such groups at most.
  let free = [{ at: 0, count: multiprocessors }];
  let end = 0;
  for (const { k, count } of tiles) {
    const ready: typeof free = [];
    for (let left = count; left > 0; ) {
      free.sort((one, other) => one.at - other.at);
      const first = free.shift()!;
      const taken = Math.min(left, first.count);
      left -= taken;
      end = Math.max(end, first.at + k);
      if (taken < first.count) ready.push({ at: first.at, count: first.count - taken });
      const same = free.find(({ at }) => at === first.at + k);
      if (same) same.count += taken;
      else free.push({ at: first.at + k, count: taken });
    }
    free = [...ready, ...free];
  }
  return ((alike ? end / alone : end) * rows * columns) / rate;
}

/** Of tiles with a rate the one of the least cost, the first of equals; any other where there is none. */
export function cheapestTile<T extends GridTile>(
  profile: DeviceProfile,
  tiles: readonly T[],
  work: GridWork & { readonly beside?: Beside },
): T {
  const rated = tiles.filter(({ rate }) => rate !== undefined);
  const cost = (tile: T) =>
    work.beside ? besideCost(profile, tile, work.beside) : gridCost(profile, tile, work);
  return (rated.length > 0 ? rated : tiles).reduce((best, tile) => (cost(tile) < cost(best) ? tile : best));
}
