/** The player of plans, `zooc/plan` for browsers, as files that a page loads from beside itself. */
import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { fromSource, ownFile, packageFolder } from '../../../runtime/node/own-files.ts';

/** What the build made of the package's entries for browsers. */
const packaged = ownFile('browser');

const entry = 'plan.js';

interface Bundler {
  bundleBrowser(
    outdir: undefined,
    names: readonly ['plan'],
  ): Promise<{ readonly outputFiles: readonly { readonly path: string; readonly contents: Uint8Array }[] }>;
}

/** The entry, and the part that it has in common with the rest of the library. */
async function packagedFiles(): Promise<Map<string, Uint8Array>> {
  const main = await readFile(join(packaged, entry));
  const files = new Map<string, Uint8Array>([[entry, main]]);
  for (const [, name] of main.toString().matchAll(/\bfrom\s*"\.\/([^"/]+)"/g))
    files.set(name!, await readFile(join(packaged, name!)));
  return files;
}

async function madeFiles(): Promise<Map<string, Uint8Array>> {
  // No part of the package, which has what it makes.
  const bundler = pathToFileURL(join(packageFolder, 'scripts', 'bundle.ts'));
  const { bundleBrowser }: Bundler = await import(bundler.href);
  const { outputFiles } = await bundleBrowser(undefined, ['plan']);
  return new Map(outputFiles.map(({ path, contents }) => [basename(path), contents]));
}

/** By name; `plan.js` is what a page imports. */
export function playerFiles(): Promise<Map<string, Uint8Array>> {
  return fromSource ? madeFiles() : packagedFiles();
}
