/**
 * One process at a time does a piece of work in the cache; another one that wants the same waits for it and then finds it done.
 *
 * Whoever works touches its file. One that was killed is recognised by the file's age, and what it left is taken over: no harm is done if
 * two take it over at once, since what is downloaded is verified.
 */
import { rmSync } from 'node:fs';
import { type FileHandle, open, rename, rm, stat, utimes } from 'node:fs/promises';
import { setTimeout as wait } from 'node:timers/promises';

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

async function takeAway(path: string): Promise<void> {
  const aside = `${path}.${process.pid}`;
  try {
    await rename(path, aside);
  } catch (error) {
    // Somebody else was faster.
    if (codeOf(error) === 'ENOENT') return;
    throw error;
  }
  await rm(aside, { force: true });
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
    if (age !== undefined && age > abandoned) await takeAway(path);
    else {
      if (!told) waiting();
      told = true;
      await wait(lookEvery);
    }
  }
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
