/** The loop of a product over K, and how its loads from memory are waited for. */
import { loopsOf } from './loops.ts';
import type { Instruction, Program } from './program.ts';

export interface ProductLoop {
  /** As they stand: inner loops count once. */
  readonly instructions: number;
  readonly loads: number;
  /** How often a turn waits until no load is under way: the latencies of memory that follow one another. */
  readonly waits: number;
  /** Those of them for a single load. */
  readonly alone: number;
}

/** The loop with the most multiplications; loops that stage lie within it. */
function findTurn(program: Program): Instruction[] | undefined {
  const turns = loopsOf(program).map((blocks) => blocks.flatMap((b) => b.instructions));
  const ranked = turns
    .map((turn) => ({ turn, work: turn.reduce((sum, i) => sum + i.multiplies, 0) }))
    .filter(({ work }) => work > 0)
    .sort((a, b) => b.work - a.work);
  return ranked[0]?.turn;
}

/** Goes through a turn; loads that are under way at its end are under way when the next one begins. */
function countWaits(
  turn: readonly Instruction[],
  underWay: Map<number, number>,
): [waits: number, alone: number] {
  const total = (): number => [...underWay.values()].reduce((sum, n) => sum + n, 0);
  let most = total();
  let waits = 0;
  let alone = 0;
  for (const { wait, load } of turn) {
    for (const slot of wait?.slots ?? []) {
      const left = Math.min(underWay.get(slot) ?? 0, wait!.left);
      underWay.set(slot, left);
    }
    if (most > 0 && total() === 0) {
      waits++;
      if (most === 1) alone++;
      most = 0;
    }
    if (load !== undefined) underWay.set(load, (underWay.get(load) ?? 0) + 1);
    most = Math.max(most, total());
  }
  return [waits, alone];
}

/** Undefined where nothing is multiplied in a loop: K may be short enough to have none. */
export function productLoop(program: Program): ProductLoop | undefined {
  const turn = findTurn(program);
  if (turn === undefined) return undefined;
  const underWay = new Map<number, number>();
  countWaits(turn, underWay);
  const [waits, alone] = countWaits(turn, underWay);
  return { instructions: turn.length, loads: turn.filter((i) => i.load !== undefined).length, waits, alone };
}
