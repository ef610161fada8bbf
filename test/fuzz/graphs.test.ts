/** Random graphs by all kinds of schedules, on the text of their kernels (see graphs.ts and ../support/wgsl/run-plan.ts). */
import { expect, it } from 'vitest';
import { joinKinds } from '../../compiler/joins/rules.ts';
import { scheduleKinds } from './execute.ts';
import { casesOf, expectNone } from './share.ts';

it('equal the reference, and reach every kind of join', async () => {
  const count = casesOf(2);
  const { counts } = (await expectNone('graph', count)).tally;
  for (const kind of scheduleKinds) expect(counts[`cases ${kind}`]).toBe(count);
  // A tolerance of a tenth of the result says little: so few comparisons may be that weak.
  expect(counts['outputs vague'] ?? 0).toBeLessThan(0.1 * counts['outputs compared']!);
  const joined = (join: string) => scheduleKinds.some((kind) => (counts[`join ${kind} ${join}`] ?? 0) > 0);
  expect(joinKinds.filter((join) => !joined(join))).toEqual([]);
});
