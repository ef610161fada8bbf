/**
 * One case of the campaign: a folder and a temporary folder of its own, its draws, and a record of what it did.
 *
 * Whatever was done to it, every call has to end with 0, or with 1 and a diagnostic, and to leave nothing in the
 * temporary folder.
 */
import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Draw } from '../support/draw.ts';
import type { Call, CallOptions, Outcome } from './command.ts';
import type { Laboratory } from './laboratory.ts';

/** What should not be. */
export class Fault extends Error {}

/** @throws Fault unless `right` */
export function claim(right: boolean, otherwise: string): asserts right {
  if (!right) throw new Fault(otherwise);
}

/** What a call may end with besides 0, and 1 with words. */
interface Allowed {
  readonly codes?: readonly number[];
  readonly signals?: readonly NodeJS.Signals[];
}

export interface TrialCall extends Pick<CallOptions, 'fileLimit'> {
  /** Runs in the folder of the case, where names are relative to it, instead of in that of the laboratory. */
  readonly inside?: boolean;
}

export class Trial {
  readonly lab: Laboratory;
  /** `kills-17`: the folder of the case, as commands name it. */
  readonly folder: string;
  readonly number: number;
  readonly draw: Draw;
  /** Every call and what was done between them, in order. */
  readonly record: string[] = [];

  constructor(lab: Laboratory, kind: string, number: number, draw: Draw) {
    this.lab = lab;
    this.folder = join('cases', `${kind}-${number}`);
    this.number = number;
    this.draw = draw;
    rmSync(this.at(), { recursive: true, force: true });
    for (const path of [this.at(), this.#temporary]) mkdirSync(path, { recursive: true });
  }

  get #temporary(): string {
    return this.lab.path(`${this.folder}.tmp`);
  }

  /** The name of one of its files, as commands take it. */
  name(file: string): string {
    return join(this.folder, file);
  }

  /** The same as a path of this process. */
  at(file = ''): string {
    return this.lab.path(this.folder, file);
  }

  note(what: string): void {
    this.record.push(`# ${what}`);
  }

  start(args: readonly string[], options: TrialCall = {}): Call {
    const { inside = false, ...rest } = options;
    const quoted = args.map((word) => (/^[\w./:#=-]+$/.test(word) ? word : JSON.stringify(word)));
    const limit = rest.fileLimit === undefined ? '' : `ulimit -f ${rest.fileLimit}; `;
    this.record.push(`${inside ? `cd ${this.folder}; ` : ''}${limit}zooc ${quoted.join(' ')}`);
    const cwd = inside ? { cwd: this.at() } : {};
    return this.lab.start(args, { ...rest, ...cwd, temporary: this.#temporary });
  }

  /** Waits for the end of a call and looks at how it ended. */
  async end({ ended }: Call, allowed: Allowed = {}): Promise<Outcome> {
    const outcome = await ended;
    this.judge(outcome, allowed);
    return outcome;
  }

  run(args: readonly string[], options: TrialCall = {}): Promise<Outcome> {
    return this.end(this.start(args, options));
  }

  judge(outcome: Outcome, { codes = [], signals = [] }: Allowed): void {
    const { code, signal, stdout, stderr, hung } = outcome;
    this.record.push(
      `# ended with ${code ?? signal}${stderr === '' ? '' : `\n${stderr.slice(-2000).trimEnd()}`}`,
    );
    claim(!hung, 'a call does not end');
    const silent = signal === 'SIGKILL' || (signal !== null && signals.includes(signal));
    if (silent || (code !== null && codes.includes(code))) return;
    claim(code === 0 || code === 1, `a call ended with ${code ?? signal}`);
    claim(!/internal error|^ {4}at /m.test(stderr), 'a stack or an internal error was printed');
    // `check --json` says on stdout what is wrong.
    const told = /^error\[Z\d{3}\]: ./m.test(stderr) || /"code": ?"Z\d{3}"/.test(stdout);
    claim(code === 0 || told, 'a call ended with 1 and no diagnostic');
    const left = readdirSync(this.#temporary);
    claim(left.length === 0, `a call left ${left.join(', ')} in the temporary folder`);
  }

  remove(): void {
    for (const path of [this.at(), this.#temporary]) rmSync(path, { recursive: true, force: true });
  }
}
