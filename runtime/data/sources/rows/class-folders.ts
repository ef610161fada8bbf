/** Pictures in a folder for each class. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fail } from '../../../../grammar/diagnostics.ts';

const pictureName = /\.(jpe?g|png|webp|gif|tiff?|bmp|avif|svg)$/i;

/** Pictures of a class, however deep, in the order of their paths. */
async function picturesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => !entry.isDirectory() && pictureName.test(entry.name) && !entry.name.startsWith('.'))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

interface ClassFolder {
  readonly name: string;
  readonly files: readonly string[];
}

/**
 * In the order of their names.
 * @throws DiagnosticError Z415 where there is none; system errors as they are
 */
export async function readClassFolders(dir: string): Promise<ClassFolder[]> {
  const entries = await readdir(dir, { withFileTypes: true });
  const classes = entries
    .filter((entry) => !entry.isFile() && !entry.name.startsWith('.'))
    .map((entry) => entry.name)
    .sort();
  if (classes.length === 0)
    fail('Z415', `${dir} has no folder for a class`, 'its pictures are looked for as DIR/CLASS/*.jpg');
  return Promise.all(classes.map(async (name) => ({ name, files: await picturesIn(join(dir, name)) })));
}
