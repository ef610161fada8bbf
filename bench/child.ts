/**
 * A contestant's own process: it loads one library, and opens and runs one row as its parent asks.
 *
 * Nothing happens here between two requests, so that the contestants do not disturb each other.
 */
import { listAdapters, openGpu } from '../runtime/node/gpu.ts';
import { type Ceiling, measureCeiling } from '../zoo/bench/measure.ts';
import { type Contestant, type ContestantName, jobOf, type Runner } from './contestants/contestant.ts';
import { counts, installGpu } from './gpu.ts';
import { chainLength, rows } from './rows.ts';

export interface Adapter {
  readonly backend: string;
  readonly name: string;
  readonly kind: 'cpu' | 'gpu';
}

export type Request =
  | { readonly kind: 'adapters' }
  | { readonly kind: 'ceiling'; readonly runs: number }
  | {
      readonly kind: 'open';
      readonly contestant: ContestantName;
      readonly row: string;
      readonly adapter: Adapter;
    }
  | { readonly kind: 'run' }
  | { readonly kind: 'close' };

export interface Opened {
  /** Why the library cannot do the row; nothing was opened. */
  readonly refused?: string;
  readonly firstSeconds: number;
  readonly result: Float32Array;
}

export interface Ran {
  readonly seconds: number;
  readonly dispatches: number;
  readonly submits: number;
  readonly result: Float32Array;
}

export interface Closed {
  /** At most at one time, of buffers made through Dawn's bindings. */
  readonly deviceBytes: number;
  /** Resident memory before closing, and the most there was. */
  readonly residentBytes: number;
  readonly peakResidentBytes: number;
}

let runner: Runner | undefined;

async function load(name: ContestantName): Promise<Contestant> {
  const module = (await import(`./contestants/${name}.ts`)) as { contestant: Contestant };
  return module.contestant;
}

async function open(request: Extract<Request, { kind: 'open' }>): Promise<Opened> {
  const { adapter } = request;
  process.env.ZOOC_ADAPTER = adapter.name;
  installGpu(adapter);
  const contestant = await load(request.contestant);
  const row = rows.find((r) => r.name === request.row)!;
  const job = jobOf(row, chainLength(adapter.kind));
  const refused = contestant.refuses?.(job);
  if (refused !== undefined) return { refused, firstSeconds: 0, result: new Float32Array() };
  const start = await contestant.prepare(job);
  const from = performance.now();
  runner = await start();
  const result = await runner.run();
  return { firstSeconds: (performance.now() - from) / 1000, result };
}

async function run(): Promise<Ran> {
  const before = { ...counts };
  const from = performance.now();
  const result = await runner!.run();
  const seconds = (performance.now() - from) / 1000;
  return {
    seconds,
    dispatches: counts.dispatches - before.dispatches,
    submits: counts.submits - before.submits,
    result,
  };
}

async function close(): Promise<Closed> {
  const residentBytes = process.memoryUsage().rss;
  await runner?.close();
  return {
    deviceBytes: counts.peakBytes,
    residentBytes,
    peakResidentBytes: process.resourceUsage().maxRSS * 1024,
  };
}

async function ceiling(runs: number): Promise<Ceiling[]> {
  const { device } = await openGpu();
  try {
    return await measureCeiling(device, runs);
  } finally {
    device.close();
  }
}

async function answer(request: Request): Promise<unknown> {
  if (request.kind === 'adapters') return listAdapters();
  if (request.kind === 'ceiling') return ceiling(request.runs);
  if (request.kind === 'open') return open(request);
  return request.kind === 'run' ? run() : close();
}

process.on('message', async (request: Request) => {
  try {
    process.send!({ value: await answer(request) });
  } catch (error) {
    process.send!({ error: (error as Error).stack ?? String(error) });
  }
});
// A parent that went away leaves nothing to do.
process.on('disconnect', () => process.exit());
