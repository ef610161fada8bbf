/**
 * Files that are either old or new, never half: write beside, flush to the disk, rename
 * over, flush the directory.
 *
 * On any failure the temporary file is removed and what was there before stays. System errors (no space, no
 * permission, no such folder) become diagnostics with the reason in words.
 */

import { randomBytes } from 'node:crypto';
import { type FileHandle, mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Code } from '../../../grammar/codes.ts';
import { DiagnosticError, fail } from '../../../grammar/diagnostics.ts';

const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'no such file or folder',
  EACCES: 'permission denied',
  EPERM: 'not permitted',
  EISDIR: 'it is a folder',
  ENOTDIR: 'a part of the path is not a folder',
  ENOSPC: 'no space left on the device',
  EDQUOT: 'the disk quota is used up',
  EFBIG: 'the file would be too large for this file system',
  EROFS: 'the file system is read-only',
  EMFILE: 'too many open files',
  ENFILE: 'too many open files in the whole system',
  ENOMEM: 'not enough memory',
  EAGAIN: 'the system has no room for it at the moment',
  EBUSY: 'it is in use',
  EIO: 'input/output error of the device',
  EEXIST: 'it exists already',
  ENOTEMPTY: 'the folder is not empty',
  ENAMETOOLONG: 'the name is too long',
};

/** Whether Node refuses a path, before it asks the system, for a zero byte: tables and programs can name such files. */
function hasZeroByte(error: Error): boolean {
  const { code, message } = error as NodeJS.ErrnoException;
  return code === 'ERR_INVALID_ARG_VALUE' && message.includes('null bytes');
}

/** Whether an error is about a name that no file can have. */
export function isNoName(error: unknown): boolean {
  return (
    error instanceof Error && ((error as NodeJS.ErrnoException).code === 'ENAMETOOLONG' || hasZeroByte(error))
  );
}

/** The reason of a system error in words; undefined for errors that are no system errors. */
export function systemReason(error: unknown): string | undefined {
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
  if (error instanceof Error && hasZeroByte(error)) return 'no name of a file has a zero byte';
  if (typeof code !== 'string' || !/^E[A-Z0-9]+$/.test(code)) return undefined;
  return reasons[code] ?? code;
}

/** Why something failed, in one line. */
export function reasonOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return systemReason(error) ?? text.split('\n', 1)[0]!;
}

/**
 * Turns a system error into a diagnostic (`cannot read PATH: no such file or folder`); anything
 * else is thrown as it is.
 */
export function failSystem(code: Code, doing: string, error: unknown): never {
  if (error instanceof DiagnosticError) throw error;
  const reason = systemReason(error);
  if (reason === undefined) throw error;
  fail(code, `${doing}: ${reason}`);
}

/**
 * Makes a folder and those above it that are missing. Node's own call never returns where a file system (`/proc`)
 * says that there is no such folder while the one above is there.
 * @returns the topmost that was made; undefined where all were there
 */
export async function makeFolders(path: string): Promise<string | undefined> {
  try {
    return await makeFolder(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || dirname(path) === path) throw error;
    const first = await makeFolders(dirname(path));
    const made = await makeFolder(path);
    return first ?? made;
  }
}

/** @returns its path; undefined where it was there */
async function makeFolder(path: string): Promise<string | undefined> {
  try {
    await mkdir(path);
    return path;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST' || !(await stat(path)).isDirectory()) throw error;
    return undefined;
  }
}

/** Flushes a directory's entries, so that a rename in it survives a power cut. */
export async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/**
 * Writes every byte (a single write may be short).
 * @param position the current one by default, which stays where it is if one is given
 */
export async function writeFully(file: FileHandle, bytes: Uint8Array, position?: number): Promise<void> {
  for (let at = 0; at < bytes.byteLength; ) {
    const length = Math.min(bytes.byteLength - at, 64 * 1024 * 1024);
    const place = position === undefined ? null : position + at;
    const { bytesWritten } = await file.write(bytes, at, length, place);
    at += bytesWritten;
  }
}

/** What a kill leaves beside a file that was being written. */
export const halfWritten = /^\..*\.tmp$/;

/**
 * Replaces `path` by what `write` puts into a new file.
 * @throws DiagnosticError Z413 when the file cannot be written; then nothing has changed
 */
export async function writeAtomically(
  path: string,
  write: (file: FileHandle) => Promise<void>,
): Promise<void> {
  const folder = dirname(path);
  const temporary = join(folder, `.${basename(path)}.${process.pid}-${randomBytes(4).toString('hex')}.tmp`);
  let created = false;
  try {
    // A rename would replace a device (/dev/null) or a pipe by a file.
    await refuseOther(path);
    const file = await open(temporary, 'wx');
    created = true;
    try {
      await write(file);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
    created = false;
    await syncDirectory(folder);
  } catch (error) {
    if (created) await rm(temporary, { force: true });
    failSystem('Z413', `cannot write ${path}`, error);
  }
}

/** A text file: readers see the old one or the whole new one. The folder must exist. */
export function writeText(path: string, text: string): Promise<void> {
  return writeAtomically(path, (file) => writeFully(file, Buffer.from(text)));
}

/** @throws DiagnosticError Z413 for what is there and no file */
export async function refuseOther(path: string): Promise<void> {
  const old = await stat(path).catch(() => undefined);
  if (old !== undefined && !old.isFile()) fail('Z413', `cannot write ${path}: it is not a file`);
}
