/**
 * A verb as one rank of several, or alone: joins the others, and ends with them.
 */
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { setTimeout as wait } from 'node:timers/promises';
import { fail } from '../../grammar/diagnostics.ts';
import { type Collective, single } from '../../runtime/dist/collective.ts';
import { joinRanks } from '../../runtime/dist/node/mpi.ts';

/**
 * Milliseconds in which rank 0 says what went wrong: mostly the same goes wrong on every rank, and the first to end
 * ends them all.
 */
const firstWord = 5000;

interface RankCaller {
  /** Remarks and errors. */
  note(text: string): void;
  /** Says what was thrown; returns the exit code. */
  report(error: unknown): number;
}

/** Runs `body` on the ranks that a launcher has started this process among; a failure of one ends them all. */
export async function onRanks(
  { note, report }: RankCaller,
  body: (group: Collective) => Promise<void>,
): Promise<void> {
  const group = await joinRanks(note);
  if (group === undefined) return body(single);
  try {
    await body(group);
    await group.close();
  } catch (error) {
    if (group.rank > 0) {
      await wait(firstWord);
      note(`rank ${group.rank} of ${group.size}:`);
    }
    process.exitCode = report(error);
    group.abort();
  }
}

/** What is heard of another rank than the first: what is wrong with its own rows of the data. */
export function followerStream(rank: number): { write(text: string): boolean } {
  return {
    write: (text) => !/^warning\[Z(426|453)\]/.test(text) || process.stderr.write(`rank ${rank}: ${text}`),
  };
}

/** Arguments of this process without `--ranks`. */
function withoutRanks(args: readonly string[]): string[] {
  return args.filter(
    (arg, i) => arg !== '--ranks' && args[i - 1] !== '--ranks' && !arg.startsWith('--ranks='),
  );
}

/**
 * `--ranks R`: this very command on R ranks of this machine, through its `mpirun`.
 * @returns the exit code
 * @throws DiagnosticError Z630 where there is no mpirun
 */
export async function startRanks(count: number): Promise<number> {
  const [, script, ...args] = process.argv;
  const command = [process.execPath, ...process.execArgv, script!, ...withoutRanks(args)];
  const child = spawn('mpirun', ['-np', String(count), ...command], {
    stdio: 'inherit',
    env: {
      // Open MPI refuses more ranks than cores, and root, unless it is told to go on; MPICH asks neither.
      OMPI_MCA_rmaps_base_oversubscribe: '1',
      ...(process.getuid?.() === 0
        ? { OMPI_ALLOW_RUN_AS_ROOT: '1', OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: '1' }
        : {}),
      ...process.env,
    },
  });
  const pass = (signal: NodeJS.Signals): void => {
    child.kill(signal);
  };
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const signal of signals) process.on(signal, pass);
  try {
    return await new Promise<number>((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (code, signal) => {
        resolve(code ?? 128 + constants.signals[signal!]);
      });
    });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    return fail(
      'Z630',
      '--ranks starts ranks with mpirun, which is not there',
      'apt install openmpi-bin (or mpich)',
    );
  } finally {
    for (const signal of signals) process.off(signal, pass);
  }
}
