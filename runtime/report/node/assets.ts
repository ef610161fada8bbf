/** What a report inlines: uPlot, the page's own script and styles. They lie beside the sources, and beside what is built. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { ownFile } from '../../node/own-files.ts';
import type { PageAssets } from '../page.ts';

let assets: Promise<PageAssets> | undefined;

async function load(): Promise<PageAssets> {
  const { resolve } = createRequire(import.meta.url);
  const own = (name: string) => readFile(ownFile(`runtime/report/browser/${name}`), 'utf8');
  const ofPlot = (name: string) => readFile(resolve(`uplot/${name}`), 'utf8');
  // Copies of uPlot carry its licence along.
  const licensed = async (name: string) => `/*\n${await ofPlot('LICENSE')}*/\n${await ofPlot(name)}`;
  const styles = await Promise.all([ofPlot('dist/uPlot.min.css'), own('report.css')]);
  const scripts = await Promise.all([licensed('dist/uPlot.iife.min.js'), own('report.js')]);
  for (const text of [...styles, ...scripts])
    if (/<\/(script|style)/i.test(text))
      throw new Error('a script or style of the report would end its element');
  return {
    styles,
    scripts: scripts.map((text) => ({
      text,
      hash: `sha256-${createHash('sha256').update(text).digest('base64')}`,
    })),
  };
}

/** Read once for a process. */
export function pageAssets(): Promise<PageAssets> {
  assets ??= load();
  return assets;
}
