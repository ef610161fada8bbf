/**
 * Reading files that users name, whole or a range: the one place where they are opened.
 *
 * Only regular files are: a FIFO would wait for a writer, a device may never end. A single read may be short, and
 * is limited to what the system takes at once.
 */

import { readFileSync, type Stats, statSync } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import type { Code } from '../../../grammar/codes.ts';
import { fail } from '../../../grammar/diagnostics.ts';
import { isNoName } from './atomic.ts';

const chunkBytes = 64 * 1024 * 1024;
/** Texts above this would not fit into one string of Node's. */
const mostText = 256 * 2 ** 20;

interface Found {
  readonly size: number;
  isFile(): boolean;
}

/** @param most bytes, without a limit by default */
function refuse(path: string, code: Code, found: Found, most = Number.POSITIVE_INFINITY): void {
  if (!found.isFile()) fail(code, `cannot read ${path}: it is not a file`);
  if (found.size > most)
    fail(code, `cannot read ${path}: it has ${found.size} bytes, more than ${most}, which a text may have`);
}

/** What is at a path; undefined where nothing is, as under a name that no file can have: too long, or with a zero byte. */
export function statOf(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch (error) {
    if (isNoName(error)) return undefined;
    throw error;
  }
}

/**
 * Opens a regular file for reading. Anything else is refused before it is opened.
 * @param most bytes, without a limit by default
 * @throws DiagnosticError with `code` for what is no file, or larger; system errors as they are
 */
export async function openRegular(path: string, code: Code = 'Z410', most?: number): Promise<FileHandle> {
  refuse(path, code, await stat(path), most);
  return open(path, 'r');
}

/**
 * The bytes of a text file, whole.
 * @throws DiagnosticError with `code` for what is no file, or too large; system errors as they are
 */
export async function readTextBytes(path: string, code: Code): Promise<Uint8Array> {
  const file = await openRegular(path, code, mostText);
  try {
    return await file.readFile();
  } finally {
    await file.close();
  }
}

/** The same at once, for programs and what stands on the command line. */
export function readTextBytesSync(path: string, code: Code, most = mostText): Uint8Array {
  refuse(path, code, statSync(path), most);
  return readFileSync(path);
}

/** A text file of ours in UTF-8: programs, JSON. */
export async function readText(path: string, code: Code): Promise<string> {
  return Buffer.from(await readTextBytes(path, code)).toString('utf8');
}

export function readTextSync(path: string, code: Code, most?: number): string {
  return Buffer.from(readTextBytesSync(path, code, most)).toString('utf8');
}

/**
 * `length` bytes from `position`.
 * @throws DiagnosticError Z410 when the file ends before; system errors as they are
 */
export async function readFully(
  file: FileHandle,
  position: number,
  length: number,
  path: string,
): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; ) {
    const { bytesRead } = await file.read(bytes, at, Math.min(length - at, chunkBytes), position + at);
    if (bytesRead === 0) fail('Z410', `cannot read ${path}: it became shorter while it was being read`);
    at += bytesRead;
  }
  return bytes;
}
