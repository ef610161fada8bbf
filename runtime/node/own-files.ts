/**
 * Files of this program that are read, or started, by their path. They lie below the folder of package.json, or in `dist` below
 * it, under the path of their source; nothing else may ask where a module lies, since what is built joins modules.
 */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Whether this is the source, not what is built of it. */
export const fromSource = import.meta.url.endsWith('.ts');

function findPackage(): string {
  const start = dirname(fileURLToPath(import.meta.url));
  for (let at = start; dirname(at) !== at; at = dirname(at))
    if (existsSync(join(at, 'package.json'))) return at;
  throw new Error(`package.json not found above ${start}`);
}

/** The folder of package.json. */
export const packageFolder = findPackage();

/** Path of a file by its path among the sources: `zoo/lib`. */
export function ownFile(path: string): string {
  return join(packageFolder, fromSource ? '.' : 'dist', path);
}

/** Path of a program, by its source without an extension. */
export function ownProgram(path: string): string {
  return ownFile(`${path}.${fromSource ? 'ts' : 'js'}`);
}
