/** Any picture that a page has, fitted. */
import { fitImage } from '../../../runtime/data/pictures/fit.ts';
import { fetchBytes, isNamed, ownBytes } from '../bytes.ts';
import type { Platform } from '../platform.ts';
import { decodePicture } from './pictures.ts';

export const fitOnPage: Platform['fit'] = async (picture, { size }) => {
  const isBitmap = typeof picture === 'object' && 'close' in picture;
  const source = isBitmap ? picture : isNamed(picture) ? await fetchBytes(picture) : await ownBytes(picture);
  return fitImage(await decodePicture(source), size);
};
