/** `pictures.json` of a run folder. */
import { join } from 'node:path';
import { writeText } from '../../../data/files/atomic.ts';
import { parseJson } from '../../../data/files/json.ts';
import { type PicturesFile, picturesSchema } from '../../pictures.ts';
import { textOf } from '../lock.ts';

const fileName = 'pictures.json';

/** Undefined where the folder has none, or one that cannot be understood: pictures can be shown anew. */
export async function readPictures(folder: string): Promise<PicturesFile | undefined> {
  const text = await textOf(join(folder, fileName));
  return text === undefined ? undefined : picturesSchema.safeParse(parseJson(text)).data;
}

export function writePictures(folder: string, file: PicturesFile): Promise<void> {
  return writeText(join(folder, fileName), `${JSON.stringify({ version: 1, ...file })}\n`);
}
