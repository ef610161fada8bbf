/**
 * CLIP's image preprocessing: a picture file to normalised pixels, as CLIP's own transform on Pillow does it, with the
 * model's mean and deviation.
 */
import type { DataFile } from '../files/data-file.ts';
import { retrying } from '../files/transient.ts';
import { type FitSettings, fitImage, type Normalizer } from './fit.ts';
import { withPicture } from './open-picture.ts';

export {
  type Colour,
  denormalized,
  type FitSettings,
  fitImage,
  makeNormalizer,
  type Normalizer,
  shortSideSize,
} from './fit.ts';

/**
 * A picture file as RGB bytes [size, size, 3].
 * @throws Error with the reason when it cannot be read
 */
export function loadFitted(file: DataFile | Uint8Array, settings: FitSettings): Promise<Uint8Array> {
  const { size, background, maxPixels } = settings;
  return retrying(() => withPicture(file, maxPixels, (image) => fitImage(image, size, background)));
}

/**
 * One picture file, ready for a model: [3, size, size], normalised.
 * @throws Error with the reason when it cannot be read
 */
export async function loadImage(
  file: DataFile | Uint8Array,
  settings: FitSettings,
  normalize: Normalizer,
): Promise<Float32Array> {
  const { size } = settings;
  const out = new Float32Array(3 * size * size);
  normalize(out, 0, await loadFitted(file, settings));
  return out;
}
