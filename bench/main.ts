/**
 * Measures zooc beside other WebGPU libraries on one adapter; see README.md.
 *
 * A run over all rows and libraries leaves its table in `results/`, one file per adapter; a part of it is
 * only printed.
 */
import { createRequire } from 'node:module';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { ListedAdapter } from '../runtime/node/gpu.ts';
import type { Ceiling } from '../zoo/bench/measure.ts';
import { note, print, writeText } from '../zoo/cli/output.ts';
import { Chromium } from './browser/chromium.ts';
import { type ContestantName, contestantNames } from './contestants/contestant.ts';
import { type Contender, isWrong, type MeasureOptions, measureRow } from './measure.ts';
import { ProcessContender } from './process.ts';
import { type MeasuredRow, printed, type Report, saveReport } from './report.ts';
import { chainLength, gflopOf, type Row, rows } from './rows.ts';

const resultsFolder = fileURLToPath(new URL('results/', import.meta.url));

interface Options {
  readonly rows: readonly Row[];
  readonly contestants: readonly ContestantName[];
  readonly rounds: number;
  readonly limit: number;
  /** In pages of Chromium instead of processes of Node. */
  readonly browser: boolean;
  readonly json?: string;
}

/** Ends the run with exit code 1 and one line. */
class Refusal extends Error {}

/** Those of `known` that a comma-separated list names; all without one. */
function chosen<T>(
  option: string,
  list: string | undefined,
  known: readonly T[],
  nameOf: (x: T) => string,
): T[] {
  if (list === undefined) return [...known];
  return list.split(',').map((name) => {
    const found = known.find((x) => nameOf(x) === name);
    if (found === undefined) throw new Refusal(`${option} ${name}: there is ${known.map(nameOf).join(', ')}`);
    return found;
  });
}

function positive(option: string, text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1)
    throw new Refusal(`${option} ${text}: expected 1, 2, 3, ...`);
  return value;
}

const parseConfig = {
  options: {
    rows: { type: 'string' },
    libraries: { type: 'string' },
    rounds: { type: 'string', default: '9' },
    limit: { type: 'string', default: '600' },
    browser: { type: 'boolean', default: false },
    json: { type: 'string' },
  },
} as const;

function readOptions(): Options {
  let values: ReturnType<typeof parseArgs<typeof parseConfig>>['values'];
  try {
    ({ values } = parseArgs(parseConfig));
  } catch (error) {
    throw new Refusal((error as Error).message);
  }
  return {
    rows: chosen('--rows', values.rows, rows, (r) => r.name),
    contestants: chosen('--libraries', values.libraries, contestantNames, (n) => n),
    rounds: positive('--rounds', values.rounds),
    limit: positive('--limit', values.limit),
    browser: values.browser,
    ...(values.json === undefined ? {} : { json: values.json }),
  };
}

/** Asks a process or page of its own, which then ends. */
async function askOnce<T>(make: () => Contender, request: Parameters<Contender['ask']>[0]): Promise<T> {
  const contender = make();
  try {
    return await contender.ask<T>(request);
  } finally {
    contender.end();
  }
}

function versions(): Record<string, string> {
  const require = createRequire(import.meta.url);
  const lock = require('./package-lock.json') as { packages: Record<string, { version: string }> };
  const own = require('../package.json') as { version: string };
  const dawn = require('../node_modules/webgpu/package.json') as { version: string };
  const peers = ['@jax-js/jax', 'onnxruntime-node', 'onnxruntime-web', '@tensorflow/tfjs'].map((name) => [
    name,
    lock.packages[`node_modules/${name}`]!.version,
  ]);
  return {
    zooc: own.version,
    ...Object.fromEntries(peers),
    webgpu: dawn.version,
    node: process.versions.node,
  };
}

/** The better of both for each shape: machines drift. */
function better(before: readonly Ceiling[], after: readonly Ceiling[]): Ceiling[] {
  return before.map((c, i) => (c.gflops >= after[i]!.gflops ? c : after[i]!));
}

async function measureAll(
  options: Options,
  contender: () => Contender,
  more: Readonly<Record<string, string>>,
): Promise<Report> {
  const { rounds, contestants } = options;
  const found = await askOnce<ListedAdapter[]>(contender, { kind: 'adapters' });
  const used = found.find((a) => a.used);
  if (used === undefined)
    throw new Refusal('no WebGPU adapter was found on this machine; npm run setup:driver installs one');
  const { name, backend, driver, type } = used.report;
  const kind = type === 'software' ? 'cpu' : 'gpu';
  note(`${name}: ${used.because}`);
  const before = await askOnce<Ceiling[]>(contender, { kind: 'ceiling', runs: rounds });
  const settings: MeasureOptions = { contestants, rounds, contender, adapter: { backend, name, kind }, note };
  const measured: MeasuredRow[] = [];
  const chain = chainLength(kind);
  for (const row of options.rows)
    measured.push({ name: row.name, gflop: gflopOf(row, chain), cells: await measureRow(row, settings) });
  const after = await askOnce<Ceiling[]>(contender, { kind: 'ceiling', runs: rounds });
  return {
    adapter: { name, backend, driver, type },
    date: new Date().toISOString().slice(0, 10),
    versions: { ...versions(), ...more },
    machine: `${cpus().length} cores (${cpus()[0]?.model.trim() ?? 'unknown'})`,
    rounds,
    chain,
    ceiling: better(before, after),
    rows: measured,
  };
}

async function main(): Promise<void> {
  const options = readOptions();
  const { limit } = options;
  const chromium = options.browser ? await Chromium.start(limit) : undefined;
  const contender = () => chromium?.contender() ?? new ProcessContender(limit);
  const report = await measureAll(options, contender, chromium?.versions ?? {}).finally(() =>
    chromium?.close(),
  );
  print(printed(report));
  if (options.json !== undefined) await writeText(options.json, `${JSON.stringify(report, null, 2)}\n`);
  const whole = options.rows.length === rows.length && options.contestants.length === contestantNames.length;
  if (whole && chromium === undefined)
    note(`written: ${(await saveReport(report, resultsFolder)).join(', ')}`);
  const wrong = report.rows.flatMap((r) =>
    r.cells.filter(isWrong).map((c) => `${c.contestant} in ${r.name}`),
  );
  if (wrong.length > 0) throw new Refusal(`results differ by more than is allowed: ${wrong.join(', ')}`);
}

try {
  await main();
} catch (error) {
  if (!(error instanceof Refusal)) throw error;
  note(`error: ${error.message}`);
  process.exitCode = 1;
}
