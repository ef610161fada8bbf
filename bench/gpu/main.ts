/**
 * The day there is a GPU, in at most nine minutes: what the card is and how fast, whether zooc is right on it, and its times beside
 * PyTorch's; see bench/README.md. Everything is written as soon as it is known.
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { fromSource, ownFile, ownProgram, packageFolder } from '../../runtime/node/own-files.ts';
import { selftestParts } from '../../runtime/selftest/types.ts';
import type { AdapterReport } from '../../runtime/webgpu/adapter.ts';
import { benchCases } from '../../zoo/bench/cases.ts';
import { convolutionsName } from '../../zoo/bench/convolutions.ts';
import type { SelftestReport } from '../../zoo/selftest/types.ts';
import type { CaseResult } from './case.ts';
import { casesFor, precisions } from './cases.ts';
import type { GoldenError } from './golden.ts';
import { Clock, type Ended, runFor } from './stages.ts';
import { type Day, printDay, type StageOutcome, type TorchRow } from './table.ts';

const options = {
  out: { type: 'string', default: 'gpu-results' },
  minutes: { type: 'string', default: '9' },
  python: { type: 'string', default: 'python3' },
  small: { type: 'boolean', default: false },
  only: { type: 'string' },
} as const;
const { values } = parseArgs({ options });

const out = resolve(values.out);
const clock = new Clock(60 * Number(values.minutes) - 5);
const wanted = values.only?.split(',');
mkdirSync(out, { recursive: true });
// What the tuner measures stays here, and what was measured before is left out.
process.env.ZOOC_CACHE = join(out, 'cache');
// Golden models are named by their path in the repository.
process.chdir(packageFolder);

// What was started runs in groups of its own, which do not hear a signal; they are ended with this process.
for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const)
  process.on(signal, () => process.exit(code));

type Mutable<T> = { -readonly [K in keyof T]: T[K] };
const stages: StageOutcome[] = [];
const cases: CaseResult[] = [];
const day: Mutable<Day> = {
  adapter: 'no adapter',
  driver: '',
  date: new Date().toISOString().slice(0, 10),
  stages,
  cases,
};

function keep(name: string, text: string): void {
  writeFileSync(join(out, name), text);
}

/** A program of ours; in a checkout it is TypeScript. */
function node(seconds: number, program: string, ...args: string[]): Promise<Ended> {
  const loader = fromSource ? ['--import', import.meta.resolve('tsx')] : [];
  return runFor(seconds, process.execPath, [...loader, ownProgram(program), ...args]);
}

const zooc = (seconds: number, ...args: string[]): Promise<Ended> => node(seconds, 'zoo/cli/main', ...args);

/** Runs a stage that nothing depends on; what it throws is its failure. */
async function stage(
  name: string,
  seconds: number,
  run: (allowed: number) => Promise<string | undefined>,
): Promise<void> {
  const allowed = clock.grant(seconds);
  if (wanted !== undefined && !wanted.includes(name)) return;
  const started = clock.elapsed;
  console.error(`${name}: at most ${Math.round(allowed)} s`);
  let failure: string | undefined = 'no time was left';
  if (allowed > 1) failure = await run(allowed).catch((error: Error) => error.message);
  stages.push({ name, seconds: clock.elapsed - started, ...(failure === undefined ? {} : { failure }) });
  if (failure !== undefined) console.error(`${name}: ${failure}`);
  keep('day.json', `${JSON.stringify(day, null, 1)}\n`);
  keep('table.md', printDay(day));
}

/** Keeps a program's JSON, of one that failed as well where it is whole. */
function readJson<T>(name: string, { stdout, failure }: Ended): T {
  keep(`${name}.json`, stdout);
  try {
    return JSON.parse(stdout) as T;
  } catch {
    throw new Error(failure ?? 'it printed no JSON');
  }
}

/** As `zooc devices --json` has them. */
type ListedDevice = AdapterReport & { readonly used: boolean };

let tiny = values.small;

async function devices(allowed: number): Promise<undefined> {
  const listed = readJson<ListedDevice[]>('devices', await zooc(allowed, 'devices', '--json'));
  const used = listed.find((a) => a.used);
  if (used === undefined) throw new Error('there is no adapter');
  [day.adapter, day.driver] = [used.name, used.driver];
  tiny ||= used.type === 'software';
}

async function ceilings(allowed: number): Promise<string | undefined> {
  const ended = await zooc(allowed, 'selftest', '--only', 'ceilings', '--json');
  const { ceilings: found } = readJson<SelftestReport>('ceilings', ended);
  if (found !== undefined) day.ceilings = found;
  return ended.failure;
}

async function golden(allowed: number): Promise<string | undefined> {
  const ended = await node(allowed, 'bench/gpu/golden');
  day.golden = readJson<GoldenError[]>('golden', ended);
  return ended.failure;
}

