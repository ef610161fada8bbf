/** The same random graphs on adapters: the one at hand, and that of the software driver with subgroup matrices. */
import { expect, it } from 'vitest';
import { underMatrixDriver } from '../../scripts/setup-matrix-driver.ts';
import { skipFor } from '../support/needs.ts';
import { casesOf, expectNone } from './share.ts';

// A software adapter compiles the kernels of a graph for two seconds.
const count = casesOf(200);

it('equal the reference on the adapter at hand', async () => {
  const { tally } = await expectNone('graph', count, { on: 'adapter', kinds: ['cpu', 'gpu'] });
  expect(tally.counts['cases gpu']).toBe(count);
});

const driver =
  underMatrixDriver(process.execPath, []) ??
  skipFor('no driver with subgroup matrices (npm run setup:matrix-driver)');

it.skipIf(driver === undefined)('equal the reference by subgroup matrices', async () => {
  const { tally } = await expectNone('graph', count, { on: 'matrix-driver', kinds: ['matrix'] });
  expect(tally.counts['cases matrix']).toBe(count);
});
