/**
 * Which places of a batch are which lane's.
 *
 * Lanes take turns in the endless order of a source's places, and stand side by side in a batch: first the places of
 * lane 0, then those of lane 1. Turns go through the lanes by their digits in reverse, so that of any R · n turns one
 * after the other each R-th part of the lanes has n: with R ranks, each has the same lanes in every batch.
 */
import type { RankShare } from '../source-context.ts';

/** The turn of each lane: its digits to the prime factors of the number of lanes, in reverse. */
export function turnsOf(lanes: number): number[] {
  let turns = [0];
  for (let rest = lanes, factor = 2; rest > 1; ) {
    if (rest % factor !== 0) {
      factor++;
      continue;
    }
    const { length } = turns;
    const before = turns;
    const count = factor;
    turns = before.flatMap((turn) => Array.from({ length: count }, (_, digit) => turn + digit * length));
    rest /= factor;
  }
  return turns;
}

/** Places of a batch before each lane's, and all of them. */
export function placesBefore(turns: readonly number[], start: number, places: number): number[] {
  const { length } = turns;
  const first = start % length;
  const every = Math.floor(places / length);
  const more = places % length;
  const before = [0];
  for (const turn of turns) {
    const own = every + ((turn - first + length) % length < more ? 1 : 0);
    before.push(before.at(-1)! + own);
  }
  return before;
}

export interface LaneUse {
  /** Whether this rank has places of the lane in some batch. */
  readonly used: boolean;
  /** The first rank that has: what is found in the lane is told by this one. */
  readonly told: boolean;
}

/** Which lanes a rank reads where every batch is of these lanes alone. */
export function lanesOf(turns: readonly number[], batch: number, { rank, size }: RankShare): LaneUse[] {
  const rows = batch / size;
  const first = turns.map(() => Number.POSITIVE_INFINITY);
  const used = turns.map(() => false);
  const starts = batch % turns.length === 0 ? 1 : turns.length;
  for (let start = 0; start < starts; start++) {
    const before = placesBefore(turns, start, batch);
    for (const lane of turns.keys()) {
      const [from, to] = [before[lane]!, before[lane + 1]!];
      if (from === to) continue;
      const lowest = Math.floor(from / rows);
      first[lane] = Math.min(first[lane]!, lowest);
      used[lane] ||= lowest <= rank && rank <= Math.floor((to - 1) / rows);
    }
  }
  return turns.map((_, lane) => ({ used: used[lane]!, told: first[lane] === rank }));
}
