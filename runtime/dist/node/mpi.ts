/**
 * Ranks that are processes, on one machine or many, over MPI.
 *
 * One operation is under way at a time, each with a timer: MPI tells of a process that is gone, never of one that
 * is stuck or cut off.
 */
import { hostname } from 'node:os';
import { fail } from '../../../grammar/diagnostics.ts';
import type { Collective } from '../collective.ts';
import { type RankEnvironment, rankEnvironment } from './environment.ts';
import { type MpiLibrary, openMpiLibrary } from './library.ts';

/** Seconds that an operation may wait for the other ranks; the variable ZOOC_MPI_TIMEOUT gives others. */
const defaultTimeout = 600;
/** MPI counts in C's int. */
const mostBytes = 2 ** 31 - 1;

function timeoutOf(text: string | undefined): number {
  if (text === undefined || text === '') return defaultTimeout;
  const seconds = Number(text);
  if (seconds > 0) return seconds;
  return fail('Z630', `ZOOC_MPI_TIMEOUT=${text} is no number of seconds`, 'ZOOC_MPI_TIMEOUT=600');
}

/**
 * Joins the ranks that a launcher has started this process among; undefined where it stands alone.
 * @param say told why the job ends, before it does
 * @throws DiagnosticError Z630
 */
export async function joinRanks(say: (text: string) => void): Promise<Collective | undefined> {
  const environment = rankEnvironment(process.env);
  if (environment === undefined) return undefined;
  const seconds = timeoutOf(process.env.ZOOC_MPI_TIMEOUT);
  const library = await openMpiLibrary(environment.libraries);
  checkSize(library, environment);
  return new MpiRanks(library, seconds, say);
}

/** A library that another launcher than its own started knows of no other rank: each would train alone. */
function checkSize({ version, size }: MpiLibrary, environment: RankEnvironment): void {
  if (size === environment.size) return;
  fail(
    'Z630',
    `${environment.size} ranks were started, but ${version} knows of ${size}: it is not the library of what started them`,
    'ZOOC_MPI=/path/to/libmpi.so of the same installation as mpirun; with Slurm srun --mpi=pmix (Open MPI) or --mpi=pmi2 (MPICH)',
  );
}

class MpiRanks implements Collective {
  readonly rank: number;
  readonly size: number;
  readonly #library: MpiLibrary;
  readonly #seconds: number;
  readonly #say: (text: string) => void;
  #last: Promise<void> = Promise.resolve();

  constructor(library: MpiLibrary, seconds: number, say: (text: string) => void) {
    this.rank = library.rank;
    this.size = library.size;
    this.#library = library;
    this.#seconds = seconds;
    this.#say = say;
  }

  allGather(what: string, send: Uint8Array, receive: Uint8Array): Promise<void> {
    const { allGather, byte, world } = this.#library;
    if (receive.length !== send.length * this.size) throw new Error(`${what}: lengths do not fit`);
    return this.#queued(what, send.length, (count) =>
      allGather(send, count, byte, receive, count, byte, world),
    );
  }

  allToAll(what: string, send: Uint8Array, receive: Uint8Array): Promise<void> {
    const { allToAll, byte, world } = this.#library;
    const part = send.length / this.size;
    if (receive.length !== send.length || !Number.isInteger(part))
      throw new Error(`${what}: lengths do not fit`);
    return this.#queued(what, part, (count) => allToAll(send, count, byte, receive, count, byte, world));
  }

  async broadcast(what: string, data: Uint8Array): Promise<void> {
    const { broadcast, byte, world } = this.#library;
    for (let at = 0; at < data.length; at += mostBytes) {
      const part = data.subarray(at, at + mostBytes);
      await this.#queued(what, part.length, (count) => broadcast(part, count, byte, 0, world));
    }
  }

  async close(): Promise<void> {
    await this.#queued('the end of the run', 0, () => this.#library.finalize());
  }

  abort(): void {
    this.#library.abort(1);
  }

  #queued(what: string, bytes: number, call: (count: number) => Promise<number>): Promise<void> {
    if (bytes > mostBytes)
      fail('Z630', `${what}: ${bytes} bytes of a rank are more than MPI sends at once`, 'more ranks');
    const run = async (): Promise<void> => {
      const timer = setTimeout(() => this.#giveUp(what), this.#seconds * 1000);
      try {
        const code = await call(bytes);
        if (code !== 0) fail('Z631', `MPI failed with ${code} at ${what}`);
      } finally {
        clearTimeout(timer);
      }
    };
    const result = this.#last.then(run);
    this.#last = result.catch(() => {});
    return result;
  }

  #giveUp(what: string): void {
    this.#say(
      `rank ${this.rank} of ${this.size} (${hostname()}) has waited ${this.#seconds} s for the other ranks at ${what}: the job ends; --resume goes on from the last checkpoint`,
    );
    this.abort();
  }
}
