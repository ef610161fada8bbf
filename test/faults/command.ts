/** One call of the built command line: how it ended, or that it did not. */
import { type ChildProcess, spawn } from 'node:child_process';

export interface Outcome {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
  /** It did not end in time and was killed. */
  readonly hung: boolean;
}

export interface Call {
  readonly child: ChildProcess;
  /** Whether the process is over. */
  over(): boolean;
  readonly ended: Promise<Outcome>;
}

export interface CallOptions {
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
  /** KiB that a file may have, as `ulimit -f` sets it; what is beyond is refused as on a full disk. */
  readonly fileLimit?: number | undefined;
}

/** Milliseconds after which a call counts as hanging: far above what any takes on a busy machine. */
const patience = 300_000;

/** A command line as it is written, without quotes. */
export function words(line: string): string[] {
  return line.split(' ');
}

export function startCommand(main: string, args: readonly string[], options: CallOptions): Call {
  const { cwd, env, fileLimit } = options;
  const direct = [process.execPath, main, ...args];
  const limited = ['bash', '-c', `ulimit -f ${fileLimit}; exec "$@"`, 'bash', ...direct];
  const [command, ...rest] = fileLimit === undefined ? direct : limited;
  const child = spawn(command!, rest, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
  const streams = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const)
    child[name].on('data', (chunk) => {
      streams[name] += chunk;
    });
  let [over, hung] = [false, false];
  const timer = setTimeout(() => {
    hung = true;
    child.kill('SIGKILL');
  }, patience);
  const ended = new Promise<Outcome>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      over = true;
      resolve({ code, signal, hung, ...streams });
    });
  });
  return { child, ended, over: () => over };
}
