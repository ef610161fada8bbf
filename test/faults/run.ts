/**
 * `npm run faults -- --kills 200 --stops 200 --ends 100 --disks 50 --damaged 100 --inputs 200`: the long campaign, one case after
 * the other, on the command line as it is built.
 *
 * Prints how the cases of each kind ended and what failed, with the calls that lead there; the folder of a failed case is kept.
 * `--seed` and `--from` repeat cases: their draws are the same, a moment in time only nearly. Ends with 1 where something failed.
 */
import { parseArgs } from 'node:util';
import { type FaultKind, faults, runCampaign } from './campaign.ts';
import { canMount } from './kinds/small-disk.ts';
import { Laboratory } from './laboratory.ts';

const kinds = Object.keys(faults) as FaultKind[];
const count = { type: 'string', default: '0' } as const;
const { values } = parseArgs({
  options: {
    ...(Object.fromEntries(kinds.map((kind) => [kind, count])) as Record<FaultKind, typeof count>),
    seed: { type: 'string', default: `${Date.now() % 1_000_000}` },
    from: { type: 'string', default: '0' },
    most: { type: 'string', default: '5' },
  },
});

// Disks that are mounted are taken away when the process ends by itself.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(1));
const terminal = process.stderr.isTTY;

/** A line that is written over at a terminal, and one in twenty elsewhere. */
function showProgress(kind: FaultKind, done: number, wanted: number, failed: number): void {
  const text = `${kind} ${done}/${wanted}, ${failed} failed`;
  if (terminal) process.stderr.write(`\r${text}${done === wanted ? '\n' : ''}`);
  else if (done % 20 === 0) process.stderr.write(`${text}\n`);
}

const seed = Number(values.seed);
console.log(
  `seed ${seed}; full disks: ${canMount() ? 'tmpfs and limits of file sizes' : 'limits of file sizes'}`,
);
const lab = await Laboratory.open();
let failed = 0;
for (const kind of kinds.filter((kind) => Number(values[kind]) > 0)) {
  const started = Date.now();
  const wanted = Number(values[kind]);
  const { done, endings, failures } = await runCampaign(lab, kind, {
    seed,
    from: Number(values.from),
    count: wanted,
    most: Number(values.most),
    progress: (done, failed) => showProgress(kind, done, wanted, failed),
  });
  failed += failures.length;
  console.log(
    `${done} of ${kind}, ${((Date.now() - started) / 1000).toFixed(0)} s, ${failures.length} failures`,
  );
  for (const [ending, times] of [...endings].sort(([a], [b]) => (a < b ? -1 : 1)))
    console.log(`  ${String(times).padStart(5)}  ${ending}`);
  for (const failure of failures) console.log(`\n${failure}`);
}
if (failed === 0) lab.remove();
process.exitCode = failed > 0 ? 1 : 0;
