/**
 * Reading a range of a file whole: a single read may be short, and is limited to what
 * the system takes at once.
 */
import type { FileHandle } from 'node:fs/promises';
import { fail } from '../../../grammar/diagnostics.ts';

const chunkBytes = 64 * 1024 * 1024;

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
