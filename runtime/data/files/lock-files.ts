/** What locks in files have in common: who holds them, and how those of the dead are taken away. */
import { rename } from 'node:fs/promises';

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code;
}

/** Whether there is a process of this number on this machine. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return codeOf(error) !== 'ESRCH';
  }
}

/** Moves a lock out of the way; undefined where somebody else was faster. */
export async function movedAside(path: string): Promise<string | undefined> {
  const aside = `${path}.${process.pid}`;
  try {
    await rename(path, aside);
    return aside;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}
