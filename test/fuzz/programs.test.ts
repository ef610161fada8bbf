/** Random programs by all three kinds of schedules, on the text of their kernels (see programs.ts). */
import { expect, it } from 'vitest';
import { scheduleKinds } from './execute.ts';
import { casesOf, expectNone } from './share.ts';

it('equal the reference', async () => {
  const count = casesOf(18);
  const { counts } = (await expectNone('program', count)).tally;
  for (const kind of scheduleKinds) expect(counts[`cases ${kind}`]).toBe(count);
});
