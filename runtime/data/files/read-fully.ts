/**
 * Reading a range of a file whole: a single read may be short, and is limited to what
 * the system takes at once.
 */
import { type FileHandle, open, stat } from 'node:fs/promises';
import { fail } from '../../../grammar/diagnostics.ts';

const chunkBytes = 64 * 1024 * 1024;

/**
 * Opens a regular file for reading. Anything else is refused before it is opened: a FIFO would wait for a writer.
 * @throws DiagnosticError with `code` for what is no file; system errors as they are
 */
export async function openRegular(path: string, code = 'Z410'): Promise<FileHandle> {
  if (!(await stat(path)).isFile()) fail(code, `cannot read ${path}: it is not a file`);
  return open(path, 'r');
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
