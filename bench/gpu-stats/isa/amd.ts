/**
 * AMD's instructions as RADV prints them. Loads come back in order, and a wait says how many may still be
 * under way: `s_waitcnt vmcnt(2)` up to RDNA 3, `s_wait_loadcnt 0x2` from RDNA 4 on.
 */
import type { Instruction, Program, Wait } from './program.ts';

/** What orders the others and does nothing itself. */
const silent = /^s_(delay_alu|nop|clause)\b/;

function waitOf(op: string, line: string): Wait | undefined {
  if (op === 's_waitcnt') {
    const left = /\bvmcnt\((\d+)\)/.exec(line)?.[1];
    return left === undefined ? undefined : { slots: [0], left: Number(left) };
  }
  if (!op.startsWith('s_wait_loadcnt')) return undefined;
  const value = Number(line.split(/\s+/)[1]);
  // Joined with the counter of workgroup memory, which has the low bits.
  return { slots: [0], left: op === 's_wait_loadcnt_dscnt' ? (value >> 8) & 0x3f : value };
}

function multipliesOf(op: string, line: string): number {
  if (op.startsWith('v_wmma')) return 1000;
  if (!/^v_(fma|fmac|dual_fma|pk_fma|dot)/.test(op)) return 0;
  return /:: v_dual_fma/.test(line) ? 2 : 1;
}

function instructionOf(op: string, line: string): Instruction {
  const wait = waitOf(op, line);
  return {
    multiplies: multipliesOf(op, line),
    ...(wait === undefined ? {} : { wait }),
    ...(/^(buffer|global|flat|scratch)_load/.test(op) ? { load: 0 } : {}),
  };
}

/** Where a block goes: what its branches name, and on to the next one unless it ends or jumps. */
function successorsOf(lines: readonly string[], next: string | undefined): string[] {
  const targets = lines.flatMap((line) => /^s_c?branch\S*\s+(BB\d+)/.exec(line)?.[1] ?? []);
  const leaves = /^s_(branch|endpgm)\b/.test(lines.at(-1) ?? '');
  return leaves || next === undefined ? targets : [...targets, next];
}

export function readAmd(text: string): Program {
  const blocks: { name: string; lines: string[] }[] = [];
  for (const raw of text.split('\n')) {
    const line = raw.replace(/;.*/, '').trim();
    const name = /^(BB\d+):/.exec(line)?.[1];
    if (name !== undefined) blocks.push({ name, lines: [] });
    else if (line !== '' && !silent.test(line)) blocks.at(-1)?.lines.push(line);
  }
  return blocks.map(({ name, lines }, i) => ({
    name,
    instructions: lines.map((line) => instructionOf(line.split(/\s/)[0]!, line)),
    successors: successorsOf(lines, blocks[i + 1]?.name),
  }));
}
