/** `DIR/CLASS/*.jpg`, as torchvision's ImageFolder: classes are numbered in the order of their folders' names. */
import { relative } from 'node:path';
import { readClassFolders } from '../../../runtime/data/sources/rows/class-folders.ts';
import { identityOf } from './stamp.ts';
import type { ClassNames, EvaluationSet } from './types.ts';

export async function openImageFolder(dir: string): Promise<EvaluationSet & ClassNames> {
  const folders = await readClassFolders(dir);
  const files = folders.flatMap(({ files }) => files);
  return {
    pictures: {
      name: dir,
      count: files.length,
      identity: await identityOf(files, (file) => relative(dir, file)),
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
