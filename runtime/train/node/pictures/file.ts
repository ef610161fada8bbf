/**
 * `pictures.json` of a run folder: a few pictures that the run was fed, their captions, and which captions the model
 * found best at each checkpoint.
 */
import { join } from 'node:path';
import { z } from 'zod';
import { writeText } from '../checkpoints.ts';
import { textOf } from '../lock.ts';

const pictureSchema = z.object({
  /** Base64 of a PNG. */
  png: z.string(),
  caption: z.string(),
  tokens: z.array(z.int()),
});
export type FedPicture = z.infer<typeof pictureSchema>;

/** The best captions of a picture, best first. */
const bestSchema = z.array(z.object({ caption: z.int(), probability: z.number() }));

const rankingSchema = z.object({
  /** Steps done. */
  step: z.int(),
  /** For each picture. A caption is the number of the picture that it belongs to. */
  best: z.array(bestSchema),
});
export type Ranking = z.infer<typeof rankingSchema>;

const fileSchema = z.object({
  version: z.literal(1),
  pictures: z.array(pictureSchema),
  /** In order of steps. */
  rankings: z.array(rankingSchema),
});
export type PicturesFile = Omit<z.infer<typeof fileSchema>, 'version'>;

const fileName = 'pictures.json';

/** Undefined where the folder has none, or one that cannot be understood: pictures can be shown anew. */
export async function readPictures(folder: string): Promise<PicturesFile | undefined> {
  const text = await textOf(join(folder, fileName));
  if (text === undefined) return undefined;
  try {
    return fileSchema.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

export function writePictures(folder: string, file: PicturesFile): Promise<void> {
  return writeText(join(folder, fileName), `${JSON.stringify({ version: 1, ...file })}\n`);
}
