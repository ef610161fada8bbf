/**
 * The lock of a run folder, `run.lock`: one process at a time writes into the folder, and the file says which.
 *
 * What a killed process left is recognised on the same machine by the process that is over, of another machine by the
 * file's age: its holder touches it. A folder that was moved away has taken its lock along, which is how a run notices.
 */
import { readFileSync, unlinkSync } from 'node:fs';
import { type FileHandle, link, open, stat, unlink } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { z } from 'zod';
import { type Diagnostic, fail } from '../../../grammar/diagnostics.ts';
import { failSystem, writeFully } from '../../data/files/atomic.ts';
import { parseJson } from '../../data/files/json.ts';
import { isAlive, movedAside } from '../../data/files/lock-files.ts';
import { readText } from '../../data/files/read-fully.ts';

export const lockName = 'run.lock';

const holderSchema = z.object({
  host: z.string(),
  /** No other number is one that `kill` should be told. */
  pid: z.int32().positive(),
  /** Tells the process from a later one with the same number, where the system has such a thing. */
  began: z.string().optional(),
  since: z.string(),
  /** Seconds between touches of the file; absent where it is not touched. */
  touched: z.int().positive().optional(),
});

type Holder = z.infer<typeof holderSchema>;

/** Milliseconds between looks at the folder. */
const lookEvery = 1000;
/** Seconds between touches of the lock, and how many a holder may miss: a step may keep it busy for minutes. */
const touchEvery = 20;
const missed = 15;
/** Looks at a lock without words, 100 ms apart: its holder is about to write it, or was killed before. */
const patience = 20;

/** When a process began, as Linux tells it; undefined elsewhere, and for one that is over. */
function beginningOf(pid: number): string | undefined {
  try {
    const status = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The name in brackets may hold anything. Behind it: the state first, the beginning as the 20th.
    const [state, ...rest] = status.slice(status.lastIndexOf(')') + 2).split(' ');
    if (state === 'Z' || state === 'X') return undefined;
    return `${readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim()} ${rest[18]}`;
  } catch {
    return undefined;
  }
}

/** Seconds since a file was touched, by the clock of its own file system: that of another machine may be another one. */
async function secondsSince(path: string): Promise<number> {
  const beside = join(dirname(path), `.${lockName}.${process.pid}.tmp`);
  const file = await open(beside, 'w');
  try {
    return ((await file.stat()).mtimeMs - (await stat(path)).mtimeMs) / 1000;
  } finally {
    await file.close();
    await unlink(beside);
  }
}

async function isOver(path: string, { host, pid, began, touched }: Holder): Promise<boolean> {
  if (host !== hostname()) return touched !== undefined && (await secondsSince(path)) > missed * touched;
  return !isAlive(pid) || (began !== undefined && beginningOf(pid) !== began);
}

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code;
}

/** There is no such file, or no folder that could hold it. */
function isMissing(error: unknown): boolean {
  return ['ENOENT', 'ENOTDIR'].includes(codeOf(error) ?? '');
}

/** The text of a lock or a marker; undefined where there is none (any more). */
export async function textOf(path: string): Promise<string | undefined> {
  try {
    return await readText(path, 'Z613');
  } catch (error) {
    if (isMissing(error)) return undefined;
    failSystem('Z613', `cannot read ${path}`, error);
  }
}

function holderOf(text: string): Holder | undefined {
  return holderSchema.safeParse(parseJson(text)).data;
}

/** @throws DiagnosticError Z617 unless the holder is known to be over */
async function refuseHeld(folder: string, holder: Holder): Promise<void> {
  if (await isOver(join(folder, lockName), holder)) return;
  const { host, pid, since, touched } = holder;
  const here = host === hostname();
  const minutes = touched === undefined ? undefined : (missed * touched) / 60;
  fail(
    'Z617',
    `${folder} is in use: process ${pid} on ${here ? 'this machine' : host} has trained into it since ${since}`,
    here
      ? `wait for it, or end it: kill ${pid}`
      : minutes === undefined
        ? `wait for it; if it is over (nobody can tell from here), remove ${join(folder, lockName)}`
        : `wait for it; if it is over, its lock is free ${minutes} minutes after its end`,
  );
}

/**
 * Looks whether somebody trains into a folder, and changes nothing.
 * @throws DiagnosticError Z413, Z617
 */
export async function refuseLocked(folder: string): Promise<void> {
  const holder = holderOf((await textOf(join(folder, lockName))) ?? '');
  if (holder === undefined) return;
  try {
    await refuseHeld(folder, holder);
  } catch (error) {
    failSystem('Z413', `cannot lock ${folder}`, error);
  }
}

