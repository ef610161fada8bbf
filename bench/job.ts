/** What a contestant's process or page is asked for, and the row that it has open. */
import { type Contestant, type ContestantName, jobOf, type Runner } from './contestants/contestant.ts';
import { counts } from './counts.ts';
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
  /** Of the process that does the work, where it is known. */
  readonly processorSeconds?: number;
  readonly result: Float32Array;
}

export interface Closed {
  /** At most at one time, of buffers that were counted. */
  readonly deviceBytes: number;
  /** Resident memory before closing, and the most there was. */
  readonly residentBytes: number;
  readonly peakResidentBytes: number;
}

async function load(name: ContestantName): Promise<Contestant> {
  switch (name) {
    case 'zooc':
      return (await import('./contestants/zooc.ts')).contestant;
    case 'jax-js':
      return (await import('./contestants/jax-js.ts')).contestant;
    case 'onnxruntime':
      return (await import('./contestants/onnxruntime.ts')).contestant;
    case 'tfjs':
      return (await import('./contestants/tfjs.ts')).contestant;
  }
}

export class CurrentJob {
  #runner: Runner | undefined;

  async open({ adapter, contestant: name, row }: Extract<Request, { kind: 'open' }>): Promise<Opened> {
    const contestant = await load(name);
    const job = jobOf(rows.find((r) => r.name === row)!, chainLength(adapter.kind));
    const refused = contestant.refuses?.(job);
    if (refused !== undefined) return { refused, firstSeconds: 0, result: new Float32Array() };
    const start = await contestant.prepare(job);
    const from = performance.now();
    this.#runner = await start();
    const result = await this.#runner.run();
    return { firstSeconds: (performance.now() - from) / 1000, result };
  }

  async run(): Promise<Ran> {
    const before = { ...counts };
    const from = performance.now();
    const result = await this.#runner!.run();
    const seconds = (performance.now() - from) / 1000;
    return {
      seconds,
      dispatches: counts.dispatches - before.dispatches,
      submits: counts.submits - before.submits,
      result,
    };
  }

  async close(): Promise<Pick<Closed, 'deviceBytes'>> {
    await this.#runner?.close();
    return { deviceBytes: counts.peakBytes };
  }
}
