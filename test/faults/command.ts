/** The command line as it is installed: built once into a folder, since the sources take a second more to start. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { copyFileSync, cpSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));

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

/** Builds the command line into an empty folder; returns the path of its main file. */
export function buildCommand(folder: string): string {
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  const dist = join(folder, 'dist');
  execFileSync(process.execPath, [tsc, '-p', join(root, 'tsconfig.build.json'), '--outDir', dist]);
  cpSync(join(root, 'zoo', 'lib'), join(dist, 'zoo', 'lib'), { recursive: true });
  copyFileSync(join(root, 'package.json'), join(folder, 'package.json'));
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  return join(dist, 'zoo', 'cli', 'main.js');
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
