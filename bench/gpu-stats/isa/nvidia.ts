/**
 * NVIDIA's instructions as NAK prints them. A load writes to one of six scoreboards (`wr:2`), and an instruction waits for those
 * of its mask (`wt=000100`) before it begins.
 */
import type { Instruction, Program, Wait } from './program.ts';

function waitOf(notes: string): Wait | undefined {
  const mask = /\bwt=([01]+)/.exec(notes)?.[1];
  if (mask === undefined) return undefined;
  const slots = [...mask].reverse().flatMap((bit, slot) => (bit === '1' ? [slot] : []));
  return { slots, left: 0 };
}

function multipliesOf(operation: string): number {
  if (/\b[hi]mma\./.test(operation)) return 1000;
  return /\b(ffma|hfma2)\b/.test(operation) ? 1 : 0;
}

function instructionOf(operation: string, notes: string): Instruction {
  const wait = waitOf(notes);
  const scoreboard = /\bld\.(global|local)\b/.test(operation) ? /\bwr:(\d)/.exec(notes)?.[1] : undefined;
  return {
    multiplies: multipliesOf(operation),
    ...(wait === undefined ? {} : { wait }),
    ...(scoreboard === undefined ? {} : { load: Number(scoreboard) }),
  };
}

/** Blocks stand as `block 8 L21 [7, 49] -> {`, instructions with their notes behind `//`, `} -> [9, 49]`. */
export function readNvidia(text: string): Program {
  return text
    .split(/^block/m)
    .slice(1)
    .map((block) => {
      const lines = block.split('\n');
      const instructions = lines.flatMap((line) => {
        const [operation = '', notes] = line.split('//');
        return notes === undefined ? [] : [instructionOf(operation, notes)];
      });
      const after = /^\} -> \[(.*)\]/m.exec(block)?.[1] ?? '';
      return {
        name: /^\S* (\d+) /.exec(lines[0]!)![1]!,
        instructions,
        successors: after.split(',').map((name) => name.trim()),
      };
    });
}
