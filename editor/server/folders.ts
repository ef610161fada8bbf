/** Files of the language in the folders of a workspace. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';

/** A workspace may be somebody's home. */
const maxFiles = 500;
const maxFolders = 5000;

const skipped = /^(\..*|node_modules|dist)$/;

export function zooFilesIn(folders: readonly string[]): string[] {
  const found: string[] = [];
  const left = [...folders];
  for (let seen = 0; seen < maxFolders && found.length < maxFiles; seen++) {
    const folder = left.shift();
    if (folder === undefined) break;
    for (const entry of entriesOf(folder)) {
      const path = join(folder, entry.name);
      if (entry.isFile() && entry.name.endsWith('.zoo')) found.push(path);
      else if (entry.isDirectory() && !skipped.test(entry.name)) left.push(path);
    }
  }
  return found.slice(0, maxFiles);
}

/** None of a folder that cannot be read. */
function entriesOf(folder: string) {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch {
    return [];
  }
}
