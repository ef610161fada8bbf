/**
 * Failures of the system that pass, or that have nothing to do with the file that was being read: they say nothing about
 * the file, so what counts bad files must not count them.
 */
import { setTimeout } from 'node:timers/promises';

const codes = new Set(['EMFILE', 'ENFILE', 'EIO', 'ENOMEM', 'EAGAIN', 'EBUSY']);

/** Milliseconds before each further attempt. */
const pauses = [50, 200, 800];

export function isTransient(error: unknown): boolean {
  return error instanceof Error && codes.has((error as NodeJS.ErrnoException).code ?? '');
}

/** What comes out of `work`, which is done again where the system failed for a moment; then its last error. */
export async function retrying<T>(work: () => Promise<T>): Promise<T> {
  for (const pause of pauses) {
    try {
      return await work();
    } catch (error) {
      if (!isTransient(error)) throw error;
    }
    await setTimeout(pause);
  }
  return work();
}
