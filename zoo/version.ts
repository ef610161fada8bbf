/** The version in package.json, and those of what runs it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageFolder } from '../runtime/node/own-files.ts';

export const version = String(JSON.parse(readFileSync(join(packageFolder, 'package.json'), 'utf8')).version);

/** zooc, Node, and the implementation of WebGPU. */
export async function nodeVersions(): Promise<Readonly<Record<string, string>>> {
  const { dawnVersion } = await import('../runtime/tune/node/cache.ts');
  return { zooc: version, node: process.version, dawn: dawnVersion() };
}
