/** `report.html` of one run or of several. */
import { posix, resolve, sep } from 'node:path';
import { writeText } from '../../data/files/atomic.ts';
import type { Curves } from '../curves.ts';
import { renderReport } from '../page.ts';
import { pageAssets } from './assets.ts';
import { readRun } from './read-run.ts';

export const reportName = 'report.html';

/** Names of folders that differ: the last part of a path, or more where two are the same. */
export function runNames(folders: readonly string[]): string[] {
  const { basename, dirname } = posix;
  const paths = folders.map((folder) => resolve(folder).split(sep).join('/'));
  return paths.map((path) => {
    let name = basename(path);
    let above = dirname(path);
    const same = () => paths.some((p) => p !== path && (p === name || p.endsWith(`/${name}`)));
    while (same() && dirname(above) !== above) {
      name = `${basename(above)}/${name}`;
      above = dirname(above);
    }
    return name;
  });
}

/**
 * Written whole or not at all.
 * @param curves of the rows of the one run, where somebody has them already
 * @throws DiagnosticError Z413, Z613
 */
export async function writeReport(out: string, folders: readonly string[], curves?: Curves): Promise<void> {
  const names = runNames(folders);
  const runs = await Promise.all(folders.map((folder, i) => readRun(folder, names[i]!, curves)));
  await writeText(out, renderReport(runs, await pageAssets()));
}
