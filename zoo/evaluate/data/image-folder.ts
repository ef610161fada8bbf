/** `DIR/CLASS/*.jpg`, as torchvision's ImageFolder: classes are numbered in the order of their folders' names. */
import { createHash } from 'node:crypto';
import { relative } from 'node:path';
import { readClassFolders } from '../../../runtime/data/sources/rows/class-folders.ts';
import { stampOf } from './stamp.ts';
import type { ClassNames, EvaluationSet } from './types.ts';

export async function openImageFolder(dir: string): Promise<EvaluationSet & ClassNames> {
  const folders = await readClassFolders(dir);
  const files = folders.flatMap(({ files }) => files);
  const hash = createHash('sha256');
  for (const file of files) hash.update(`${relative(dir, file)} ${await stampOf(file)}\n`);
  return {
    pictures: {
      name: dir,
      count: files.length,
      identity: hash.digest('hex'),
      picture: async (index) => ({ name: files[index]!, file: files[index]! }),
    },
    truth: {
      kind: 'classification',
      labels: Int32Array.from(folders.flatMap(({ files }, label) => files.map(() => label))),
    },
    classes: folders.map(({ name }) => name.replaceAll('_', ' ')),
    named: true,
  };
}
