/**
 * A folder that appears complete or not at all: filled under a temporary name beside its
 * place, flushed, renamed.
 */
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { open, readdir, rename, rm, rmdir } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { fail } from '../../grammar/diagnostics.ts';
import { failSystem, makeFolders, syncDirectory } from '../../runtime/data/files/atomic.ts';

/** @throws DiagnosticError Z431 */
export async function refuseExisting(out: string): Promise<void> {
  if (!existsSync(out)) return;
  const entries = await readdir(out).catch((error: unknown) =>
    failSystem('Z431', `cannot use ${out}`, error),
  );
  if (entries.length > 0) fail('Z431', `${out} exists already`, 'choose another --out, or remove it');
}

async function syncFile(path: string): Promise<void> {
  const file = await open(path, 'r');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Flushes a folder's files, those in its folders, and its entries to the disk. */
async function syncFolder(folder: string): Promise<void> {
  for (const entry of await readdir(folder, { withFileTypes: true }))
    await (entry.isDirectory() ? syncFolder : syncFile)(join(folder, entry.name));
  await syncDirectory(folder);
}

/**
 * Removes a folder, and the parents up to `first` that were made for it unless something
 * else lies in them by now.
 */
async function removeFolder(folder: string, first: string): Promise<void> {
  await rm(folder, { recursive: true, force: true });
  for (let parent = dirname(folder); parent.length >= first.length; parent = dirname(parent))
    await rmdir(parent).catch(() => undefined);
}

/**
 * Makes the folder `out` from what `fill` puts into a temporary one; on any failure nothing is left behind.
 * @throws DiagnosticError Z431 when `out` exists and is not empty, Z413 when it cannot be written
 */
export async function makeFolder<T>(out: string, fill: (folder: string) => Promise<T>): Promise<T> {
  await refuseExisting(out);
  const place = resolve(out);
  const temporary = join(
    dirname(place),
    `.${basename(place)}.${process.pid}-${randomBytes(4).toString('hex')}.tmp`,
  );
  let first: string | undefined;
  try {
    first = await makeFolders(temporary);
    const result = await fill(temporary);
    await syncFolder(temporary);
    await rename(temporary, place);
    await syncDirectory(dirname(place));
    return result;
  } catch (error) {
    if (first !== undefined) await removeFolder(temporary, first);
    failSystem('Z413', `cannot write ${out}`, error);
  }
}
