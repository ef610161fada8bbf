/** What of the package runs: its programs and libraries for Node and browsers, and the files that they read. */
import { chmodSync, cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { transformSync } from 'esbuild';
import { bundleBrowser, bundleNode } from './bundle.ts';

const root = fileURLToPath(new URL('..', import.meta.url));

/** The command line, below the folder that the programs are written to. */
export const commandFile = join('zoo', 'cli', 'main.js');

/** A script or styles of a page, without what is for people. */
function copyMinified(path: string, dist: string): void {
  const loader = path.endsWith('.css') ? 'css' : 'js';
  const text = readFileSync(join(root, path), 'utf8');
  const { code } = transformSync(text, { loader, minify: true, target: 'es2023' });
  const target = join(dist, path);
  mkdirSync(dirname(target), { recursive: true });
  writeFileSync(target, code);
}

/** @returns paths of the sources that were taken in, packages among them */
export async function writePrograms(dist: string): Promise<string[]> {
  const bundled = [await bundleNode(dist), await bundleBrowser(join(dist, 'browser'))];
  cpSync(join(root, 'zoo/lib'), join(dist, 'zoo/lib'), { recursive: true });
  for (const name of ['report.js', 'report.css']) copyMinified(`runtime/report/browser/${name}`, dist);
  for (const name of ['page.css', 'page.js']) copyMinified(`zoo/export/page/browser/${name}`, dist);
  const page = 'zoo/export/page/browser/index.html';
  cpSync(join(root, page), join(dist, page));
  chmodSync(join(dist, commandFile), 0o755);
  return bundled.flatMap(({ metafile }) => Object.keys(metafile.inputs));
}
