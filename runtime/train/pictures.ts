/** A few pictures that a run was fed, their captions, and which captions the model found best at each checkpoint. */
import { z } from 'zod';

const pictureSchema = z.object({
  /** Of a PNG. */
  png: z.base64(),
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

export const picturesSchema = z.object({
  version: z.literal(1),
  pictures: z.array(pictureSchema),
  /** In order of steps. */
  rankings: z.array(rankingSchema),
});
export type PicturesFile = Omit<z.infer<typeof picturesSchema>, 'version'>;