/** Runs the parts of a stage one after the other, so that one that is cut costs itself alone; what went wrong, in a line. */
async function inParts(
  allowed: number,
  parts: readonly string[],
  run: (part: string, left: number) => Promise<string | undefined>,
): Promise<string | undefined> {
  const end = clock.elapsed + allowed;
  const failures: string[] = [];
  for (const part of parts) {
    const left = end - clock.elapsed;
    const failure =
      left < 1 ? 'no time was left' : await run(part, left).catch((error: Error) => error.message);
    if (failure !== undefined) failures.push(`${part}: ${failure}`);
    keep('table.md', printDay(day));
  }
  return failures.length === 0 ? undefined : failures.join('; ');
}

async function selftest(allowed: number): Promise<string | undefined> {
  const found: Record<string, boolean> = {};
  day.selftest = found;
  const parts = selftestParts.filter((part) => part !== 'ceilings');
  return inParts(allowed, parts, async (part, left) => {
    const report = ['--json', '--out', join(out, `selftest-${part}.md`), ...(tiny ? ['--quick'] : [])];
    const ended = await zooc(left, 'selftest', '--only', part, ...report);
    found[part] = readJson<SelftestReport>(`selftest-${part}`, ended).passed;
    return ended.failure;
  });
}

/** Bytes of the card's memory that plans may take, by its own tools; 0 where none says. */
async function memory(): Promise<number> {
  const { stdout, failure } = await runFor(5, 'nvidia-smi', [
    '--query-gpu=memory.total',
    '--format=csv,noheader,nounits',
  ]);
  const nvidia = failure === undefined ? Number(stdout.split('\n')[0]) * 2 ** 20 : 0;
  return Math.floor(0.85 * Math.max(nvidia || 0, amdMemory()));
}

function amdMemory(): number {
  const folder = '/sys/class/drm';
  try {
    const cards = readdirSync(folder).map((card) => join(folder, card, 'device', 'mem_info_vram_total'));
    return Math.max(0, ...cards.map(readNumber));
  } catch {
    return 0;
  }
}

function readNumber(path: string): number {
  try {
    return Number(readFileSync(path, 'utf8'));
  } catch {
    return 0;
  }
}

async function measureCases(allowed: number): Promise<string | undefined> {
  const bytes = await memory();
  const parts = casesFor(tiny).flatMap(({ name }) => precisions.map((precision) => `${name} ${precision}`));
  return inParts(allowed, parts, async (part, left) => {
    const args = [...part.split(' '), tiny ? '2' : '10', String(bytes), tiny ? 'tiny' : 'whole'];
    const ended = await node(Math.min(left, 60), 'bench/gpu/case', ...args);
    cases.push(readJson<CaseResult>(`case-${part.replace(' ', '-')}`, ended));
    return ended.failure;
  });
}

/** The batches that fitted zooc, so that both do the same. */
function torchCases(): unknown[] {
  return casesFor(tiny).map((test) => {
    const batches = cases.filter((c) => c.name === test.name).map((c) => c.batch);
    return { ...test, batch: batches.length === 0 ? test.batch : Math.min(...batches) };
  });
}

async function torch(allowed: number): Promise<string | undefined> {
  const list = join(out, 'torch-cases.json');
  writeFileSync(list, JSON.stringify(torchCases()));
  const script = join(fromSource ? packageFolder : ownFile('.'), 'bench/gpu/torch_towers.py');
  // The script ends by itself; the limit is for a single measurement that hangs.
  const args = [script, list, 'auto', String(Math.round(0.85 * allowed)), tiny ? '2' : '10'];
  const { stdout, failure } = await runFor(allowed, values.python, args);
  keep('torch.jsonl', stdout);
  const lines = stdout.split('\n').filter((line) => line.startsWith('{') && line.endsWith('}'));
  const [about, ...rows] = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  if (about === undefined) return failure ?? 'it printed nothing';
  day.torch = {
    about: `${about.torch}, ${about.device}, ${about.towers}`,
    rows: rows as unknown as TorchRow[],
  };
  return failure;
}

async function bench(allowed: number): Promise<string | undefined> {
  const names = tiny ? ['image-b1'] : [...benchCases.map((test) => test.name), convolutionsName];
  return inParts(allowed, names, async (name, left) => {
    const ended = await zooc(left, 'bench', '--json', '--only', name, '--runs', tiny ? '1' : '5');
    readJson(`bench-${name}`, ended);
    return ended.failure;
  });
}

async function tune(allowed: number): Promise<string | undefined> {
  const [test] = casesFor(tiny);
  const set = test!.overrides.flatMap(([path, value]) => ['--set', `${path}=${value}`]);
  const size = ['--train', '--batch', String(test!.batch), '--precision', 'mixed'];
  const ended = await zooc(allowed, 'tune', test!.model, ...size, ...set, '--json');
  readJson('tune', ended);
  return ended.failure;
}

await stage('devices', 15, devices);
// A processor takes longer to compile kernels than to run them.
await stage('ceilings', tiny ? 60 : 20, ceilings);
await stage('golden', 30, golden);
await stage('selftest', tiny ? 120 : 75, selftest);
await stage('cases', 155, measureCases);
await stage('torch', tiny ? 60 : 150, torch);
await stage('bench', 40, bench);
await stage('tune', 50, tune);
console.log(printDay(day));
console.error(`${Math.round(clock.elapsed)} s; everything is in ${out}`);
process.exitCode = stages.some((s) => s.failure !== undefined) ? 1 : 0;