function takenFrom(folder: string, { host, pid, since }: Holder): Diagnostic {
  const message = `${folder} is taken over from process ${pid} on ${host}, which has trained into it since ${since} and has not touched its lock for ${(missed * touchEvery) / 60} minutes`;
  return { code: 'Z621', severity: 'warning', message };
}

/** Takes away the lock with this text; another one that took its place meanwhile is put back. */
async function removeStale(path: string, text: string): Promise<void> {
  const aside = await movedAside(path);
  if (aside === undefined) return;
  if ((await textOf(aside)) !== text) await link(aside, path).catch(() => {});
  await unlink(aside);
}

/** The lock of this process. */
interface LockFile {
  readonly file: FileHandle;
  readonly inode: bigint;
  readonly bytes: number;
}

/** Creates the lock; undefined where there is one. */
async function createLock(path: string, holder: Holder): Promise<LockFile | undefined> {
  let file: FileHandle | undefined;
  try {
    file = await open(path, 'wx');
    const text = Buffer.from(`${JSON.stringify(holder)}\n`);
    await writeFully(file, text);
    return { file, inode: (await file.stat({ bigint: true })).ino, bytes: text.byteLength };
  } catch (error) {
    if (file !== undefined) {
      unlinkSync(path);
      await file.close();
    }
    if (codeOf(error) === 'EEXIST') return undefined;
    throw error;
  }
}

async function inodeOf(path: string): Promise<bigint | undefined> {
  try {
    return (await stat(path, { bigint: true })).ino;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

export class RunLock {
  readonly #folder: string;
  readonly #path: string;
  readonly #own: LockFile;
  #touched = performance.now();
  readonly #timer: NodeJS.Timeout;
  #lost = false;
  #held = true;
  readonly #atExit = (): void => this.release();

  private constructor(folder: string, own: LockFile) {
    this.#folder = folder;
    this.#path = join(folder, lockName);
    this.#own = own;
    process.once('exit', this.#atExit);
    this.#timer = setInterval(() => {
      // A file system that does not answer now may answer at the next look.
      this.#look().catch(() => {});
    }, lookEvery).unref();
  }

  /**
   * @param folder exists
   * @param warn told what is taken over from another machine
   * @throws DiagnosticError Z617 when another process holds it, Z413 when it cannot be written
   */
  static async take(folder: string, warn?: (warning: Diagnostic) => void): Promise<RunLock> {
    const path = join(folder, lockName);
    const began = beginningOf(process.pid);
    const holder: Holder = {
      host: hostname(),
      pid: process.pid,
      ...(began === undefined ? {} : { began }),
      since: new Date().toISOString(),
      touched: touchEvery,
    };
    try {
      for (let wordless = 0; ; ) {
        const own = await createLock(path, holder);
        if (own !== undefined) return new RunLock(folder, own);
        const text = await textOf(path);
        if (text === undefined) continue;
        const found = holderOf(text);
        if (found !== undefined) {
          await refuseHeld(folder, found);
          if (found.host !== hostname()) warn?.(takenFrom(folder, found));
        } else if (wordless++ < patience) {
          await wait(100);
          continue;
        }
        await removeStale(path, text);
      }
    } catch (error) {
      failSystem('Z413', `cannot lock ${folder}`, error);
    }
  }

  /** The folder is not where it was, as far as was looked. */
  get lost(): boolean {
    return this.#lost;
  }

  /** @throws DiagnosticError Z613 when the folder was moved, removed or replaced since it was locked */
  async check(): Promise<void> {
    try {
      await this.#look();
    } catch (error) {
      failSystem('Z413', `cannot write into ${this.#folder}`, error);
    }
    if (this.#lost)
      fail(
        'Z613',
        `${this.#folder} was moved or removed while this run wrote into it: the run ends, without the steps since its last checkpoint`,
        'move it back, or name its new place as --out, and go on with --resume',
      );
  }

  /** Safe to call twice. */
  release(): void {
    if (!this.#held) return;
    this.#held = false;
    clearInterval(this.#timer);
    process.off('exit', this.#atExit);
    // One that is not ours by now stays.
    if (holderOf(readOrNothing(this.#path))?.pid === process.pid && !this.#lost) unlinkSync(this.#path);
    // At the end of the process the system does it.
    this.#own.file.close().catch(() => {});
  }

  async #look(): Promise<void> {
    if ((await inodeOf(this.#path)) !== this.#own.inode) this.#lost = true;
    if (this.#lost || performance.now() - this.#touched < touchEvery * 1000) return;
    this.#touched = performance.now();
    // Its last byte again: so the time is the file system's.
    await this.#own.file.write('\n', this.#own.bytes - 1);
  }
}

function readOrNothing(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
