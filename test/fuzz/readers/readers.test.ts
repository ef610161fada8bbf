/** Every reader on the first inputs: `ZOOC_FUZZ` (500 by default) says how many, six for each. */
import { expect, it } from 'vitest';
import { casesOf } from '../share.ts';
import { partsOf, readers, table } from './table.ts';
import { runParts } from './watch.ts';

it('a stranger’s bytes are read or refused in words, in time, memory and descriptors that they account for', async () => {
  const parts = partsOf(casesOf(1 / 6));
  const { counts, failures } = await runParts(parts, readers, { seed: 1, table, most: 1 });
  expect(failures.map(({ reader, number, what }) => `${reader}, input ${number}: ${what}`)).toEqual([]);
  for (const { reader, end } of parts) {
    const { inputs, accepted } = counts.get(reader)!;
    expect(inputs, reader).toBe(end);
    // The seeds at least are good.
    expect(accepted, reader).toBeGreaterThan(0);
  }
});
