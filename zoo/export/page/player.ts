/** The player of plans, `zooc/plan` for browsers, as files that a page loads from beside itself. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';

/** Of the package; not there in a checkout, where this file lies elsewhere. */
const packaged = new URL('../../../browser/', import.meta.url);
/** What makes them, there: no part of the package. */
const bundler = new URL('../../../scripts/bundle.ts', import.meta.url);

const entry = 'plan.js';

interface Bundler {
  bundleBrowser(
    outdir: undefined,
    names: readonly ['plan'],
  ): Promise<{ readonly outputFiles: readonly { readonly path: string; readonly contents: Uint8Array }[] }>;
}

/** The entry, and the part that it has in common with the rest of the library. */
async function packagedFiles(): Promise<Map<string, Uint8Array>> {
  const main = await readFile(new URL(entry, packaged));
  const files = new Map<string, Uint8Array>([[entry, main]]);
  for (const [, name] of main.toString().matchAll(/\bfrom\s*"\.\/([^"/]+)"/g))
    files.set(name!, await readFile(new URL(name!, packaged)));
  return files;
}

async function madeFiles(): Promise<Map<string, Uint8Array>> {
  const { bundleBrowser }: Bundler = await import(bundler.href);
  const { outputFiles } = await bundleBrowser(undefined, ['plan']);
  return new Map(outputFiles.map(({ path, contents }) => [basename(path), contents]));
}

/** By name; `plan.js` is what a page imports. */
export function playerFiles(): Promise<Map<string, Uint8Array>> {
  return existsSync(packaged) ? packagedFiles() : madeFiles();
}
