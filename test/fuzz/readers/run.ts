/**
 * `npm run fuzz:readers -- --inputs 1000000 [--seed S] [--reader NAME]`: the long run, one process after the other.
 *
 * Prints what every reader was given, took and refused, its slowest input and the one that memory grew most by, and
 * what failed, made small, in files. `--reader NAME --input FILE` runs one of those again. Ends with 1 where something failed.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Counts } from './progress.ts';
import { partsOf, readers, table } from './table.ts';
import { runParts } from './watch.ts';
import type { Failure, Part } from './worker.ts';

const { values } = parseArgs({
  options: {
    inputs: { type: 'string', default: '10000' },
    seed: { type: 'string', default: '1' },
    reader: { type: 'string' },
    input: { type: 'string' },
    most: { type: 'string', default: '5' },
    out: { type: 'string', default: join(tmpdir(), 'zooc-fuzz-readers') },
  },
});

const chosen = readers.filter(({ name }) => values.reader === undefined || name === values.reader);
if (chosen.length === 0)
  throw new Error(`no reader is called so; there are ${readers.map((r) => r.name).join(', ')}`);
const seed = Number(values.seed);

function line(name: string, c: Counts): string {
  const cells = [
    c.inputs,
    c.accepted,
    (c.ms / 1000).toFixed(1),
    c.worstMs.toFixed(1),
    c.slowest,
    (c.worstGrown / 2 ** 20).toFixed(1),
    c.largest,
    c.failures,
  ];
  return `${name.padEnd(32)}${cells.map((cell) => String(cell).padStart(12)).join('')}`;
}

function keep({ reader, number, what, input }: Failure): string {
  mkdirSync(values.out, { recursive: true });
  const path = join(values.out, `${reader.replaceAll(/\W+/g, '-')}-${seed}-${number}`);
  writeFileSync(path, Buffer.from(input, 'base64'));
  return `${reader}, input ${number}: ${what}\n  npm run fuzz:readers -- --reader "${reader}" --input ${path}`;
}

async function run(parts: readonly Part[]): Promise<number> {
  const { counts, failures } = await runParts(parts, readers, { seed, table, most: Number(values.most) });
  for (const [name, c] of counts) console.log(line(name, c));
  for (const failure of failures) console.log(keep(failure));
  return failures.length;
}

console.log(
  `${''.padEnd(32)}${['inputs', 'accepted', 'seconds', 'worst ms', 'of input', 'worst MiB', 'of input', 'failures'].map((c) => c.padStart(12)).join('')}`,
);
let failed = 0;
if (values.input !== undefined) {
  const input = readFileSync(values.input).toString('base64');
  failed = await run([{ reader: chosen[0]!.name, first: 0, end: 1, input }]);
} else for (const part of partsOf(Number(values.inputs), chosen)) failed += await run([part]);
console.log(`${failed} failures`);
process.exitCode = failed > 0 ? 1 : 0;
