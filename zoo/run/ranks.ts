/**
 * A verb as one rank of several, or alone: joins the others, and ends with them.
 */
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { setTimeout as wait } from 'node:timers/promises';
import { fail } from '../../grammar/diagnostics.ts';
import { type Collective, single } from '../../runtime/dist/collective.ts';
import { joinRanks } from '../../runtime/dist/node/mpi.ts';
import { type ListeningSignal, stopSignals } from '../../runtime/train/node/signals.ts';

/**
 * Milliseconds in which rank 0 says what went wrong: mostly the same goes wrong on every rank, and the first to end
 * ends them all.
 */
const firstWord = 5000;

/**
 * Set by `--ranks`, whose pipe `mpirun` hands on to rank 0: it brings the name of a signal, and ends with who started
 * the ranks. Sent to `mpirun` itself, a signal would end them: Open MPI's gives them one second.
 */
const toldByInput = 'ZOOC_TOLD_BY_INPUT';

function hearStarter(group: Collective, note: (text: string) => void): void {
  if (group.rank > 0 || process.env[toldByInput] === undefined) return;
  const { stdin } = process;
  stdin.setEncoding('utf8');
  stdin.once('data', (names: string) => process.kill(process.pid, names.split('\n', 1)[0]!));
  stdin.on('end', () => {
    note('what started the ranks is gone: they end; --resume goes on from the last checkpoint');
    group.abort();
  });
  stdin.unref();
}

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
  hearStarter(group, note);
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
 * `--ranks R`: this very command on R ranks of this machine, through its `mpirun`. A signal goes to rank 0, and the
 * ranks agree on stopping; where this process ends, at a second signal or otherwise, they do.
 * @returns the exit code
 * @throws DiagnosticError Z630 where there is no mpirun
 */
export async function startRanks(count: number, signal?: ListeningSignal): Promise<number> {
  const [, script, ...args] = process.argv;
  const command = [process.execPath, ...process.execArgv, script!, ...withoutRanks(args)];
  const child = spawn('mpirun', ['-np', String(count), ...command], {
    stdio: ['pipe', 'inherit', 'inherit'],
    // What a terminal sends to all of its foreground group, mpirun must not get.
    detached: true,
    env: {
      // Open MPI refuses more ranks than cores, and root, unless it is told to go on; MPICH asks neither.
      OMPI_MCA_rmaps_base_oversubscribe: '1',
      ...(process.getuid?.() === 0
        ? { OMPI_ALLOW_RUN_AS_ROOT: '1', OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: '1' }
        : {}),
      ...process.env,
      [toldByInput]: '1',
    },
  });
  // Of a mpirun that is gone, `close` tells.
  child.stdin.on('error', () => {});
  const pass = (name: NodeJS.Signals): void => {
    child.stdin.write(`${name}\n`);
  };
  const end = (): void => {
    child.kill();
  };
  // Rank 0 says it.
  signal?.tell(() => {});
  if (signal?.requested) pass('SIGTERM');
  for (const name of stopSignals) process.on(name, pass);
  process.on('exit', end);
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
    process.off('exit', end);
    for (const name of stopSignals) process.off(name, pass);
  }
}
