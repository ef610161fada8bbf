/** Paths as people write them into tables and recipes. */
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** `file://` addresses, `~` for the home folder, and backslashes where no file is called so. */
export function pathIn(folder: string, written: string): string {
  if (written.startsWith('file://')) return addressed(written);
  const name = /^~(?=$|[/\\])/.test(written) ? join(homedir(), written.slice(1)) : written;
  const path = resolve(folder, name);
  // A backslash may stand in a name on other systems than Windows, if seldom.
  if (!name.includes('\\') || existsSync(path)) return path;
  return resolve(folder, name.replaceAll('\\', '/'));
}

function addressed(written: string): string {
  try {
    return fileURLToPath(written);
  } catch {
    // An address that names no file of this machine is found missing as it stands.
    return written;
  }
}
