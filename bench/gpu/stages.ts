/** Programs with a limit on their time, whose output is kept: one that fails or hangs costs its own part of the day. */
import { spawn } from 'node:child_process';

export interface Ended {
  readonly stdout: string;
  /** What went wrong, in a line; undefined where nothing did. */
  readonly failure?: string;
}

/** The last line that is no progress, for a message. */
function lastLine(stderr: string): string {
  return stderr.trim().split('\n').at(-1)?.trim() || 'it said nothing';
}

/** @param seconds after which the program and what it started are ended */
export function runFor(
  seconds: number,
  command: string,
  args: readonly string[],
  env = process.env,
): Promise<Ended> {
  return new Promise((resolve) => {
    const child = spawn(command, args, { detached: true, env, stdio: ['ignore', 'pipe', 'pipe'] });
    let stdout = '';
    let stderr = '';
    let late = false;
    const end = (): void => {
      if (child.pid === undefined) return;
      try {
        process.kill(-child.pid, 'SIGKILL');
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
      }
    };
    const timer = setTimeout(() => {
      late = true;
      end();
    }, seconds * 1000);
    process.once('exit', end);
    const settle = (failure?: string): void => {
      clearTimeout(timer);
      process.off('exit', end);
      resolve({ stdout, ...(failure === undefined ? {} : { failure }) });
    };
    child.stdout.on('data', (text: Buffer) => {
      stdout += text.toString();
    });
    child.stderr.on('data', (text: Buffer) => {
      stderr = (stderr + text.toString()).slice(-4000);
    });
    child.on('error', (error) => settle(error.message));
    child.on('close', (code, signal) => {
      if (late) settle(`ended after ${Math.round(seconds)} s`);
      else settle(code === 0 ? undefined : `${signal ?? `exit code ${code}`}: ${lastLine(stderr)}`);
    });
  });
}

/** Shares out a time: a stage has its own seconds and what earlier ones left over, and never more than what is left of all. */
export class Clock {
  readonly #now: () => number;
  readonly #start: number;
  readonly #total: number;
  #planned = 0;

  /** @param now milliseconds */
  constructor(total: number, now = () => performance.now()) {
    this.#total = total;
    this.#now = now;
    this.#start = now();
  }

  get elapsed(): number {
    return (this.#now() - this.#start) / 1000;
  }

  /** Seconds that the next stage may take. */
  grant(seconds: number): number {
    this.#planned += seconds;
    return Math.max(0, Math.min(this.#planned, this.#total) - this.elapsed);
  }
}
