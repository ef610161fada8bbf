/** The playground as `npm run build:web` makes it, in a real browser. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'vite';
import { afterAll } from 'vitest';
import config from '../../web/vite.config.ts';
import { type OpenedPage, openPage, type PageOptions } from './page.ts';

let building: Promise<string> | undefined;

async function buildPage(): Promise<string> {
  const outDir = mkdtempSync(join(tmpdir(), 'zooc-web-'));
  await build({ ...config, configFile: false, logLevel: 'error', build: { ...config.build, outDir } });
  return outDir;
}

/** The folder of the built page, which is built once for a file of tests and removed behind it. */
export function builtPage(): Promise<string> {
  building ??= buildPage();
  return building;
}

/** Opens a part (`try`, `write`, …) of the built page. */
export async function openPart(part: string, options: PageOptions = {}): Promise<OpenedPage> {
  return openPage(await builtPage(), `index.html#${part}`, options);
}

afterAll(async () => {
  if (building !== undefined) rmSync(await building, { recursive: true, force: true });
});
