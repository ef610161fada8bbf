/**
 * What `npm test` runs of the fault campaign: the first cases of each kind; `ZOOC_FAULTS=20` runs twenty times as many. The whole is
 * `npm run faults`.
 */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type FaultKind, runCampaign } from './campaign.ts';
import { Laboratory } from './laboratory.ts';

const times = Number(process.env.ZOOC_FAULTS ?? 1);
const shares: Readonly<Record<FaultKind, number>> = {
  kills: 2,
  stops: 2,
  ends: 1,
  disks: 2,
  damaged: 3,
  inputs: 6,
};
/** What a case may take on a busy machine: some calls, runs to compare with besides. */
const seconds = 120;

let lab: Laboratory;
let failed = false;
beforeAll(async () => {
  lab = await Laboratory.open();
});
afterAll(() => {
  if (!failed) lab.remove();
});

it.each(Object.entries(shares) as [FaultKind, number][])(
  '%s end well',
  async (kind, share) => {
    const count = share * times;
    const { done, failures } = await runCampaign(lab, kind, { seed: 1, from: 0, count, most: 1 });
    failed ||= failures.length > 0;
    expect(failures.join('\n')).toBe('');
    expect(done).toBe(count);
  },
  Math.max(...Object.values(shares)) * times * seconds * 1000,
);
