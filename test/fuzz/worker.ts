/** A process of the long run: the cases of its share, its result as one line of JSON. Started by processes.ts. */
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
  /** By the translated text of kernels, on the adapter at hand, or on that of the driver with subgroup matrices. */
  readonly on: 'text' | 'adapter' | 'matrix-driver';
  readonly most: number;
}

const share = JSON.parse(process.argv[2]!) as Share;
function* numbers() {
  for (let n = share.first; n < share.end; n += share.step) yield n;
}
const device = share.on !== 'text' ? (await openGpu()).device : undefined;
const result = await runRange({
  source: share.source,
  numbers: numbers(),
  kinds: share.kinds,
  most: share.most,
  ...(device ? { device } : {}),
});
process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit(0));
