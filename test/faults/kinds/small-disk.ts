/** A disk of a chosen size: a file system in memory, for whoever may mount one. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const mount = (...args: string[]): void => void execFileSync('mount', args, { stdio: 'ignore' });

const mounted = new Set<SmallDisk>();
process.on('exit', () => {
  for (const disk of mounted) disk.remove();
});

export class SmallDisk {
  readonly #folder: string;

  /** @param kib what it holds, at least 4 */
  constructor(folder: string, kib: number) {
    this.#folder = folder;
    mkdirSync(folder, { recursive: true });
    mount('-t', 'tmpfs', '-o', `size=${kib}k`, 'tmpfs', folder);
    mounted.add(this);
  }

  grow(): void {
    mount('-o', 'remount,size=64m', this.#folder);
  }

  setReadOnly(on: boolean): void {
    mount('-o', `remount,${on ? 'ro' : 'rw'}`, this.#folder);
  }

  /** Takes it away with all that is on it. */
  remove(): void {
    execFileSync('umount', ['-l', this.#folder]);
    mounted.delete(this);
  }
}

let possible: boolean | undefined;

/** Whether this process may mount one. */
export function canMount(): boolean {
  if (possible !== undefined) return possible;
  const folder = mkdtempSync(join(tmpdir(), 'zooc-mount-'));
  try {
    new SmallDisk(folder, 4).remove();
    possible = true;
  } catch {
    possible = false;
  }
  rmSync(folder, { recursive: true });
  return possible;
}
