/**
 * One process at a time does a piece of work in the cache; another one that wants the same waits for it and then finds it done.
 *
 * Whoever works writes its number into a file and touches that. One that was killed is recognised by the number on the same machine, by the
 * file's age on another; what it left is taken over. No harm is done if two take it over at once, since what is downloaded is verified.
 */
import { rmSync } from 'node:fs';
import { type FileHandle, open, readFile, rm, stat, utimes } from 'node:fs/promises';
import { hostname } from 'node:os';
import { setTimeout as wait } from 'node:timers/promises';
import { isAlive, movedAside } from '../../runtime/data/files/lock-files.ts';

/** Milliseconds between touches, and after how many without one nobody works any more. */
const touchEvery = 2000;
const abandoned = 20_000;
const lookEvery = 100;

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code;
}

async function created(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, 'wx');
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return undefined;
    throw error;
  }
}

/** Milliseconds since a file was touched; undefined where there is none. */
async function ageOf(path: string): Promise<number | undefined> {
  try {
    return Date.now() - (await stat(path)).mtimeMs;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** Whether the process that a lock names is over, as far as can be told: those of other machines are never. */
async function isOver(path: string): Promise<boolean> {
  const text = await readFile(path, 'utf8').catch(() => '');
  const [host, pid] = text.split(' ');
  // Without words: its holder is about to write them.
  if (host !== hostname() || !/^[1-9]\d{0,9}$/.test(pid ?? '')) return false;
  return !isAlive(Number(pid));
}

async function takeAway(path: string): Promise<void> {
  const aside = await movedAside(path);
  if (aside !== undefined) await rm(aside, { force: true });
}

/**
 * @param path of the lock, in a folder that exists
 * @param waiting told once, where another process holds it
 */
export async function holding<T>(path: string, work: () => Promise<T>, waiting: () => void): Promise<T> {
  let file: FileHandle | undefined;
  for (let told = false; ; ) {
    file = await created(path);
    if (file !== undefined) break;
    const age = await ageOf(path);
    if (age !== undefined && (age > abandoned || (await isOver(path)))) await takeAway(path);
    else {
      if (!told) waiting();
      told = true;
      await wait(lookEvery);
    }
  }
  await file.writeFile(`${hostname()} ${process.pid}`);
  await file.close();
  const timer = setInterval(() => {
    const now = new Date();
    utimes(path, now, now).catch(() => {});
  }, touchEvery).unref();
  const atExit = () => rmSync(path, { force: true });
  process.once('exit', atExit);
  try {
    return await work();
  } finally {
    clearInterval(timer);
    process.off('exit', atExit);
    await rm(path, { force: true });
  }
}
