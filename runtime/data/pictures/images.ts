/**
 * CLIP's image preprocessing: a picture file to normalised pixels.
 *
 * sharp decodes (JPEG, PNG, WebP, GIF, AVIF, TIFF, SVG); the rest is as CLIP's own transform on Pillow does
 * it: the short side to the model's resolution (bicubic, palette images nearest), centre crop, RGB, mean and
 * deviation. Colour profiles and EXIF orientation are ignored, as there. Transparency is dropped after a
 * resize with premultiplied alpha, as there, unless a background is given to put the picture on.
 */
import { readFile, stat } from 'node:fs/promises';
import sharp, { type Sharp } from 'sharp';
import { type Pixels, resizeBicubic, resizeNearest } from './resize.ts';

export const clipMean = [0.48145466, 0.4578275, 0.40821073] as const;
export const clipStd = [0.26862954, 0.26130258, 0.27577711] as const;

/** Larger pictures are refused: they are decompression bombs more often than photographs. */
const maxPixels = 25_000_000;

/** A decoded picture and whether its file had a palette. */
interface Decoded extends Pixels {
  readonly palette: boolean;
}

/** Red, green, blue, 0 to 255. */
export type Colour = readonly [number, number, number];

/** Whether the file has a palette: told by the first bytes of PNG and JPEG, which most pictures are. */
async function hasPalette(bytes: Uint8Array, image: Sharp): Promise<boolean> {
  if (bytes[0] === 0x89 && bytes[1] === 0x50) return bytes[25] === 3;
  if (bytes[0] === 0xff && bytes[1] === 0xd8) return false;
  return (await image.metadata()).isPalette;
}

/**
 * Decodes a picture file to interleaved bytes, 3 channels, or 4 with alpha.
 * @throws Error with the reason when it cannot be read
 */
export async function decodeImage(file: string | Uint8Array): Promise<Decoded> {
  // Reading a FIFO would wait for a writer.
  if (typeof file === 'string' && !(await stat(file)).isFile()) throw new Error('it is not a file');
  const bytes = typeof file === 'string' ? await readFile(file) : file;
  const image = sharp(bytes, { ignoreIcc: true, limitInputPixels: maxPixels, failOn: 'error' });
  const palette = await hasPalette(bytes, image);
  const { data, info } = await image
    .toColourspace('srgb')
    .raw({ depth: 'uchar' })
    .toBuffer({ resolveWithObject: true });
  return { width: info.width, height: info.height, channels: info.channels, data, palette };
}

/** Colours times alpha, rounded as Pillow rounds. */
function premultiply(image: Pixels): Pixels {
  const data = new Uint8Array(image.data);
  for (let i = 0; i < data.length; i += 4) {
    const alpha = data[i + 3]!;
    for (let c = 0; c < 3; c++) {
      const product = data[i + c]! * alpha + 128;
      data[i + c] = ((product >> 8) + product) >> 8;
    }
  }
  return { ...image, data };
}

/** Undoes `premultiply` and drops alpha. */
function unpremultiply(image: Pixels): Pixels {
  const data = new Uint8Array((image.data.length / 4) * 3);
  for (let i = 0, o = 0; i < image.data.length; i += 4, o += 3) {
    const alpha = image.data[i + 3]!;
    for (let c = 0; c < 3; c++) {
      const value = image.data[i + c]!;
      data[o + c] = alpha === 0 || alpha === 255 ? value : Math.min(Math.trunc((255 * value) / alpha), 255);
    }
  }
  return { ...image, channels: 3, data };
}

/** Composites on a plain colour. */
function flatten(image: Pixels, background: Colour): Pixels {
  const data = new Uint8Array((image.data.length / 4) * 3);
  for (let i = 0, o = 0; i < image.data.length; i += 4, o += 3) {
    const alpha = image.data[i + 3]!;
    for (let c = 0; c < 3; c++)
      data[o + c] = Math.round((image.data[i + c]! * alpha + background[c]! * (255 - alpha)) / 255);
  }
  return { ...image, channels: 3, data };
}

/** Python's round: halves go to the even neighbour. */
function roundHalfEven(value: number): number {
  const low = Math.floor(value);
  if (value - low !== 0.5) return Math.round(value);
  return low % 2 === 0 ? low : low + 1;
}

/** Width and height after the short side became `size`. */
export function shortSideSize(width: number, height: number, size: number): readonly [number, number] {
  return width <= height
    ? [size, Math.trunc((size * height) / width)]
    : [Math.trunc((size * width) / height), size];
}

/** Resize of the short side and centre crop: RGB bytes [size, size, 3]. */
export function fitImage(image: Decoded, size: number, background?: Colour): Uint8Array {
  const [width, height] = shortSideSize(image.width, image.height, size);
  const left = roundHalfEven((width - size) / 2);
  const top = roundHalfEven((height - size) / 2);
  const target = { width, height, left, top, columns: size, rows: size };
  const solid = image.channels === 4 && background !== undefined ? flatten(image, background) : image;
  if (image.palette) return toRgb(resizeNearest(solid, target)).data;
  if (solid.channels !== 4) return toRgb(resizeBicubic(solid, target)).data;
  return unpremultiply(resizeBicubic(premultiply(solid), target)).data;
}

/** Three channels: grey three times, alpha dropped. */
function toRgb(image: Pixels): Pixels {
  const { channels } = image;
  if (channels === 3) return image;
  const data = new Uint8Array(image.width * image.height * 3);
  for (let i = 0, o = 0; o < data.length; i += channels, o += 3)
    for (let c = 0; c < 3; c++) data[o + c] = image.data[channels < 3 ? i : i + c]!;
  return { ...image, channels: 3, data };
}

const normalised: readonly Float32Array[] = clipMean.map((mean, c) => {
  // Float32 arithmetic step by step, as the original's tensors do it.
  const m = Math.fround(mean);
  const s = Math.fround(clipStd[c]!);
  return Float32Array.from({ length: 256 }, (_, v) => Math.fround(Math.fround(Math.fround(v / 255) - m) / s));
});

/**
 * Normalises RGB bytes [size, size, 3] into NCHW order.
 * @param out receives 3 * size * size values from `offset` on
 */
export function normalizeInto(out: Float32Array, offset: number, bytes: Uint8Array): void {
  const plane = bytes.length / 3;
  for (let c = 0; c < 3; c++) {
    const values = normalised[c]!;
    for (let i = 0; i < plane; i++) out[offset + c * plane + i] = values[bytes[i * 3 + c]!]!;
  }
}

/**
 * One picture file, ready for a model: [3, size, size], normalised.
 * @throws Error with the reason when it cannot be read
 */
export async function loadImage(
  file: string | Uint8Array,
  size: number,
  background?: Colour,
): Promise<Float32Array> {
  const out = new Float32Array(3 * size * size);
  normalizeInto(out, 0, fitImage(await decodeImage(file), size, background));
  return out;
}
