/**
 * Where golden files and the models of fixtures are read from: the file system. Tests in a browser have `test/browser/source.ts`
 * in this file's place.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageFolder } from '../../../runtime/node/own-files.ts';
import { nodeHost } from '../../../zoo/host.ts';

const folders = ['test/fixtures/golden', '../shared/golden'].map((path) => join(packageFolder, path));

/** Path of a golden file; throws where this machine has none. */
export function goldenPath(file: string): string {
  const path = folders.map((f) => join(f, file)).find((candidate) => existsSync(candidate));
  if (path === undefined) throw new Error(`no golden file ${file}`);
  return path;
}

export function goldenBytes(file: string): Uint8Array {
  return readFileSync(goldenPath(file));
}

export { nodeHost as modelHost };
