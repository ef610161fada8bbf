/**
 * A child process from its parent's side: one process group each, requests one at a time, a limit on every
 * answer.
 *
 * A library that hangs or crashes costs its own cells of the table and nothing else: the whole group is
 * ended.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Request } from './job.ts';
import type { Contender } from './measure.ts';

const alive = new Set<ChildProcess>();

function endGroup(child: ChildProcess): void {
  alive.delete(child);
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** Groups do not hear the terminal's Ctrl-C, so they are ended with their parent. */
function endAll(): void {
  for (const child of alive) endGroup(child);
}
process.on('exit', endAll);
for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const)
  process.on(signal, () => process.exit(code));

interface Answer {
  readonly value?: unknown;
  readonly error?: string;
}

export class ProcessContender implements Contender {
  readonly #child: ChildProcess;
  readonly #limit: number;
  /** The end of what the libraries print, for messages. */
  #output = '';

  /** @param limit seconds that one answer may take */
  constructor(limit: number) {
    this.#limit = limit;
    this.#child = fork(fileURLToPath(new URL('child.ts', import.meta.url)), [], {
      execArgv: ['--import', import.meta.resolve('tsx')],
      serialization: 'advanced',
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    alive.add(this.#child);
    for (const stream of [this.#child.stdout!, this.#child.stderr!])
      stream.on('data', (text: Buffer) => {
        this.#output = (this.#output + text.toString()).slice(-2000);
      });
  }

  /** @throws Error that says in words what went wrong: the child's own error, a crash, or the limit */
  async ask<T>(request: Request): Promise<T> {
    try {
      const { value, error } = await this.#answer(request);
      if (error !== undefined) throw new Error(error.split('\n')[0]);
      return value as T;
    } catch (error) {
      this.end();
      throw error;
    }
  }

  #answer(request: Request): Promise<Answer> {
    const child = this.#child;
    return new Promise<Answer>((resolve, reject) => {
      const settle = (then: () => void): void => {
        clearTimeout(timer);
        child.off('message', answered).off('exit', ended);
        then();
      };
      const answered = (message: Answer): void => settle(() => resolve(message));
      const ended = (code: number | null, signal: string | null): void =>
        settle(() =>
          reject(new Error(`its process ended (${signal ?? `exit code ${code}`}): ${this.#lastLine()}`)),
        );
      const late = (): void => settle(() => reject(new Error(`did not finish within ${this.#limit} s`)));
      const timer = setTimeout(late, this.#limit * 1000);
      child.once('message', answered).once('exit', ended);
      child.send(request);
    });
  }

  end(): void {
    endGroup(this.#child);
  }

  #lastLine(): string {
    return this.#output.trim().split('\n').at(-1) || 'it said nothing';
  }
}
