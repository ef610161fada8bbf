/** What `npm test` runs of the fuzzers: the first cases; `ZOOC_FUZZ` (500 by default) says how many, in units of `per`. */
import { expect } from 'vitest';
import { scheduleKinds } from './execute.ts';
import { runShare } from './processes.ts';
import type { RangeResult, Source } from './range.ts';
import type { Share } from './worker.ts';

export function casesOf(per: number): number {
  return Math.ceil(Number(process.env.ZOOC_FUZZ ?? 500) / per);
}

/** Runs the first `count` cases and expects none to fail; a failing one is printed, made small. */
export async function expectNone(
  source: Source,
  count: number,
  more: Partial<Share> = {},
): Promise<RangeResult> {
  const share = { source, first: 0, end: count, step: 1, kinds: scheduleKinds, on: 'text', most: 1 } as const;
  const result = await runShare({ ...share, ...more });
  expect(result.failures.map((f) => f.text).join('\n')).toBe('');
  return result;
}
