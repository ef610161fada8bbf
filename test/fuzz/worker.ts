/** A process of the long run: the cases of its share, its result as one line of JSON. Started by run.ts. */
import { openGpu } from '../../runtime/node/gpu.ts';
import type { ScheduleKind } from './execute.ts';
import { runRange, type Source } from './range.ts';

export interface Share {
  readonly source: Source;
  readonly first: number;
  readonly end: number;
  /** Every so many cases. */
  readonly step: number;
  readonly kinds: readonly ScheduleKind[];
  readonly onDevice: boolean;
  readonly most: number;
}

const share = JSON.parse(process.argv[2]!) as Share;
function* numbers() {
  for (let n = share.first; n < share.end; n += share.step) yield n;
}
const device = share.onDevice ? (await openGpu()).device : undefined;
const result = await runRange({
  source: share.source,
  numbers: numbers(),
  kinds: share.kinds,
  most: share.most,
  ...(device ? { device } : {}),
  progress: (n) => {
    if (Math.floor(n / share.step) % 50 === 0) process.stderr.write(`${share.source} ${n}\n`);
  },
});
process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit(0));
