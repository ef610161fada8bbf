/**
 * The outermost loops of a program. Lines between a label and a branch back to it do not tell: compilers put parts of a turn behind
 * all else, and jump into the middle of one.
 */
import type { Block, Program } from './program.ts';

/** All blocks that may run behind one, itself included only where it may run again. */
function reachable(program: Program, from: Block): Set<Block> {
  const byName = new Map(program.map((block) => [block.name, block]));
  const found = new Set<Block>();
  const waiting = [from];
  for (let block = waiting.pop(); block !== undefined; block = waiting.pop()) {
    for (const name of block.successors) {
      const next = byName.get(name);
      if (next === undefined || found.has(next)) continue;
      found.add(next);
      waiting.push(next);
    }
  }
  return found;
}

/** Blocks of each loop as printed: those that lead to one another. */
export function loopsOf(program: Program): Block[][] {
  const behind = new Map(program.map((block) => [block, reachable(program, block)]));
  const loops: Block[][] = [];
  for (const block of program) {
    if (!behind.get(block)!.has(block) || loops.some((loop) => loop.includes(block))) continue;
    loops.push(program.filter((b) => behind.get(block)!.has(b) && behind.get(b)!.has(block)));
  }
  return loops;
}
