/** Pictures of a data set that were told wrong, small enough to be inlined in a page. */
import sharp from 'sharp';
import { loadFitted } from '../../../runtime/data/pictures/images.ts';
import { type Encoder, predict } from '../../run/encoder.ts';
import type { Evaluated } from '../evaluate.ts';
import { nameOfClass } from '../prompts.ts';

/** Pictures that are shown of a data set, and their side. */
const most = 24;
const side = 96;
const shownClasses = 3;

export interface WrongPicture {
  /** As `data:`. */
  readonly picture: string;
  readonly truth: string;
  /** Best first. */
  readonly best: readonly { readonly label: string; readonly probability: number }[];
}

/** A few of them, spread over the data set. */
export async function wrongPictures(
  { set, told }: Evaluated,
  logits: Pick<Encoder, 'scale' | 'bias'>,
): Promise<WrongPicture[]> {
  const { truth, classes, features, places, pictures } = set;
  if (told === undefined || truth.kind !== 'classification' || classes === undefined) return [];
  const wrong = [...truth.labels.keys()].filter((row) => told.best[row]![0]!.index !== truth.labels[row]);
  const step = Math.max(1, wrong.length / most);
  const shown = wrong.filter((_, i) => Math.floor(i % step) === 0).slice(0, most);
  const labels = classes.map(nameOfClass);
  return Promise.all(
    shown.map(async (row) => {
      const { file } = await pictures.picture(places[row]!);
      const pixels = await loadFitted(file, { size: side });
      const png = await sharp(pixels, { raw: { width: side, height: side, channels: 3 } })
        .png()
        .toBuffer();
      const feature = features.data.subarray(row * features.width, (row + 1) * features.width);
      const { data } = told.candidates;
      return {
        picture: `data:image/png;base64,${png.toString('base64')}`,
        truth: labels[truth.labels[row]!]!,
        best: predict(feature, labels, data, logits).slice(0, shownClasses),
      };
    }),
  );
}
