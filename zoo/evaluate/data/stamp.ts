/** Files told apart by what the file system says of them. */
import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';

/** Tells a file's content from an earlier one without reading it. */
export async function stampOf(path: string): Promise<string> {
  const { size, mtimeNs } = await stat(path, { bigint: true });
  return `${size} ${mtimeNs}`;
}

/** Files that are asked about at a time. */
const atATime = 64;

/** Of many files in their order; one that is not there is `none`. @param nameOf what tells a file from others */
export async function identityOf(
  files: readonly string[],
  nameOf: (file: string) => string,
): Promise<string> {
  const hash = createHash('sha256');
  for (let first = 0; first < files.length; first += atATime) {
    const some = files.slice(first, first + atATime);
    const stamps = await Promise.all(some.map((file) => stampOf(file).catch(() => 'none')));
    for (const [i, file] of some.entries()) hash.update(`${nameOf(file)} ${stamps[i]}\n`);
  }
  return hash.digest('hex');
}
