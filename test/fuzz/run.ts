/**
 * `npm run fuzz -- --graphs 20000`: the long run, in as many processes as there are cores.
 *
 * Prints how many cases each kind of schedules ran, the seconds, every join, schedule, op and word with how often it was used, and what
 * failed, made small. Ends with 1 where something failed, or (with `--complete`) where a join, a schedule, an op or a word was never used.
 */
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { emptyTally, merge, missing, report } from './coverage.ts';
import { type ScheduleKind, scheduleKinds } from './execute.ts';
import { runShare } from './processes.ts';
import type { Source } from './range.ts';

const { values } = parseArgs({
  options: {
    graphs: { type: 'string', default: '0' },
    programs: { type: 'string', default: '0' },
    from: { type: 'string', default: '0' },
    kinds: { type: 'string', default: scheduleKinds.join(',') },
    device: { type: 'boolean', default: false },
    complete: { type: 'boolean', default: false },
    most: { type: 'string', default: '5' },
  },
});

const processes = availableParallelism();
const tally = emptyTally();
let failed = 0;
for (const source of ['graph', 'program'] as const satisfies Source[]) {
  const count = Number(source === 'graph' ? values.graphs : values.programs);
  if (count === 0) continue;
  const started = Date.now();
  const first = Number(values.from);
  const results = await Promise.all(
    Array.from({ length: processes }, (_, i) =>
      runShare({
        source,
        first: first + i,
        end: first + count,
        step: processes,
        kinds: values.kinds.split(',') as ScheduleKind[],
        on: values.device ? 'adapter' : 'text',
        most: Number(values.most),
      }),
    ),
  );
  for (const result of results) {
    merge(tally, result.tally);
    for (const { nodes, text } of result.failures)
      console.log(`\n${text}(${nodes[0]} nodes, then ${nodes[1]})`);
    failed += result.failures.length;
  }
  console.log(`${count} of ${source}, ${((Date.now() - started) / 1000).toFixed(0)} s, ${failed} failures`);
}
const unreached = missing(tally);
console.log(`${report(tally)}\nnever used: ${unreached.join(', ') || 'nothing'}`);
process.exitCode = failed > 0 || (values.complete && unreached.length > 0) ? 1 : 0;
